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
    strange = 0
    if pool.failed is not None and spacing is not None:
        strange = _mark(pool.candidates, pool.training, pool.failed, distance * spacing, rows)
    facts = {
        "candidates": int(rows.sum()),
        "failed": failed,
        "environments": strange,
        "distance": None if spacing is None else distance * spacing,
        "reason": "an environment like one of a failed call that no training frame has",
    }
    return Avoided(rows=rows, facts=facts)


def _mark(
    candidates: Descriptors,
    training: Descriptors,
    failed: Descriptors,
    distance: float,
    rows: npt.NDArray[np.bool_],
) -> int:
    """Mark the candidates' rows; how many environments they were compared with."""
    strange = 0
    for number in np.unique(failed.numbers):
        known = training.descriptor[training.numbers == number]
        theirs = failed.descriptor[failed.numbers == number]
        theirs = theirs[nearest(theirs, known) > distance]
        ours = np.flatnonzero(candidates.numbers == number)
        if len(theirs) and len(ours):
            close = nearest(candidates.descriptor[ours], theirs) <= distance
            rows[candidates.frame_of_atom[ours[close]]] = True
        strange += len(theirs)
    return strange
