"""Every number that a generation reports: its name, unit and meaning, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """One reported quantity: its unit and what it says."""

    unit: str
    meaning: str


ERRORS: dict[str, Metric] = {
    "frames": Metric("1", "frames that were compared"),
    "atoms": Metric("1", "atoms that were compared"),
    "energy_mae_meV_per_atom": Metric("meV/atom", "mean absolute error of the energy per atom"),
    "energy_rmse_meV_per_atom": Metric("meV/atom", "RMS error of the energy per atom"),
    "energy_max_meV_per_atom": Metric("meV/atom", "largest absolute error of the energy per atom"),
    "energy_rmse_shifted_meV_per_atom": Metric(
        "meV/atom", "RMS error of the energy per atom after its mean error has been removed"
    ),
    "forces_mae_meV_per_A": Metric("meV/A", "mean absolute error of a force component"),
    "forces_rmse_meV_per_A": Metric("meV/A", "RMS error of a force component"),
    "forces_max_meV_per_A": Metric("meV/A", "largest absolute error of a force component"),
}
"""Errors against labels, in every group."""

LESS_IS_BETTER = tuple(name for name, metric in ERRORS.items() if metric.unit != "1")
"""Those that are errors: what has a unit. The others count."""

LEAK: dict[str, Metric] = {
    "near_copies": Metric(
        "1", "frames that nearly copy one that was learned from: their errors say little of others"
    ),
}
"""Whether a test set is one: in the groups `test.*`, by `curate.duplicate_tolerance`."""

OF_A_QUANTITY: dict[str, Metric] = {
    "mean_z2": Metric("1", "mean squared error of {} over the one predicted; 1 when calibrated"),
    "mean_z2_low": Metric("1", "lower end of the 95 % interval of that mean, over frames"),
    "mean_z2_high": Metric("1", "upper end of the 95 % interval of that mean, over frames"),
    "coverage_95": Metric("1", "share of {} in their 95 % interval"),
    "nll": Metric("1", "mean negative log likelihood of the errors of {}, in nats, of eV and A"),
    "miscalibration_area": Metric("1", "mean gap of nominal and observed coverage of {}"),
    "spearman": Metric("1", "rank correlation of sigma and error of {}"),
}
"""Whether the parent knew the errors of one quantity."""

QUANTITIES = {"energy": "total energies", "forces": "force vectors"}

SCORES: dict[str, Metric] = {
    **{
        f"{short}_{name}": Metric(metric.unit, metric.meaning.format(long))
        for short, long in QUANTITIES.items()
        for name, metric in OF_A_QUANTITY.items()
    },
    "energy_crps_meV": Metric("meV", "mean continuous ranked probability score of total energies"),
    "forces_crps_meV_per_A": Metric("meV/A", "mean energy score of an atom's force"),
    "forces_coverage_95_ellipsoid": Metric(
        "1", "share of force vectors in the 95 % ellipsoid of their own covariance"
    ),
}
"""Whether the parent knew its errors: in the groups `probe` and `acquired`."""

WORTH: dict[str, Metric] = {
    "error_ratio": Metric("1", "RMS force error on acquired frames over that on probe frames"),
    "above_median": Metric("1", "share of acquired frames with more error than the median probe"),
}
"""Whether the acquired calls were worth more than random ones, by the parent's errors."""

STOP: dict[str, Metric] = {
    "reached": Metric("", "whether errors and information are all within what is wanted"),
    "probe_frames": Metric("1", "probe frames of the lineage that the errors are of"),
    "remaining_frames": Metric("1", "frames of the best batch that is left in the pool"),
    "energy_rmse_meV_per_atom": Metric("meV/atom", "RMS error of the energy per atom on them"),
    "forces_rmse_meV_per_A": Metric("meV/A", "RMS error of a force component on them"),
    "information_per_call": Metric("1", "information of a call of that batch, in nats"),
    "wanted_energy_rmse_meV_per_atom": Metric("meV/atom", "acquire.target.energy"),
    "wanted_forces_rmse_meV_per_A": Metric("meV/A", "acquire.target.forces"),
    "wanted_information_per_call": Metric("1", "evaluate.enough_information, in nats"),
}
"""Whether it is time to stop."""

EXPLORE: dict[str, Metric] = {
    "trajectories": Metric("1", "trajectories of the exploration"),
    "stable_share": Metric("1", "share of their steps that they lived to do"),
    "window_share": Metric("1", "share of the looks at sigma that found it in the trust window"),
    "lost": Metric("1", "trajectories that ended above sigma_hi"),
    "bands": Metric("1", "bands between two configurations"),
    "bands_converged": Metric("1", "those whose forces came below fmax in their steps"),
    "barrier_meV": Metric("meV", "highest image of the first band above its start, by the parent"),
}
"""How the generation's exploration on its parent's model went."""

GENERATION: dict[str, Metric] = {
    "generation": Metric("", "name of the generation"),
    "parent": Metric("", "name of its parent"),
    "strategy": Metric("", "what picked the acquired frames"),
    "accepted": Metric("1", "calls of this generation that gave a label"),
    "rejected": Metric("1", "calls of this generation whose result was not trusted"),
    "failed": Metric("1", "calls of this generation without a result"),
    "calls_total": Metric("1", "calls of this generation and its ancestors, however they ended"),
    "oracle_seconds": Metric("s", "CPU time of this generation's calls"),
    "oracle_seconds_total": Metric("s", "CPU time of the calls of this generation and ancestors"),
    "train_frames": Metric("1", "training frames of the lineage"),
    "valid_frames": Metric("1", "validation frames of the lineage"),
    "probe_frames": Metric("1", "probe frames of the lineage, never trained on"),
    "alpha_energy": Metric("1", "calibration factor of the energy's standard deviation"),
    "alpha_forces": Metric("1", "calibration factor of the forces' standard deviation"),
    "alpha_energy_fitted": Metric("", "whether the energy factor was fitted, not inherited"),
    "alpha_forces_fitted": Metric("", "whether the force factor was fitted, not inherited"),
}
"""Facts of the generation as a whole."""

METRICS: dict[str, Metric] = {
    **GENERATION,
    **{f"explore.{k}": m for k, m in EXPLORE.items()},
    **{f"{group}.{k}": m for group in ("probe", "acquired") for k, m in (ERRORS | SCORES).items()},
    **{f"probe_so_far.{k}": m for k, m in ERRORS.items()},
    **{f"worth.{k}": m for k, m in WORTH.items()},
    **{f"stop.{k}": m for k, m in STOP.items()},
    **{f"test.*.{k}": m for k, m in (ERRORS | LEAK).items()},
}
"""Every metric by its flat name, as `dvc metrics show` prints it; `*` is the name of a test set."""


def flatten(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Nested metrics under flat names joined by dots, as in `dvc metrics show`."""
    flat: dict[str, Any] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": v for inner, v in flatten(value).items()}
        else:
            flat[name] = value
    return flat


def is_error(column: str) -> bool:
    """Whether a column of the learning curve (`test_hot_forces_rmse_meV_per_A`) is an error.

    Of others, such as shares, counts and mean z², less is not better.
    """
    return any(column == name or column.endswith(f"_{name}") for name in LESS_IS_BETTER)


def metric_of(flat_name: str) -> Metric:
    """Unit and meaning of a flat name; KeyError for a name that is not in the table."""
    parts = flat_name.split(".")
    return METRICS[".".join([parts[0], "*", parts[2]]) if parts[0] == "test" else flat_name]
