"""What a comparison allows to say: never more than the interval does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from aldata.compare.curves import UNITS, Curve
from aldata.compare.likeness import acted, acted_alike, unlike
from aldata.compare.statistics import FEWEST, Difference
from aldata.errors import AldataError

SHOWN = 6
"""How many parameters that differ are spelt out."""


def verdict(difference: Difference) -> str:
    """One sentence about one strategy."""
    name, reference, found = difference.strategy, difference.reference, difference.interval
    if found is None:
        return f"{name}: no pair of runs with {reference}, nothing can be said"
    cost = _range(difference.costs.values(), UNITS[difference.against])
    change = f"error {_percent(found.mean)} against {reference} at {cost}"
    if found.low is None or found.high is None:
        seeds = "one seed" if found.seeds == 1 else f"{found.seeds} seeds"
        return f"{name}: {change}, from {seeds}: at least {FEWEST} are needed to say more"
    interval = f"95 % interval {_percent(found.low)} to {_percent(found.high)}, {found.seeds} seeds"
    if found.high < 0:
        return f"{name} is better: {change} ({interval})"
    if found.low > 0:
        return f"{name} is worse: {change} ({interval})"
    return f"{name}: no difference that {found.seeds} seeds can show: {change} ({interval})"


def sentences(curves: Sequence[Curve], found: Sequence[Difference], reference: str) -> list[str]:
    """Verdicts about every strategy, then what is missing."""
    lines = [verdict(difference) for difference in found]
    if not any(curve.strategy == reference for curve in curves):
        return [f"there is no experiment with {reference}: nothing to compare with"]
    for difference in found:
        if difference.missing:
            seeds = ", ".join(f"seed {seed} ({why})" for seed, why in difference.missing.items())
            lines.append(f"{difference.strategy}: left out: {seeds}")
    for curve in curves:
        if curve.missing:
            cut = ", ".join(curve.missing)
            lines.append(f"{curve.experiment}: cut short, it has not recorded {cut}")
    return lines


def doings(curves: Sequence[Curve]) -> list[str]:
    """Per strategy that did not act everywhere, what did: `max_variance (farthest_point in g000)`."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for item in acted(curves):
        some = f" of seed {', '.join(map(str, item.seeds))}" if len(item.seeds) < item.of else ""
        found[item.strategy][item.instead].append(item.generation + some)
    return [
        f"{strategy} ({'; '.join(f'{name} in {_listed(where)}' for name, where in others.items())})"
        for strategy, others in found.items()
    ]


def warnings(
    curves: Sequence[Curve], unreadable: Mapping[str, AldataError] | None = None
) -> list[str]:
    """Experiments that could not be read, strategies that did the same, and what differs unasked."""
    lines = [
        f"LEFT OUT, cannot be read: {name}: {problem.what} ({problem.where})"
        for name, problem in (unreadable or {}).items()
    ]
    lines += [
        f"ACTED ALIKE: {one} and {other} did the same in every generation, so a difference between "
        "them is not the strategy's"
        for one, other in acted_alike(curves)
    ]
    return lines + _not_alike(curves)


def _not_alike(curves: Sequence[Curve]) -> list[str]:
    others = unlike(curves)
    if not others:
        return []
    lines = ["NOT ALIKE: these differ too, so the strategy may not be the cause:"]
    for item in others[:SHOWN]:
        values = "; ".join(f"{value} ({len(names)})" for value, names in item.values.items())
        lines.append(f"  {item.parameter}: {values}")
    if len(others) > SHOWN:
        lines.append(f"  and {len(others) - SHOWN} more (aldata compare show --json lists them)")
    return lines


def amount(cost: float) -> str:
    """A cost as text: whole numbers as such, small times with four digits."""
    return f"{cost:.0f}" if cost >= 1000 else f"{cost:.4g}"


def _range(costs: Collection[float], unit: str) -> str:
    low, high = amount(min(costs)), amount(max(costs))
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _listed(names: Sequence[str], most: int = SHOWN) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _percent(value: float) -> str:
    """With a sign, and as many decimals as it takes not to be zero."""
    percent = 100 * value
    return f"{percent:+.0f} %" if abs(percent) >= 1 or not percent else f"{percent:+.2g} %"
