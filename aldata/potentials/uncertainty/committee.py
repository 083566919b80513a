"""Deep ensemble: the members' disagreement (Lakshminarayanan et al., NeurIPS 2017, arXiv 1612.01474)."""

from __future__ import annotations

from aldata.artifacts.checkpoints import Checkpoint
from aldata.potentials.committee import Committee
from aldata.potentials.uncertainty.settings import Predict, UncertaintySettings


def predictor(checkpoint: Checkpoint, _settings: UncertaintySettings) -> Predict:
    """Mean and sample covariance (ddof 1) of the members; zero for a single member."""
    return Committee.from_checkpoint(checkpoint).predict
