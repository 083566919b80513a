"""Uniformly random candidates: the baseline."""

from __future__ import annotations

import numpy as np

from aldata.acquire.picks import Picks, highest
from aldata.acquire.pool import Pool
from aldata.acquire.settings import AcquireSettings


def pick(
    pool: Pool, count: int, rng: np.random.Generator, _settings: AcquireSettings | None = None
) -> Picks:
    """The candidates with the highest of independent uniform numbers, which are the scores."""
    keys = rng.random(len(pool))
    rows = highest(keys, count)
    return Picks(rows=rows, scores=keys[rows], reason="drawn uniformly at random")
