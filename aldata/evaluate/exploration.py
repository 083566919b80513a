"""How an exploration went: how long trajectories lived, and where the model's sigma was meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LOST = "above sigma_hi"
"""Words in the end of a trajectory that went where the model does not know its way."""


def explored(records: Sequence[Mapping[str, Any]]) -> dict[str, int | float | None]:
    """The metrics `explore.*` from the records of a generation's candidates.

    Shares are over steps and over looks of all trajectories; None where there were none. A band is no
    trajectory: it has no steps that it was asked to survive.
    """
    runs = [record for record in records if "asked_steps" in record]
    looks = sum(record.get("looks", 0) for record in runs)
    inside = sum(record.get("looks_in_window", 0) for record in runs)
    asked = sum(record["asked_steps"] for record in runs)
    bands = [record for record in records if "converged" in record]
    return {
        "trajectories": len(runs),
        "stable_share": sum(record["steps"] for record in runs) / asked if asked else None,
        "window_share": inside / looks if looks else None,
        "lost": sum(LOST in record["ended"] for record in runs),
        "bands": len(bands),
        "bands_converged": sum(record["converged"] for record in bands),
        "barrier_meV": next((1e3 * b["barrier"] for b in bands if b["barrier"] is not None), None),
    }
