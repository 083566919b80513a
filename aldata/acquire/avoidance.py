"""Regions in which calls failed: not asked for again for as long as nothing accepted is near.

Which environment made a call fail, nobody knows; that the ordinary ones did not, the training set
shows. So only those environments of a failed configuration count that lie farther from every
training environment than the stated distance. A candidate with an environment nearer than that to
one of them is left out, by whatever strategy, and from the probe too: a call that fails gives no
error to learn from, and the probe stays uniform over what may be asked. Once a label in such a
region is accepted, its environments are ordinary and the region is open again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aldata.acquire.distances import nearest, typical_spacing
from aldata.acquire.known import Environments, closer, environments
from aldata.acquire.pool import Pool
from aldata.artifacts.frames import Descriptors


@dataclass(frozen=True, eq=False, kw_only=True)
class Avoided:
    """Which candidates are left out (candidate,), and why, in JSON-able numbers."""

    rows: npt.NDArray[np.bool_]
    facts: dict[str, float | int | str | None]


def near_failed(pool: Pool, distance: float) -> Avoided:
    """Candidates within `distance` of where a call failed.

    The unit is the typical spacing of the training set; while that is too small to have one, or
    with distance 0, nothing is left out.
    """
    rows = np.zeros(len(pool), dtype=bool)
    failed = 0 if pool.failed is None else len(pool.failed)
    spacing = typical_spacing(pool.training) if failed and distance > 0 else None
    blamed: Environments = {}
    if pool.failed is not None and spacing is not None:
        blamed = _strange(pool.failed, pool.training, distance * spacing)
        for where, part in pool.blocks() if blamed else ():
            rows[where] = _near(part.described, blamed, distance * spacing)
    facts = {
        "candidates": int(rows.sum()),
        "failed": failed,
        "environments": sum(len(vectors) for vectors in blamed.values()),
        "distance": None if spacing is None else distance * spacing,
        "reason": "an environment like one of a failed call that no training frame has",
    }
    return Avoided(rows=rows, facts=facts)


def _strange(failed: Descriptors, training: Descriptors, distance: float) -> Environments:
    """Environments of failed configurations that lie farther than that from every training one."""
    known, found = environments(training), {}
    for number, theirs in environments(failed).items():
        ordinary = known.get(number, theirs[:0])
        strange = theirs[nearest(theirs, ordinary) > distance]
        if len(strange):
            found[number] = strange
    return found


def _near(described: Descriptors, blamed: Environments, distance: float) -> npt.NDArray[np.bool_]:
    """Which frames have an environment within `distance` of one of them: shape (frame,)."""
    close = closer(described, blamed, np.full(len(described.numbers), np.inf)) <= distance
    found = np.zeros(len(described), dtype=bool)
    found[described.frame_of_atom[close]] = True
    return found
