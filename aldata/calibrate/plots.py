"""Data of the plots of a calibration: reliability in bins, and sigma against error atom by atom."""

from __future__ import annotations

import numpy as np

from aldata.artifacts.documents import Calibration, Noise
from aldata.artifacts.frames import Labels, Predictions
from aldata.artifacts.residuals import MILLI, residuals
from aldata.calibrate.committee import RESOLUTION, forces_of
from aldata.calibrate.factors import members_of

SHOWN_ID = 8
"""Characters of a configuration id that a plot shows."""
LEAST = 1e-3
"""Smallest error (meV/A) that a logarithmic axis shows."""


def reliability(
    predictions: Predictions,
    labels: Labels,
    calibration: Calibration,
    noise: Noise,
    bins: int,
) -> list[dict[str, float | int]]:
    """Predicted against actual force error, in equal-count bins of the predicted one.

    Atoms of the accepted frames of `labels` are sorted by predicted sigma; each bin gives the RMS
    of the predicted sigma per Cartesian component and the actual RMSE, both in meV/A. Calibrated
    bins lie on the diagonal. Rotation-invariant: sigma comes from the trace of the covariance.
    """
    pair = residuals(predictions, labels)
    if not len(pair):
        return []
    forces = forces_of(pair, members_of(predictions), noise, RESOLUTION)
    predicted = forces.spread.predicted(forces.variance, calibration.forces, forces.noise)
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return [
        {
            "bin": number,
            "predicted_meV_per_A": MILLI * float(np.sqrt(predicted[part].mean() / 3)),
            "actual_meV_per_A": MILLI * float(np.sqrt(forces.error2[part].mean() / 3)),
            "atoms": len(part),
        }
        for number, part in enumerate(parts)
    ]


def sigma_error(
    predictions: Predictions,
    labels: Labels,
    calibration: Calibration,
    noise: Noise,
    most: int,
) -> list[dict[str, float | str]]:
    """Predicted sigma and actual error of the force on each atom of the accepted frames, in meV/A.

    Both are lengths of vectors: sigma is the root of the predicted E|e|^2. At most `most` atoms, evenly
    thinned; `element` is the chemical symbol.
    """
    from ase.data import chemical_symbols

    pair = residuals(predictions, labels)
    if not len(pair):
        return []
    forces = forces_of(pair, members_of(predictions), noise, RESOLUTION)
    predicted = forces.spread.predicted(forces.variance, calibration.forces, forces.noise)
    sigma, error = MILLI * np.sqrt(predicted), MILLI * np.sqrt(forces.error2)
    frames = pair.labels.frame_of_atom
    step = max(1, -(-len(error) // most))
    return [
        {
            "sigma_meV_per_A": float(sigma[atom]),
            "error_meV_per_A": max(float(error[atom]), LEAST),
            "element": str(chemical_symbols[int(pair.labels.numbers[atom])]),
            "configuration": pair.labels.ids[int(frames[atom])][:SHOWN_ID],
        }
        for atom in range(0, len(error), step)
    ]
