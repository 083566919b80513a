"""The null: the scores of another strategy on the wrong frames.

Whatever a strategy seems to gain over this one, and this one over `random`, is what chance gains. A
comparison in which `permuted` differs from `random` has a mistake in it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aldata.acquire.picks import Picks, Strategy
from aldata.acquire.pool import Pool
from aldata.acquire.settings import AcquireSettings


def permuted(strategy: Strategy, name: str) -> Strategy:
    """The null of `strategy`, which is called `name`: same number, same scores, shuffled frames."""

    def pick(pool: Pool, count: int, rng: np.random.Generator, settings: AcquireSettings) -> Picks:
        real = strategy.pick(pool, count, rng, settings)
        rows = rng.permutation(len(pool))[: len(real.rows)].astype(np.int64)
        return replace(real, rows=rows, reason=f"scores of {name} on shuffled frames")

    return Strategy(pick, strategy.needs)
