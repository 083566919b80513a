"""The metrics of one generation, and the learning curve that leads to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from aldata.artifacts.documents import Calibration
from aldata.errors import InvalidInput
from aldata.evaluate.names import flatten
from aldata.records import Record

Values = Mapping[str, float | int | None]


class Facts(Record):
    """What a generation did and holds: calls of its own, frames of its whole lineage."""

    generation: str
    parent: str | None
    strategy: str | None = None
    accepted: int = Field(ge=0)
    rejected: int = Field(ge=0)
    failed: int = Field(ge=0)
    oracle_seconds: float = Field(ge=0, description="CPU time of this generation's calls (s)")
    train_frames: int = Field(ge=0)
    valid_frames: int = Field(ge=0)
    probe_frames: int = Field(ge=0)

    @property
    def calls(self) -> int:
        """Calls of this generation, however they ended."""
        return self.accepted + self.rejected + self.failed


def metrics(
    facts: Facts,
    prequential: Mapping[str, Values],
    tests: Mapping[str, Values],
    calibration: Calibration,
    parent_history: Sequence[Mapping[str, Any]],
    stop: Mapping[str, Any],
    exploration: Values,
) -> dict[str, Any]:
    """All metrics of one generation; names, units and meanings stand in `names.METRICS`.

    prequential : scores of the parent's model, by `probe` and `acquired`, and errors of this
    generation's on the probe frames of the lineage (`probe_so_far`). tests : errors of this generation's
    model by test set. parent_history : the parent's learning curve, for the totals. stop : see
    `stopping`. exploration : see `explored`.
    """
    before = parent_history[-1] if parent_history else {"calls": 0, "oracle_seconds": 0.0}
    return {
        **facts.content(),
        "calls_total": before["calls"] + facts.calls,
        "oracle_seconds_total": before["oracle_seconds"] + facts.oracle_seconds,
        "alpha_energy": calibration.energy.alpha,
        "alpha_forces": calibration.forces.alpha,
        "alpha_energy_fitted": calibration.energy.fitted,
        "alpha_forces_fitted": calibration.forces.fitted,
        "explore": dict(exploration),
        **{name: dict(scores) for name, scores in prequential.items()},
        "stop": dict(stop),
        "test": {name: dict(errors) for name, errors in tests.items()},
    }


CURVE = {
    "generation": "generation",
    "parent": "parent",
    "strategy": "strategy",
    "calls": "calls_total",
    "oracle_seconds": "oracle_seconds_total",
    "train_frames": "train_frames",
    "explore_stable_share": "explore.stable_share",
    "explore_barrier_meV": "explore.barrier_meV",
    "probe_energy_rmse_meV_per_atom": "probe.energy_rmse_meV_per_atom",
    "probe_forces_rmse_meV_per_A": "probe.forces_rmse_meV_per_A",
    "probe_energy_mean_z2": "probe.energy_mean_z2",
    "probe_forces_mean_z2": "probe.forces_mean_z2",
    "probe_so_far_energy_rmse_meV_per_atom": "probe_so_far.energy_rmse_meV_per_atom",
    "probe_so_far_forces_rmse_meV_per_A": "probe_so_far.forces_rmse_meV_per_A",
}
"""Columns of the learning curve, and the flat name of the metric that each shows.

`probe_*` judges the parent's model, on the probe frames that this generation asked for: at this
generation's cost it stands one batch too far right. `probe_so_far_*` judges this generation's model, on all
probe frames of its lineage, of which none was ever trained on: what to draw against cost.
"""

CURVE_TEST = (
    "energy_rmse_meV_per_atom",
    "energy_rmse_shifted_meV_per_atom",
    "forces_rmse_meV_per_A",
    "forces_max_meV_per_A",
)
"""Test errors in the learning curve: `test_<set>_<name>`, and `test_<name>` of the first set."""


def history_point(reported: Mapping[str, Any]) -> dict[str, Any]:
    """One point of the learning curve, flat, from the metrics of one generation."""
    flat = flatten(reported)
    point = {column: flat.get(name) for column, name in CURVE.items()}
    point |= {f"test_{error}": None for error in CURVE_TEST}
    sets = reported.get("test", {})
    for position, (name, errors) in enumerate(sets.items()):
        for error in CURVE_TEST:
            if position == 0:
                point[f"test_{error}"] = errors[error]
            point[f"test_{name}_{error}"] = errors[error]
    return point


def numbers(reported: Mapping[str, Any]) -> dict[str, float | None]:
    """Every number of a generation, for a table of runs; None for one that could not be found.

    Those of its point of the learning curve have the names that they have there; all of its metrics are
    there as `metrics/<flat name>`, yes and no as 1 and 0.
    """
    flat = {f"metrics/{name}": value for name, value in flatten(reported).items()}
    found = {**history_point(reported), **flat}
    return {name: value for name, value in found.items() if not isinstance(value, str)}


def extend_history(
    parent_history: Sequence[Mapping[str, Any]], point: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The learning curve of a lineage with one more generation at its end.

    Raises InvalidInput when the generation is in the history already, or does not follow its end.
    """
    names = [entry["generation"] for entry in parent_history]
    if point["generation"] in names or (names and names[-1] != point["parent"]):
        raise InvalidInput(
            f"generation {point['generation']} (parent {point['parent']}) does not follow "
            f"{' -> '.join(names)}",
            where="history",
            expected="the history of the generation's own parent",
        )
    return [dict(entry) for entry in parent_history] + [dict(point)]
