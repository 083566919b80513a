"""Farthest point sampling: each pick has the environment least like all that are known.

Gonzalez, Theor. Comput. Sci. 38, 293 (1985). The existing training set counts as picked before. For
frames of one environment each, k picks leave no environment farther from the known ones than twice
what the best choice of k would (fixed centres included).
"""

from __future__ import annotations

import numpy as np

from aldata.acquire.frontier import Frontier
from aldata.acquire.known import environments
from aldata.acquire.picks import Picks
from aldata.acquire.pool import Float, Pool, largest_per_frame
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
    frontier = Frontier(pool)
    unit = frontier.spacing or 1.0
    rows: list[int] = []
    scores: list[float] = []
    for _ in range(min(count, len(pool))):
        ordinary = not rows and len(pool.training) == 0
        row = _most_ordinary(pool) if ordinary else frontier.farthest()
        rows.append(row)
        scores.append(frontier.distance(row) / unit)
        frontier.add(row)
    return Picks(
        rows=np.array(rows, dtype=np.int64),
        scores=np.array(scores),
        reason="farthest from the training set and the earlier picks",
        facts={"score_unit": _unit(frontier.spacing), "typical_spacing": frontier.spacing},
    )


def _unit(spacing: float | None) -> str:
    if spacing is None:
        return "distance of descriptors (the training set is too small for a typical spacing)"
    return "median nearest-neighbour distance of the training set's descriptors"


def _most_ordinary(pool: Pool) -> int:
    """The frame whose least ordinary atom is nearest to the mean environment of its element."""
    sums: dict[int, Float] = {}
    counts: dict[int, int] = {}
    for _, part in pool.blocks():
        for number, vectors in environments(part.described).items():
            total = vectors.sum(axis=0, dtype=np.float64)
            sums[number] = sums[number] + total if number in sums else total
            counts[number] = counts.get(number, 0) + len(vectors)
    found = np.zeros(len(pool))
    for where, part in pool.blocks():
        described = part.described
        distance = np.zeros(len(described.numbers))
        for number in np.unique(described.numbers):
            atoms = described.numbers == number
            mean = sums[int(number)] / counts[int(number)]
            distance[atoms] = np.linalg.norm(described.descriptor[atoms] - mean, axis=1)
        found[where] = largest_per_frame(distance, described.offsets)
    return int(np.argmin(found))
