"""Predictions beside labels of the same frames, and the error statistics that every report uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aldata.artifacts.columns import Array
from aldata.artifacts.frames import Float, Labels, Predictions, rows_of
from aldata.errors import InvalidInput

MILLI = 1000.0
"""meV in one eV."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """The same frames, in the same order, as predicted and as labelled (accepted labels only)."""

    predictions: Predictions
    labels: Labels

    @property
    def energy(self) -> Float:
        """Predicted minus labelled total energy in eV: shape (frame,)."""
        return self.predictions.energy - self.labels.energy

    @property
    def forces(self) -> Float:
        """Predicted minus labelled force in eV/A: shape (atom, xyz)."""
        return self.predictions.forces - self.labels.forces

    @property
    def energy_variance(self) -> Float:
        """Sample variance of the members' total energies in eV^2: shape (frame,)."""
        return self.predictions.energy_variance

    @property
    def force_trace(self) -> Float:
        """Trace of each atom's force covariance in eV^2/A^2, rotation-invariant: shape (atom,)."""
        trace: Float = np.trace(self.predictions.force_covariance, axis1=1, axis2=2)
        return trace

    def __len__(self) -> int:
        return len(self.labels)


def residuals(predictions: Predictions, labels: Labels) -> Residuals:
    """Pair every accepted label with the prediction of the same configuration, by identity.

    `predictions` may hold more frames, in any order. Raises InvalidInput when an accepted label has
    no prediction, or when either of the two is not finite.
    """
    accepted = labels.take(labels.accepted)
    missing = sorted(set(accepted.ids) - set(predictions.ids))
    if missing:
        raise InvalidInput(
            f"{len(missing)} of {len(accepted)} labelled frames have no prediction "
            f"(first configuration: {missing[0]})",
            where="predictions",
            expected="a prediction of every labelled frame",
        )
    pair = Residuals(predictions.take(rows_of(predictions, accepted.ids)), accepted)
    broken = _not_finite(pair)
    if broken.any():
        raise InvalidInput(
            f"{int(broken.sum())} of {len(pair)} frames have an energy or force that is not finite "
            f"(first configuration: {accepted.ids[int(np.argmax(broken))]})",
            where="predictions and labels",
        )
    return pair


def _not_finite(pair: Residuals) -> Array:
    atoms = ~np.isfinite(pair.forces).all(axis=1) | ~np.isfinite(pair.force_trace)
    broken: Array = ~np.isfinite(pair.energy) | ~np.isfinite(pair.energy_variance)
    np.logical_or.at(broken, pair.labels.frame_of_atom, atoms)
    return broken


def errors(predictions: Predictions, labels: Labels) -> dict[str, float | int | None]:
    """Error statistics of `predictions` against the accepted frames of `labels`.

    Energies are per atom, in meV/atom; forces are Cartesian components, in meV/A; the unit stands
    in the name. `energy_rmse_shifted_meV_per_atom` is the RMSE after the mean per-atom error has
    been removed: what is left when a constant offset of the energy does not matter. `frames` and
    `atoms` count what was compared; every statistic is None when that is nothing.
    """
    return statistics_of(residuals(predictions, labels))


def statistics_of(pair: Residuals) -> dict[str, float | int | None]:
    """The statistics of `errors` for frames that are paired already."""
    per_atom = MILLI * pair.energy / np.maximum(pair.labels.row_size, 1)
    components = MILLI * pair.forces.ravel()
    shifted = per_atom - per_atom.mean() if len(per_atom) else per_atom
    return {
        "frames": len(pair),
        "atoms": int(pair.labels.row_size.sum()),
        "energy_mae_meV_per_atom": mean_absolute(per_atom),
        "energy_rmse_meV_per_atom": root_mean_square(per_atom),
        "energy_max_meV_per_atom": largest(per_atom),
        "energy_rmse_shifted_meV_per_atom": root_mean_square(shifted),
        "forces_mae_meV_per_A": mean_absolute(components),
        "forces_rmse_meV_per_A": root_mean_square(components),
        "forces_max_meV_per_A": largest(components),
    }


def mean_absolute(values: Float) -> float | None:
    """Mean absolute value; None for no values."""
    return float(np.abs(values).mean()) if values.size else None


def root_mean_square(values: Float) -> float | None:
    """Root of the mean square; None for no values."""
    return float(np.sqrt(np.square(values).mean())) if values.size else None


def largest(values: Float) -> float | None:
    """Largest absolute value; None for no values."""
    return float(np.abs(values).max()) if values.size else None
