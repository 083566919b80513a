"""What a strategy pays until its error stays within a target, in units of what the reference pays."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from aldata.compare.curves import Curve
from aldata.compare.statistics import Interval, Runs, cost_to_reach, mean_interval


@dataclass(frozen=True)
class Reached:
    """The costs of a strategy until its error stays within a target, seed by seed.

    targets : the error to reach. costs : calls (or CPU s); None where the run does not reach it.
    ratios : cost over that of the reference's run with the same seed, for seeds of which that run
    reaches its target; None where this one does not. interval : the geometric mean of the ratios minus
    1, if all are numbers. median : of the ratios, one that is None being the largest; None if it is such
    a one. missing : why a seed has no target or no run.
    """

    strategy: str
    reference: str
    targets: dict[int, float]
    costs: dict[int, float | None]
    ratios: dict[int, float | None]
    interval: Interval | None
    median: float | None
    missing: dict[int, str]

    @property
    def count(self) -> int:
        """Seeds that reach their target."""
        return sum(cost is not None for cost in self.costs.values())


def reached(
    curves: Sequence[Curve],
    metric: str,
    reference: str,
    against: str = "calls",
    target: float | None = None,
) -> list[Reached]:
    """What every strategy pays for a target: by default the error that the reference's run with the same
    seed has at its end. The reference itself comes first, with its costs alone.

    metric : an error, less is better. Runs that were cut short reach nothing and set no target.
    """
    runs = Runs(curves, metric, against)
    others = sorted({curve.strategy for curve in curves} - {reference})
    return [_reached(runs, strategy, reference, target) for strategy in (reference, *others)]


def _reached(runs: Runs, strategy: str, reference: str, target: float | None) -> Reached:
    needed = {strategy} if target is not None else {strategy, reference}
    targets: dict[int, float] = {}
    costs: dict[int, float | None] = {}
    ratios: dict[int, float | None] = {}
    missing: dict[int, str] = {}
    for seed in runs.seeds(strategy, reference):
        if reason := runs.why_not(seed, *sorted(needed)):
            missing[seed] = reason
            continue
        theirs = runs.usable.get((reference, seed), [])
        wanted = theirs[-1][1] if target is None else target
        targets[seed] = wanted
        costs[seed] = mine = cost_to_reach(runs.usable[strategy, seed], wanted)
        other = cost_to_reach(theirs, wanted)
        if other and strategy != reference:
            ratios[seed] = None if mine is None else mine / other
    known = [ratio for ratio in ratios.values() if ratio]
    whole = len(known) == len(ratios) > 0
    return Reached(
        strategy,
        reference,
        targets,
        costs,
        ratios,
        mean_interval([math.log(ratio) for ratio in known]) if whole else None,
        _median(list(ratios.values())),
        missing,
    )


def _median(ratios: Sequence[float | None]) -> float | None:
    """The median, where None is more than any number."""
    if not ratios:
        return None
    found = statistics.median(math.inf if ratio is None else ratio for ratio in ratios)
    return None if math.isinf(found) else found
