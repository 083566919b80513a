"""What `aldata status` says of the newest models: whether to stop asking, and their thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def verdicts(rows: Sequence[Row]) -> list[str]:
    """Sentences about every computed generation that no computed one goes on from."""
    computed = [row for row in rows if row["metrics"]]
    parents = {row["parent"] for row in computed}
    newest = [row for row in computed if row["name"] not in parents]
    return [line for row in newest for line in (_stop(row), _thresholds(row)) if line]


def _stop(row: Row) -> str | None:
    stop = row["stop"]
    if not stop:
        return None
    error = (
        f"errors on its lineage's {stop['probe_frames']} probe frames "
        f"{_of(stop, 'forces_rmse_meV_per_A')} meV/A and {_of(stop, 'energy_rmse_meV_per_atom')} "
        "meV/atom"
    )
    if stop["information_per_call"] is None:
        told = "what the rest of its pool would tell is not known"
    else:
        told = (
            f"a call of the best {stop['remaining_frames']} left in its pool would tell "
            f"{_of(stop, 'information_per_call')} nats"
        )
    if stop["reached"]:
        return f"{row['name']} reached the target, more calls are not worth it: {error}; {told}"
    return f"{row['name']} has not reached the target: {error}; {told}"


def _of(stop: dict[str, Any], name: str) -> str:
    """A number and the one that is wanted."""
    value, wanted = stop[name], stop[f"wanted_{name}"]
    found = "?" if value is None else f"{value:.3g}"
    return f"{found} (wanted {wanted:.3g})"


def _thresholds(row: Row) -> str | None:
    found = row["thresholds"]
    if found is None:
        return f"{row['name']} is not calibrated: too few probe frames, or fewer than four members"
    return (
        f"{row['name']} is at home below sigma_forces = {found['sigma_lo']:.3g} eV/A "
        f"({found['level']:.0%} of its pool by {found['frames']} probe frames) and lost above "
        f"{found['sigma_hi']:.3g} eV/A"
    )
