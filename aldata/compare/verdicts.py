"""What a comparison allows to say: never more than the interval does."""

from __future__ import annotations

from collections.abc import Sequence

from aldata.compare.curves import Curve, unlike
from aldata.compare.statistics import FEWEST, Difference

SHOWN = 6
"""How many parameters that differ are spelt out."""


def verdict(difference: Difference) -> str:
    """One sentence about one strategy."""
    name, reference, found = difference.strategy, difference.reference, difference.interval
    if found is None:
        return f"{name}: no seed in common with {reference}, nothing can be said"
    change = f"error {_percent(found.mean)} against {reference}"
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
        lines = [f"there is no experiment with {reference}: nothing to compare with"]
    for difference in found:
        if difference.missing:
            seeds = ", ".join(map(str, difference.missing))
            lines.append(
                f"{difference.strategy}: left out, one of the pair is missing: seed {seeds}"
            )
    for curve in curves:
        if curve.missing:
            cut = ", ".join(curve.missing)
            lines.append(f"{curve.experiment}: cut short, it has not recorded {cut}")
    return lines


def warnings(curves: Sequence[Curve]) -> list[str]:
    """Parameters that differ although nobody compares them."""
    others = unlike(curves)
    if not others:
        return []
    lines = ["NOT ALIKE: these parameters differ too, so the strategy may not be the cause:"]
    for item in others[:SHOWN]:
        values = "; ".join(f"{value} ({len(names)})" for value, names in item.values.items())
        lines.append(f"  {item.parameter}: {values}")
    if len(others) > SHOWN:
        lines.append(f"  and {len(others) - SHOWN} more (aldata compare show --json lists them)")
    return lines


def _percent(value: float) -> str:
    return f"{100 * value:+.0f} %"
