"""How good the parent was on frames that it had not seen, and whether it knew."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aldata.artifacts.documents import Calibration, Factor, Manifest, Noise
from aldata.artifacts.frames import Float, Integer, Labels, Predictions
from aldata.artifacts.residuals import MILLI, Residuals, residuals, statistics_of
from aldata.artifacts.schema import PURPOSES
from aldata.calibrate.committee import RESOLUTION, Quantity, energy_of, forces_of
from aldata.calibrate.factors import members_of
from aldata.calibrate.proper_scores import (
    bootstrap_interval,
    continuous_ranked_probability,
    miscalibration_area,
    negative_log_likelihood,
    rank_correlation,
)

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
    hard: not representative), each with the statistics of `residuals.errors` and, for energies and
    forces, mean z^2 (1 when calibrated) with its interval, coverage, NLL, CRPS, miscalibration area and
    rank correlation; and `worth`, the one group against the other.
    """
    scored = len(predictions) > 0
    return {
        name: _scores(predictions, labels.take(chosen & scored), calibration, noise)
        for name, chosen in _groups(labels, manifest).items()
    } | {"worth": worth(predictions, labels, manifest)}


def _groups(labels: Labels, manifest: Manifest) -> dict[str, npt.NDArray[np.bool_]]:
    """Which labels are `probe`, and which `acquired`, by the roles they were given."""
    roles = {entry.call: entry.role for entry in manifest.entries}
    role = np.array([roles.get(call, "none") for call in labels.call_ids], dtype=object)
    purpose = np.array([PURPOSES[int(p)] for p in labels.purpose], dtype=object)
    return {
        "probe": (purpose == "probe") & (role == "probe"),
        "acquired": (purpose == "acquired") & ((role == "train") | (role == "valid")),
    }


def _scores(
    predictions: Predictions, labels: Labels, calibration: Calibration, noise: Noise
) -> Scores:
    pair = residuals(predictions, labels)
    members = members_of(predictions) if len(pair) else None
    energy = energy_of(pair, members, noise, RESOLUTION)
    forces = forces_of(pair, members, noise, RESOLUTION)
    each_frame = np.arange(len(pair))
    return {
        **statistics_of(pair),
        **_named("energy", _calibration_scores(energy, calibration.energy, each_frame)),
        **_named("forces", _calibration_scores(forces, calibration.forces, _frames_of(pair))),
        "forces_coverage_95_ellipsoid": _ellipsoid_coverage(pair, calibration.forces, noise),
    }


def _named(prefix: str, scores: Scores) -> Scores:
    return {f"{prefix}_{name}": value for name, value in scores.items()}


def _frames_of(pair: Residuals) -> Integer:
    return pair.labels.frame_of_atom


def _calibration_scores(quantity: Quantity, factor: Factor, frames: Integer) -> Scores:
    """Every score of one quantity; None where it is not defined."""
    d = quantity.spread.dimension
    crps = CRPS[d]
    if not len(quantity.error2) or quantity.spread.freedom <= 2:
        return dict.fromkeys((*SCORE_NAMES, crps))
    predicted = quantity.spread.predicted(quantity.variance, factor, quantity.noise)
    interval = bootstrap_interval(quantity.error2 / predicted, frames)
    return {
        "mean_z2": quantity.mean_z2(factor),
        "mean_z2_low": None if interval is None else interval[0],
        "mean_z2_high": None if interval is None else interval[1],
        "coverage_95": quantity.coverage(factor, LEVEL),
        "nll": negative_log_likelihood(quantity.error2, predicted, d),
        crps: MILLI * continuous_ranked_probability(quantity.error2, predicted, d),
        "miscalibration_area": miscalibration_area(quantity, factor),
        "spearman": rank_correlation(quantity.error2, quantity.variance),
    }


CRPS = {1: "crps_meV", 3: "crps_meV_per_A"}
"""Name of the ranked probability score of energies and of forces."""

SCORE_NAMES = (
    "mean_z2",
    "mean_z2_low",
    "mean_z2_high",
    "coverage_95",
    "nll",
    "miscalibration_area",
    "spearman",
)


def _ellipsoid_coverage(pair: Residuals, factor: Factor, noise: Noise) -> float | None:
    """Share of force errors inside the 95 % ellipsoid of their own covariance (chi^2 of 3).

    The Mahalanobis distance e^T (alpha^2 S + sigma_al^2 I)^-1 e, which no rotation changes. With few
    members S is rough, and the share falls below 0.95 however well it is calibrated.
    """
    from scipy.special import chdtri

    if not len(pair.forces):
        return None
    floor = max(noise.sigma_forces, RESOLUTION) ** 2
    total = factor.alpha**2 * pair.predictions.force_covariance + floor * np.eye(3)
    distance = np.einsum(
        "ni,ni->n", pair.forces, np.linalg.solve(total, pair.forces[..., None])[..., 0]
    )
    return float(np.mean(distance <= chdtri(3, 1 - LEVEL)))


def worth(predictions: Predictions, labels: Labels, manifest: Manifest) -> Scores:
    """Whether the calls that were acquired were worth more than random ones.

    error_ratio : RMS force error of the parent on the acquired frames over that on the probe: above 1,
        the strategy found what the parent did not know. above_median : share of acquired frames with a
        larger RMS force error than the median probe frame; 0.5 is what chance finds.
    """
    groups = {
        name: labels.take(chosen & (len(predictions) > 0))
        for name, chosen in _groups(labels, manifest).items()
    }
    pairs = {name: residuals(predictions, frames) for name, frames in groups.items()}
    errors = {name: _frame_errors(pair) for name, pair in pairs.items()}
    probe, acquired = errors["probe"], errors["acquired"]
    if not len(probe) or not len(acquired):
        return {"error_ratio": None, "above_median": None}
    squares = [float(np.mean(np.square(pairs[name].forces))) for name in ("acquired", "probe")]
    return {
        "error_ratio": float(np.sqrt(squares[0] / squares[1])) if squares[1] > 0 else None,
        "above_median": float(np.mean(acquired > np.median(probe))),
    }


def _frame_errors(pair: Residuals) -> Float:
    """RMS error of the force components of each frame, in eV/A."""
    squared = np.square(pair.forces).mean(axis=1)
    frames = pair.labels.frame_of_atom
    summed = np.bincount(frames, weights=squared, minlength=len(pair))
    return np.asarray(np.sqrt(summed / np.maximum(pair.labels.row_size, 1)))
