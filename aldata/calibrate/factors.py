"""Fit what a checkpoint's uncertainties are worth, on probe frames it was never trained on."""

from __future__ import annotations

import math

from aldata.artifacts.documents import Calibration, Factor, Noise
from aldata.artifacts.frames import Labels, Predictions
from aldata.artifacts.residuals import residuals
from aldata.artifacts.schema import PURPOSES
from aldata.calibrate.committee import FEWEST_MEMBERS, Quantity, energy_of, forces_of
from aldata.calibrate.estimators import ESTIMATORS
from aldata.calibrate.settings import CalibrateSettings
from aldata.calibrate.thresholds import thresholds
from aldata.errors import InvalidInput

UNFITTED = Factor(alpha=1.0, mean_z2=None, frames=0, fitted=False)
"""The factor before there is anything to fit."""


def null_calibration(generation: str, checkpoint: str) -> Calibration:
    """The calibration of a checkpoint (by digest) that nobody has scored: every factor is 1."""
    return Calibration(
        generation=generation, checkpoint=checkpoint, energy=UNFITTED, forces=UNFITTED
    )


def calibrate(
    predictions: Predictions,
    labels: Labels,
    noise: Noise,
    settings: CalibrateSettings,
    previous: Calibration | None,
    generation: str,
) -> Calibration:
    """Factors alpha of energies and forces for the checkpoint that made `predictions`.

    predictions : of the new checkpoint, on at least the labelled frames (attributes `checkpoint`
        and `members`); frames are paired by configuration id.
    labels : the probe frames of the whole lineage. Only accepted frames whose purpose is `probe`
        count: acquired frames are not exchangeable with the pool they were picked from.
    previous : the parent's calibration, inherited (`fitted` False, and no thresholds) where there are
        fewer than `minimum_probe` frames or four members; 1 without one.

    The model and its assumptions: `committee`. Raises InvalidInput when a probe frame has no finite
    prediction, when the predictions do not say which checkpoint they are of, and, where the settings
    say `too_small: stop`, when there is too little to fit: with the number that is needed.
    """
    members = members_of(predictions)
    probe = labels.take(labels.accepted & (labels.purpose == PURPOSES.index("probe")))
    pair = residuals(predictions, probe)
    energy = energy_of(pair, members, noise, settings.energy_floor)
    forces = forces_of(pair, members, noise, settings.forces_floor)
    before = previous or null_calibration(generation, "")
    enough = _enough(len(pair), members, settings)
    names = (settings.energy_estimator, settings.forces_estimator) if enough else (None, None)
    fitted = [
        _factor(quantity, name, parent, len(pair), settings.smallest_alpha)
        for quantity, name, parent in (
            (energy, names[0], before.energy),
            (forces, names[1], before.forces),
        )
    ]
    return Calibration(
        generation=generation,
        checkpoint=str(predictions.attributes["checkpoint"]),
        energy=fitted[0],
        forces=fitted[1],
        thresholds=thresholds(pair, fitted[1], settings.thresholds) if enough else None,
        needed=settings.minimum_probe,
    )


def _enough(frames: int, members: int | None, settings: CalibrateSettings) -> bool:
    """Whether there is enough to fit. Raises InvalidInput if not, where the settings ask for it."""
    problems = []
    if frames < settings.minimum_probe:
        problems.append(
            f"the probe is too small to calibrate: {frames} frames, {settings.minimum_probe} are "
            "needed (calibrate.minimum_probe)"
        )
    if members is not None and members < FEWEST_MEMBERS:
        problems.append(
            f"the committee is too small to calibrate: {members} members, {FEWEST_MEMBERS} are needed"
        )
    if problems and settings.too_small == "stop":
        raise InvalidInput(
            "; ".join(problems),
            where="calibrate",
            next_step="raise acquire.probe, acquire.batch or train.members; calibrate.too_small: "
            "inherit goes on with the parent's factors",
        )
    return not problems


def members_of(predictions: Predictions) -> int | None:
    """Members that the covariances were sampled from, None for computed ones.

    Raises InvalidInput when the predictions do not say so.
    """
    missing = [name for name in ("checkpoint", "members") if name not in predictions.attributes]
    if missing:
        raise InvalidInput(
            f"no attribute {' and no attribute '.join(missing)}",
            where="predictions",
            expected="predictions that name their checkpoint and number of members",
        )
    members = predictions.attributes["members"]
    return None if members is None else int(members)


def _factor(
    quantity: Quantity, estimator: str | None, inherited: Factor, frames: int, smallest: float
) -> Factor:
    """`mean_z2` is of alpha = 1, so it says how wrong the committee is as it comes."""
    alpha, spread = inherited.alpha, quantity.spread
    if estimator is not None:
        scale2 = ESTIMATORS[estimator](
            quantity.error2, quantity.variance, quantity.noise**2, spread
        )
        alpha = math.sqrt(max(scale2 - spread.scatter, smallest**2))
    return Factor(
        alpha=alpha,
        mean_z2=quantity.mean_z2(UNFITTED),
        frames=frames,
        fitted=estimator is not None,
    )
