"""The exact posterior of one model's last layer (last-layer Laplace; Bigi et al., arXiv 2403.02251).

sigma_E^2 = a Sigma a^T with the row a of the total energy, and the covariance of the force on an atom
is A Sigma A^T with its three rows A = -d a / dr, so that it turns with the structure.
"""

from __future__ import annotations

from functools import partial

from aldata.artifacts.checkpoints import Checkpoint
from aldata.potentials.last_layer import Rows
from aldata.potentials.uncertainty.one_model import Moments, OneModel
from aldata.potentials.uncertainty.settings import Predict, UncertaintySettings


def predictor(checkpoint: Checkpoint, settings: UncertaintySettings) -> Predict:
    """The first member's predictions, with the covariances of its last layer's posterior."""
    model = OneModel(checkpoint)
    posterior = model.posterior(settings.ridge)

    def moments(found: Rows) -> Moments:
        return (
            found.energy @ model.mean,
            posterior.variances(found.energy),
            found.forces @ model.mean,
            posterior.covariances(found.forces),
        )

    return partial(model.predictions, moments=moments, members=None)
