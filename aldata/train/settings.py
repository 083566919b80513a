"""Settings of the training verb."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aldata.potentials.architecture import Architecture
from aldata.records import Record


class TrainSettings(Record):
    """How an ensemble is trained. The budget is a number of steps, never a time: the same settings
    and data give the same potential on any machine of one kind.
    """

    members: int = Field(default=4, ge=1, le=64, description="potentials in the ensemble")
    update: Literal["retrain", "warm_start", "last_layer"] = Field(
        default="retrain",
        description="retrain: anew; warm_start: on from the parent's weights; last_layer: the "
        "parent's features, its last layer updated in closed form with the new labels",
    )
    warm_rate: float = Field(
        default=0.25, gt=0, le=1, description="share of the learning rate after a warm start (1)"
    )
    architecture: Architecture = Field(default=Architecture(), description="the potential")
    steps: int = Field(
        default=3000, ge=1, description="gradient steps, whatever the number of frames"
    )
    batch_size: int = Field(
        default=5, ge=1, description="frames per step; fewer if there are fewer"
    )
    learning_rate: float = Field(default=0.04, gt=0, description="Adam's highest step size")
    warm_up: float = Field(
        default=0.05, ge=0, lt=1, description="share of the steps with rising step size"
    )
    final_rate: float = Field(
        default=0.01, gt=0, le=1, description="share of the step size at the end"
    )
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient of the loss")
    energy_weight: float = Field(default=1.0, ge=0, description="weight of (eV/atom)^2 in the loss")
    forces_weight: float = Field(default=100.0, gt=0, description="weight of (eV/A)^2 in the loss")
    stress_weight: float = Field(
        default=1000.0, ge=0, description="weight of (eV/A^3)^2 in the loss"
    )
    validate_every: int = Field(
        default=50, ge=1, description="steps between looks at the validation set"
    )
    patience: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of the steps without a better validation force error before it stops: "
        "the learning rate falls late, and so does the error (1)",
    )
    last_layer: bool = Field(
        default=True, description="finish with the last layer's closed-form optimum"
    )
    ridge: float = Field(
        default=1e-6, gt=0, description="pull towards the trained last layer; no unit"
    )
    energy_accuracy: float = Field(
        default=0.002, gt=0, description="residual that counts as one, eV/atom"
    )
    forces_accuracy: float = Field(
        default=0.1, gt=0, description="residual that counts as one, eV/A"
    )
    stress_accuracy: float = Field(
        default=0.002, gt=0, description="residual that counts as one, eV/A^3"
    )
    dtype: Literal["float32", "float64"] = Field(
        default="float32", description="arithmetic of training"
    )
