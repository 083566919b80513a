"""The null: the scores of another strategy on the wrong frames.

What this one seems to gain over `random` is what chance gains. A comparison in which `permuted` differs
from `random` by more has a mistake in it. So it is uniform in every generation: where there are no scores
to shuffle yet, it draws, too, and not what `random` draws with the same seed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aldata.acquire.picks import Picks, Strategy
from aldata.acquire.pool import Pool
from aldata.acquire.settings import AcquireSettings
from aldata.acquire.strategies import random


def permuted(strategy: Strategy, name: str) -> Strategy:
    """The null of `strategy`, which is called `name`: same number, same scores, shuffled frames."""

    def pick(pool: Pool, count: int, rng: np.random.Generator, settings: AcquireSettings) -> Picks:
        real = strategy.pick(pool, count, rng, settings)
        rows = rng.permutation(len(pool))[: len(real.rows)].astype(np.int64)
        return replace(real, rows=rows, reason=f"scores of {name} on shuffled frames")

    def draw(pool: Pool, count: int, rng: np.random.Generator, settings: AcquireSettings) -> Picks:
        drawn = random.pick(pool, count, rng.spawn(1)[0], settings)
        return replace(
            drawn, reason=f"drawn uniformly at random: {name} has no scores to shuffle yet"
        )

    return Strategy(pick, strategy.needs, without=draw)
