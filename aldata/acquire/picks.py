"""What a strategy is and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from aldata.acquire.pool import Float, Integer, Pool
from aldata.acquire.settings import AcquireSettings


@dataclass(frozen=True, eq=False, kw_only=True)
class Picks:
    """Rows of a pool in the order in which they were picked, and why.

    rows (pick,); scores (pick,), never increasing within one strategy unless it says so; `facts`
    are JSON-able numbers that make the scores understandable.
    """

    rows: Integer
    scores: Float
    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Pick = Callable[[Pool, int, np.random.Generator, AcquireSettings], Picks]
"""Picks so many rows (at most all) of a pool whose rows are in ascending order of their ids."""

Needs = Literal["nothing", "model", "variances"]
"""Of the parent: `variances` are those of a committee of two or more, or of a last layer."""


@dataclass(frozen=True)
class Strategy:
    """A way to pick, and what it cannot work without.

    without : how it picks from a pool that lacks what it needs; None: it cannot, and another strategy
        is put in its place.
    """

    pick: Pick
    needs: Needs = "nothing"
    without: Pick | None = None

    def can_work(self, pool: Pool) -> bool:
        """Whether the pool has what it needs."""
        if self.needs == "variances":
            return pool.has_variances
        return self.needs == "nothing" or pool.belief is not None

    def way(self, pool: Pool) -> Pick | None:
        """How it picks from this pool; None where it cannot."""
        return self.pick if self.can_work(pool) else self.without


def highest(scores: Float, count: int) -> Integer:
    """Rows of the `count` highest scores, highest first; of equal scores the lower row first."""
    return np.argsort(-scores, kind="stable")[:count].astype(np.int64)
