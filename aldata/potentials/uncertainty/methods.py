"""The methods by name, and the one way to call them."""

from __future__ import annotations

from collections.abc import Callable

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Configurations, Predictions
from aldata.potentials.uncertainty import committee, heads, last_layer
from aldata.potentials.uncertainty.settings import Predict, UncertaintySettings

Method = Callable[[Checkpoint, UncertaintySettings], Predict]
"""Makes the model, once for all frames that will be asked about."""

METHODS: dict[str, Method] = {
    "committee": committee.predictor,
    "last_layer": last_layer.predictor,
    "dropout": heads.dropout,
    "shallow": heads.shallow,
}
"""Every method. To add one: a function here, and its name in `settings.NAMES`."""


def predict(
    checkpoint: Checkpoint, configurations: Configurations, settings: UncertaintySettings
) -> Predictions:
    """Energies, forces and their epistemic covariances, uncalibrated, by the chosen method.

    Attributes: `checkpoint` (digest), `method`, and `members`: of the committee or the heads that the
    covariances were sampled from, None where they were computed. Every covariance of a force turns with the
    structure. What a label's own noise adds is not in it: that is the level of theory's, see `Noise`.

    Raises InvalidInput for the null checkpoint, for elements that the model does not know, and for a
    last layer without information.
    """
    found = predictor(checkpoint, settings)(configurations)
    attributes = {**found.attributes, "method": settings.method}
    return Predictions.from_arrays(found.arrays, attributes)


def predictor(checkpoint: Checkpoint, settings: UncertaintySettings) -> Predict:
    """The same for who asks often: the model is made once. `method` is not among its attributes."""
    return METHODS[settings.method](checkpoint, settings)
