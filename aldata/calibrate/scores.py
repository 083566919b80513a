"""How good the parent was on frames that it had not seen, and whether it knew."""

from __future__ import annotations

import numpy as np

from aldata.artifacts.documents import Calibration, Manifest, Noise
from aldata.artifacts.frames import Labels, Predictions
from aldata.artifacts.residuals import MILLI, residuals, statistics_of
from aldata.artifacts.schema import PURPOSES
from aldata.calibrate.committee import RESOLUTION, energy_of, forces_of
from aldata.calibrate.factors import members_of

LEVEL = 0.95
"""Probability of the interval whose coverage is reported."""

Scores = dict[str, float | int | None]


def prequential(
    predictions: Predictions,
    labels: Labels,
    manifest: Manifest,
    calibration: Calibration,
    noise: Noise,
) -> dict[str, Scores]:
    """Score the parent's predictions on this generation's labels: test first, then train.

    predictions : of the parent's checkpoint, on at least the labelled frames; empty for the null
        checkpoint, and then every score is None.
    manifest : this generation's, for the roles: a probe frame that turned out to be a copy of one
        that the parent was trained on is no test of it.
    calibration : the PARENT's. On the frames that a factor was fitted on mean z^2 is 1 by
        construction; on new probe frames it is a finding.

    Returns `probe` (a uniformly random sample: the honest error) and `acquired` (picked for being
    hard: not representative), each with the statistics of `residuals.errors`, `energy_mean_z2`,
    `forces_mean_z2` (1 when calibrated) and the coverage of the 95 % intervals.
    """
    roles = {entry.call: entry.role for entry in manifest.entries}
    role = np.array([roles.get(call, "none") for call in labels.call_ids], dtype=object)
    purpose = np.array([PURPOSES[int(p)] for p in labels.purpose], dtype=object)
    groups = {
        "probe": (purpose == "probe") & (role == "probe"),
        "acquired": (purpose == "acquired") & ((role == "train") | (role == "valid")),
    }
    scored = len(predictions) > 0
    return {
        name: _scores(predictions, labels.take(chosen & scored), calibration, noise)
        for name, chosen in groups.items()
    }


def _scores(
    predictions: Predictions, labels: Labels, calibration: Calibration, noise: Noise
) -> Scores:
    pair = residuals(predictions, labels)
    members = members_of(predictions) if len(pair) else None
    energy = energy_of(pair, members, noise, RESOLUTION)
    forces = forces_of(pair, members, noise, RESOLUTION)
    return {
        **statistics_of(pair),
        "energy_mean_z2": energy.mean_z2(calibration.energy),
        "forces_mean_z2": forces.mean_z2(calibration.forces),
        "energy_coverage_95": energy.coverage(calibration.energy, LEVEL),
        "forces_coverage_95": forces.coverage(calibration.forces, LEVEL),
    }


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
