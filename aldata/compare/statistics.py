"""Paired differences between strategies at equal cost.

Runs with the same random seed share all that chance decides before the strategy does (the first
candidates, the test set), so they are compared seed by seed, and the seeds are what is resampled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aldata.compare.curves import AGAINST, Curve, repeated

Key = tuple[str, int]
"""Strategy and seed of a run."""

Values = Sequence[tuple[float, float]]
"""A learning curve: (cost so far, error)."""

RESAMPLES = 20_000
CONFIDENCE = 0.95
FEWEST = 3
"""Seeds below which no interval is given: of two, a resample has three different means."""


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and its confidence interval, of relative differences (1); None: too few seeds."""

    mean: float
    low: float | None
    high: float | None
    seeds: int


@dataclass(frozen=True)
class Difference:
    """A strategy against the reference: error relative to the reference's at equal cost, minus 1.

    Negative is better. missing : why a seed of one of the two has no ratio. costs : per seed with one,
    the calls (or CPU seconds, with `against: seconds`) at which they are compared.
    """

    strategy: str
    reference: str
    interval: Interval | None
    costs: dict[int, float]
    missing: dict[int, str]
    against: str = "calls"


def error_at(values: Values, cost: float) -> float | None:
    """The error at a cost (calls or CPU s), by straight line; None outside the curve."""
    if not values or not values[0][0] <= cost <= values[-1][0]:
        return None
    return float(np.interp(cost, [x for x, _ in values], [y for _, y in values]))


def cost_to_reach(values: Values, target: float) -> float | None:
    """Cost (calls or CPU s) after which the error stays within the target, by straight line, or None.

    A curve that goes under and comes back has not reached it: the model that is kept is the last one.
    """
    if not values or not values[-1][1] <= target:
        return None
    above = [k for k, (_, error) in enumerate(values) if not error <= target]
    if not above:
        return float(values[0][0])
    (x0, y0), (x1, y1) = values[above[-1]], values[above[-1] + 1]
    return x0 + (x1 - x0) * (y0 - target) / (y0 - y1)


class Runs:
    """The runs that can be paired, by strategy and seed, and why others cannot.

    A run that was cut short is none: at its last cost, which is less than the others', it would be
    compared with models that nobody wanted. Nor is one of several with the same strategy and seed.
    """

    def __init__(self, curves: Sequence[Curve], metric: str, against: str) -> None:
        self.usable: dict[Key, Values] = {}
        self.reasons: dict[Key, str] = {}
        for several in repeated(curves):
            names = " and ".join(curve.experiment for curve in several)
            self.reasons[several[0].strategy, several[0].seed] = (
                f"{names} have the same strategy and seed"
            )
        for curve in curves:
            key = curve.strategy, curve.seed
            if reason := self.reasons.get(key) or _unusable(curve, metric, against):
                self.reasons[key] = reason
            else:
                self.usable[key] = curve.values(metric, against)

    def seeds(self, *strategies: str) -> list[int]:
        """Seeds that one of the strategies has, usable or not."""
        return sorted({seed for name, seed in (*self.usable, *self.reasons) if name in strategies})

    def why_not(self, seed: int, *strategies: str) -> str:
        """Why not all of the strategies have a run with this seed; empty if they do."""
        keys = [(strategy, seed) for strategy in strategies]
        lacking = [key for key in keys if key not in self.usable]
        return "; ".join(self.reasons.get(key, f"no run of {key[0]}") for key in lacking)


def _unusable(curve: Curve, metric: str, against: str) -> str | None:
    if curve.missing or not curve.points:
        return f"{curve.experiment} is cut short"
    if not curve.knows(metric):
        return f"{curve.experiment} does not report it"
    last = curve.points[-1]
    if last.get(metric) is None or last.get(AGAINST[against]) is None:
        return f"{curve.experiment} has no value in its last generation"
    return None


def differences(
    curves: Sequence[Curve], metric: str, reference: str, against: str = "calls"
) -> list[Difference]:
    """Every strategy against `reference`, seed by seed, at the largest cost that both have.

    metric : an error, less is better. Runs that cannot be paired are told with their reason.
    """
    runs = Runs(curves, metric, against)
    strategies = sorted({curve.strategy for curve in curves} - {reference})
    return [_difference(runs, strategy, reference, against) for strategy in strategies]


def _difference(runs: Runs, strategy: str, reference: str, against: str) -> Difference:
    ratios, costs, missing = {}, {}, {}
    for seed in runs.seeds(strategy, reference):
        if reason := runs.why_not(seed, strategy, reference):
            missing[seed] = reason
            continue
        mine, theirs = runs.usable[strategy, seed], runs.usable[reference, seed]
        last = min(mine[-1][0], theirs[-1][0])
        ours, other = error_at(mine, last), error_at(theirs, last)
        if ours is None or other is None:
            missing[seed] = "one begins at a higher cost than the other ends at"
        elif not (0 < ours < math.inf and 0 < other < math.inf):
            missing[seed] = f"errors of {ours:.3g} and {other:.3g} have no ratio"
        else:
            ratios[seed], costs[seed] = ours / other, last
    interval = mean_interval([math.log(r) for r in ratios.values()]) if ratios else None
    return Difference(strategy, reference, interval, costs, missing, against)


def mean_interval(logs: Sequence[float]) -> Interval:
    """Geometric mean of ratios minus 1, from their logarithms, with a 95 % interval over seeds.

    On each side the further of two limits: Student's t of the logarithms, and the expanded percentile
    interval of a bootstrap over seeds (Hesterberg, Am. Stat. 69 (2015) 371, section 4.1). The bootstrap
    follows what is skewed; by itself it holds the mean of three normal values in 75 % of the cases, of
    five in 91 %, because no resample goes beyond the values. The resamples are always the same ones.
    """
    n, values = len(logs), np.asarray(logs, dtype=np.float64)
    mean = float(values.mean())
    if n < FEWEST:
        return Interval(math.expm1(mean), None, None, n)
    from scipy.stats import norm, t

    tail = (1 - CONFIDENCE) / 2
    students = float(t.ppf(1 - tail, n - 1))
    beyond = float(norm.cdf(-math.sqrt(n / (n - 1)) * students))
    rng = np.random.default_rng(0)
    means = values[rng.integers(n, size=(RESAMPLES, n))].mean(axis=1)
    low, high = np.quantile(means, [beyond, 1 - beyond])
    half = students * float(values.std(ddof=1)) / math.sqrt(n)
    low, high = min(float(low), mean - half), max(float(high), mean + half)
    return Interval(math.expm1(mean), math.expm1(low), math.expm1(high), n)
