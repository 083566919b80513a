"""What a comparison allows to say: never more than the interval does."""

from __future__ import annotations

from aldata.compare.statistics import FEWEST, Difference


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


def _percent(value: float) -> str:
    return f"{100 * value:+.0f} %"
