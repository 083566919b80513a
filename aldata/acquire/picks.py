"""What a strategy is and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aldata.acquire.pool import Float, Integer, Pool


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


Pick = Callable[[Pool, int, np.random.Generator], Picks]
"""Picks so many rows (at most all) of a pool whose rows are in ascending order of their ids."""


@dataclass(frozen=True)
class Strategy:
    """A way to pick; with `needs_variances` it cannot work before there is a committee."""

    pick: Pick
    needs_variances: bool


def highest(scores: Float, count: int) -> Integer:
    """Rows of the `count` highest scores, highest first; of equal scores the lower row first."""
    return np.argsort(-scores, kind="stable")[:count].astype(np.int64)
