"""Largest cluster, maximum distance (LCMD; Holzmueller et al., J. Mach. Learn. Res. 24, 164, 2023).

Candidates are looked at through the last layer: the whitened row of their energy, so that the distance
of two frames is the uncertainty of their energy difference. The training frames and the picks so far
are centres; every candidate belongs to its nearest centre. The next pick is the farthest candidate in
the cluster whose squared distances add up to most: where much of the pool is badly represented.
"""

from __future__ import annotations

import numpy as np

from aldata.acquire.picks import Picks
from aldata.acquire.pool import Float, Pool
from aldata.acquire.settings import AcquireSettings


def pick(pool: Pool, count: int, _rng: np.random.Generator, _settings: AcquireSettings) -> Picks:
    """The candidates picked one by one; the score is the distance to the nearest centre, in eV."""
    vectors, centres = pool.last_layer.energies, pool.last_layer.training
    squared, cluster = _assigned(vectors, centres)
    rows: list[int] = []
    scores: list[float] = []
    for _ in range(min(count, len(pool))):
        row = _next(squared, cluster, rows)
        rows.append(row)
        scores.append(float(np.sqrt(squared[row])))
        there = np.square(vectors - vectors[row]).sum(axis=1)
        closer = there < squared
        squared = np.where(closer, there, squared)
        cluster = np.where(closer, len(centres) + len(rows), cluster)
    return Picks(
        rows=np.array(rows, dtype=np.int64),
        scores=np.array(scores),
        reason="farthest from the centre of the largest cluster",
        facts={"score_unit": "eV", "centres": len(centres)},
    )


def _assigned(
    vectors: Float, centres: Float
) -> tuple[Float, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Squared distance to the nearest centre and its number; without centres, to the origin."""
    squared, cluster = np.square(vectors).sum(axis=1), np.zeros(len(vectors), dtype=np.int64)
    if len(centres):
        squared = np.full(len(vectors), np.inf)
    for number, centre in enumerate(centres):
        there = np.square(vectors - centre).sum(axis=1)
        closer = there < squared
        squared, cluster = np.where(closer, there, squared), np.where(closer, number, cluster)
    return squared, cluster


def _next(
    squared: Float, cluster: np.ndarray[tuple[int], np.dtype[np.int64]], taken: list[int]
) -> int:
    free = np.ones(len(squared), dtype=bool)
    free[taken] = False
    size = np.bincount(cluster[free], weights=squared[free])
    # a cluster of exact copies has no size, but its frames may still be asked for
    largest = max(np.unique(cluster[free]), key=lambda number: (size[number], -number))
    inside = np.where(free & (cluster == largest), squared, -1.0)
    return int(np.argmax(inside))
