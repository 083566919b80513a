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
    previous : the parent's calibration, inherited (`fitted` False) where there are fewer than
        `minimum_probe` frames or four members; 1 without one.

    The model and its assumptions: `committee`. Raises InvalidInput when a probe frame has no finite
    prediction, or when the predictions do not say which checkpoint they are of.
    """
    members = members_of(predictions)
    probe = labels.take(labels.accepted & (labels.purpose == PURPOSES.index("probe")))
    pair = residuals(predictions, probe)
    energy = energy_of(pair, members, noise, settings.energy_floor)
    forces = forces_of(pair, members, noise, settings.forces_floor)
    before = previous or null_calibration(generation, "")
    sampled_well = members is None or members >= FEWEST_MEMBERS
    enough = len(pair) >= settings.minimum_probe and sampled_well
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
    )


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
