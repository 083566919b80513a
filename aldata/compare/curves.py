"""Learning curves of runs, and what they can be drawn against."""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aldata.errors import InvalidInput

VARIED = ("acquire.strategy", "random_seed")
"""What the experiments of a study may differ in."""

AGAINST = {"calls": "calls", "seconds": "oracle_seconds"}
"""What a learning curve can be drawn against, and the column of it: calls, or CPU time of the oracle."""

UNITS = {"calls": "calls", "seconds": "CPU s of the oracle"}
"""The same costs in words."""

WORDS = ("generation", "parent", "strategy")
"""Columns of a learning curve that are no numbers."""

NO_METRICS = (*WORDS, *AGAINST.values())
"""Columns of a learning curve that say where a point is, not how good."""


@dataclass(frozen=True)
class Curve:
    """One experiment: what was varied, and a point per generation of its lineage, the first first.

    points : flat records of the learning curve (`evaluate.report.CURVE`): calls and oracle seconds in
    all so far, and errors of the model then. missing : generations of the lineage that it has not
    recorded; such a curve is cut short. settings : its other parameters, by dotted name. inputs : what
    it was computed from beside them, name -> hash.
    """

    experiment: str
    commit: str
    strategy: str
    seed: int
    points: tuple[dict[str, Any], ...]
    missing: tuple[str, ...]
    settings: dict[str, str]
    inputs: Mapping[str, str] = field(default_factory=dict)

    def values(self, metric: str, against: str = "calls") -> list[tuple[float, float]]:
        """(cost so far, value) of every generation that reports the metric; cost as in `AGAINST`."""
        pairs = [(point.get(AGAINST[against]), point.get(metric)) for point in self.points]
        return [(float(x), float(y)) for x, y in pairs if x is not None and y is not None]

    def knows(self, metric: str) -> bool:
        """Whether one of its generations reports the metric."""
        return any(metric in point for point in self.points)


def metrics_of(curves: Sequence[Curve], patterns: Sequence[str]) -> list[str]:
    """Metrics of the curves by name or by pattern (`test_*_forces_*`), in the order of the curves.

    Raises InvalidInput for a pattern that no curve has a metric for.
    """
    known = dict.fromkeys(name for curve in curves for point in curve.points for name in point)
    numbers = [name for name in known if name not in NO_METRICS]
    found: dict[str, None] = {}
    for pattern in patterns:
        matching = fnmatch.filter(numbers, pattern)
        if not matching and numbers:
            raise InvalidInput(
                f"there is no metric '{pattern}'",
                where="--metric",
                expected=f"one of: {', '.join(sorted(numbers))}; or a pattern like 'test_*_forces_*'",
            )
        found |= dict.fromkeys(matching or [pattern])
    return list(found)


def by_strategy(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """The curves of every strategy, in order of their seeds."""
    found: dict[str, list[Curve]] = defaultdict(list)
    for curve in sorted(curves, key=lambda curve: (curve.strategy, curve.seed)):
        found[curve.strategy].append(curve)
    return dict(found)


def repeated(curves: Sequence[Curve]) -> list[list[Curve]]:
    """Runs that have strategy and random seed in common, so that none of them is the one to pair."""
    found: dict[tuple[str, int], list[Curve]] = defaultdict(list)
    for curve in curves:
        found[curve.strategy, curve.seed].append(curve)
    return [members for members in found.values() if len(members) > 1]
