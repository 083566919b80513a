"""Many last layers on one model: a layer drawn once is used for every atom of every frame.

That is what makes the spread of a total energy grow with the number of atoms: with features switched
off anew for every atom, the errors of an n-fold supercell would average out as sqrt(n).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from aldata.artifacts.checkpoints import Checkpoint
from aldata.potentials.last_layer import Rows
from aldata.potentials.uncertainty.one_model import Moments, OneModel
from aldata.potentials.uncertainty.settings import Predict, UncertaintySettings

Float = npt.NDArray[np.float64]


def generator_of(checkpoint: str) -> np.random.Generator:
    """Random numbers that depend on the checkpoint alone: every stage draws the same heads of it."""
    return np.random.default_rng(int(checkpoint[:16], 16))


def spread(model: OneModel, heads: Float) -> Predict:
    """Mean and sample covariance (ddof 1) over `heads` (sample, parameter)."""

    def moments(found: Rows) -> Moments:
        energies, forces = found.energy @ heads.T, found.forces @ heads.T
        centred = forces - forces.mean(axis=-1, keepdims=True)
        covariance = centred @ centred.transpose(0, 2, 1) / (len(heads) - 1)
        return (
            energies.mean(axis=-1),
            energies.var(axis=-1, ddof=1),
            forces.mean(axis=-1),
            covariance,
        )

    return partial(model.predictions, moments=moments, members=len(heads))


def shallow(checkpoint: Checkpoint, settings: UncertaintySettings) -> Predict:
    """A shallow ensemble: heads drawn from the last layer's posterior (Kellner and Ceriotti,
    Mach. Learn.: Sci. Technol. 5, 035006, 2024, arXiv 2402.16621, train theirs instead).
    """
    model = OneModel(checkpoint)
    deviations = model.posterior(settings.ridge).draws(
        settings.samples, generator_of(checkpoint.digest)
    )
    return spread(model, model.mean + deviations)


def dropout(checkpoint: Checkpoint, settings: UncertaintySettings) -> Predict:
    """Monte Carlo dropout (Gal and Ghahramani, ICML 2016, arXiv 1506.02142) on the last layer.

    A share `dropout` of the features that enter the last layer is switched off, the others are
    divided by 1 - dropout. The shifts of the elements are no features, and stay.
    """
    model = OneModel(checkpoint)
    keep = 1.0 - settings.dropout
    features = len(model.mean) - len(checkpoint.numbers)
    drawn = generator_of(checkpoint.digest).random((settings.samples, features)) < keep
    masks = np.ones((settings.samples, len(model.mean)))
    masks[:, :features] = drawn / keep
    return spread(model, model.mean * masks)
