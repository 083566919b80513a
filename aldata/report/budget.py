"""How much a page may hold: a report of any project opens at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integer = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Budget:
    """What the whole page shows at most; what is left out is said in the page.

    points : frames on the maps of all generations together, beside the picks, which all are shown.
    atoms : of the structures that can be looked at; the picks' come first. residuals : atoms on the plots
    of sigma against error. overall : frames on the map of all generations. calls : picks that are listed,
    and calls without a label.
    """

    points: int = 30_000
    atoms: int = 300_000
    residuals: int = 10_000
    overall: int = 2_000
    calls: int = 10_000


def shares(sizes: Sequence[int], most: int) -> list[int]:
    """How many of each group to show: all, or of the larger ones as many each as the sum allows."""
    left, waiting = most, sorted(range(len(sizes)), key=lambda k: sizes[k])
    found = [0] * len(sizes)
    for place, group in enumerate(waiting):
        found[group] = min(sizes[group], left // (len(waiting) - place))
        left -= found[group]
    return found


def thinned(rows: Integer, most: int) -> Integer:
    """At most so many of the rows, evenly spread, in their order."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)] if most else rows[:0]
