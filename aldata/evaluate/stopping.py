"""When to stop asking: the errors are as small as was wanted, and the pool has little left to tell.

Either alone misleads: a small error on a few probe frames may be luck, and a pool that has nothing left
to tell may be a pool that is too narrow. The errors are those of the newest model on every probe frame
of the lineage: drawn uniformly, never trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from aldata.artifacts.residuals import MILLI
from aldata.records import Record


class Wanted(Record):
    """What the user asks of the model, and what a call must be worth."""

    energy: float = Field(gt=0, description="accuracy of energies (eV per atom)")
    forces: float = Field(gt=0, description="accuracy of force components (eV/A)")
    information: float = Field(gt=0, description="information of a call worth making (nats)")


def stopping(
    errors: Mapping[str, float | int | None],
    remaining: Mapping[str, Any] | None,
    wanted: Wanted,
    calibrated: bool,
) -> dict[str, float | int | bool | None]:
    """Whether the target is reached, and the numbers that decide it.

    errors : of this generation's model on the probe frames of the lineage (`residuals.errors`).
    remaining : of the selection: `frames` and `information` (nats) of the best batch that is left in
        the pool once the picks are labelled; None where there was no model to tell.
    calibrated : whether factors were fitted. Without them an expected information means nothing, and
        the target does not count as reached.

    Numbers that are not known are None. Names, units and meanings stand in `names.METRICS`.
    """
    frames = int(remaining["frames"]) if remaining else None
    per_call = None
    if remaining and frames:
        per_call = float(remaining["information"]) / frames
    numbers = {
        "energy_rmse_meV_per_atom": errors["energy_rmse_meV_per_atom"],
        "forces_rmse_meV_per_A": errors["forces_rmse_meV_per_A"],
        "information_per_call": per_call,
    }
    limits = {
        "wanted_energy_rmse_meV_per_atom": MILLI * wanted.energy,
        "wanted_forces_rmse_meV_per_A": MILLI * wanted.forces,
        "wanted_information_per_call": wanted.information,
    }
    within = [
        value is not None and value <= limit
        for value, limit in zip(numbers.values(), limits.values(), strict=True)
    ]
    return {
        "reached": calibrated and all(within),
        "probe_frames": errors["frames"],
        "remaining_frames": frames,
        **numbers,
        **limits,
    }
