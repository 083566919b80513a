"""Farthest point sampling: each pick has the environment least like all that are known.

Gonzalez, Theor. Comput. Sci. 38, 293 (1985). The existing training set counts as picked before. For
frames of one environment each, k picks leave no environment farther from the known ones than twice
what the best choice of k would (fixed centres included).
"""

from __future__ import annotations

import numpy as np

from aldata.acquire.known import Known
from aldata.acquire.picks import Picks
from aldata.acquire.pool import Pool, largest_per_frame
from aldata.acquire.settings import AcquireSettings


def pick(
    pool: Pool, count: int, _rng: np.random.Generator, _settings: AcquireSettings | None = None
) -> Picks:
    """The candidates picked greedily by their distance d(x) to what is known when they are picked.

    d(x) is the largest, over the atoms of x, of the distance to the nearest environment of the same
    element in the training set and the picks so far, in units of the typical spacing of the
    training set (of the descriptor itself if that is too small to have one). A mean over atoms
    would dilute one new defect as 1/N. An element without any known environment is as far away as
    vectors can be apart. Without a training set the first pick is the most ordinary frame, the one
    nearest to the mean environments. Scores never increase.
    """
    known = Known(pool)
    rows: list[int] = []
    scores: list[float] = []
    for _ in range(min(count, len(pool))):
        distance = known.distances()
        distance[rows] = -1.0
        ordinary = not rows and len(pool.training) == 0
        row = _most_ordinary(pool) if ordinary else int(np.argmax(distance))
        rows.append(row)
        scores.append(distance[row] / (known.spacing or 1.0))
        known.add(row)
    return Picks(
        rows=np.array(rows, dtype=np.int64),
        scores=np.array(scores),
        reason="farthest from the training set and the earlier picks",
        facts={"score_unit": _unit(known.spacing), "typical_spacing": known.spacing},
    )


def _unit(spacing: float | None) -> str:
    if spacing is None:
        return "distance of descriptors (the training set is too small for a typical spacing)"
    return "median nearest-neighbour distance of the training set's descriptors"


def _most_ordinary(pool: Pool) -> int:
    """The frame whose least ordinary atom is nearest to the mean environment of its element."""
    distance = np.zeros(len(pool.candidates.numbers))
    for number in np.unique(pool.candidates.numbers):
        atoms = pool.candidates.numbers == number
        vectors = np.asarray(pool.candidates.descriptor[atoms], dtype=np.float64)
        distance[atoms] = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1)
    return int(np.argmin(largest_per_frame(distance, pool.candidates.offsets)))
