"""Paired differences between strategies, and what a number of calls buys.

Runs with the same random seed share all that chance decides before the strategy does (the first
candidates, the test set), so they are compared seed by seed, and the seeds are what is resampled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aldata.compare.curves import Curve

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

    Negative is better. missing : seeds that only one of the two has, with its cost at the end or not.
    costs : per seed, the calls (or CPU seconds, with `against: seconds`) at which they are compared.
    """

    strategy: str
    reference: str
    interval: Interval | None
    costs: dict[int, float]
    missing: tuple[int, ...]


def at_calls(values: Sequence[tuple[float, float]], cost: float) -> float | None:
    """The error after so many calls (or CPU s), by straight line; None outside the curve."""
    if not values or not values[0][0] <= cost <= values[-1][0]:
        return None
    return float(np.interp(cost, [x for x, _ in values], [y for _, y in values]))


def calls_to_reach(values: Sequence[tuple[float, float]], target: float) -> float | None:
    """Calls (or CPU s) after which the error stays within the target, by straight line, or None.

    A curve that goes under and comes back has not reached it: the model that is kept is the last one.
    """
    if not values or values[-1][1] > target:
        return None
    above = [k for k, (_, error) in enumerate(values) if error > target]
    if not above:
        return float(values[0][0])
    (x0, y0), (x1, y1) = values[above[-1]], values[above[-1] + 1]
    return x0 + (x1 - x0) * (y0 - target) / (y0 - y1)


def differences(
    curves: Sequence[Curve], metric: str, reference: str, against: str = "calls"
) -> list[Difference]:
    """Every strategy against `reference`, seed by seed, at the largest cost that both have."""
    runs = {(curve.strategy, curve.seed): curve.values(metric, against) for curve in curves}
    strategies = sorted({curve.strategy for curve in curves} - {reference})
    found = []
    for strategy in strategies:
        seeds = {seed for name, seed in runs if name in (strategy, reference)}
        ratios, costs = {}, {}
        for seed in sorted(seeds):
            mine, theirs = runs.get((strategy, seed), []), runs.get((reference, seed), [])
            if not mine or not theirs:
                continue
            last = min(mine[-1][0], theirs[-1][0])
            ours, other = at_calls(mine, last), at_calls(theirs, last)
            if ours is not None and other:
                ratios[seed], costs[seed] = ours / other, last
        interval = mean_interval([math.log(r) for r in ratios.values()]) if ratios else None
        missing = tuple(sorted(seeds - set(ratios)))
        found.append(Difference(strategy, reference, interval, costs, missing))
    return found


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
