"""Settings of the path integrals."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from aldata.explore.settings.dynamics import Temperature
from aldata.explore.settings.following import Followed


class PathIntegral(Followed):
    """Path-integral dynamics on the model's mean, by i-PI: where nuclei are by quantum mechanics.

    The watch sees all beads: the most uncertain one decides, and is kept.
    """

    name: Literal["path_integral"] = Field(default="path_integral", description="the sampler")
    temperatures: list[Temperature] = Field(
        default=[300.0], min_length=1, description="temperatures (K)"
    )
    beads: int = Field(
        default=16,
        ge=1,
        description="beads of the ring polymer; hbar omega / kT of the fastest vibration is 18 for an "
        "O-H bond at 300 K; energies want a few times that. 1 is classical",
    )
    replicas: int = Field(default=1, ge=1, description="trajectories per temperature")
    steps: int = Field(default=400, ge=1, description="steps of a trajectory")
    timestep: float = Field(default=0.25, gt=0, le=5, description="time step (fs)")
    friction: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="Langevin friction of the centroid (1/fs); all other modes are damped critically",
    )
    interval: int = Field(default=20, ge=1, description="steps between two sets of candidates")
    kept_beads: int = Field(
        default=2,
        ge=1,
        description="beads of a set, evenly spaced around the ring, others every time: neighbours are "
        "alike",
    )
    equilibration: int = Field(
        default=100, ge=0, description="steps dropped at the start, when all beads are in one place"
    )

    @model_validator(mode="after")
    def _has_the_beads(self) -> Self:
        if self.kept_beads > self.beads:
            raise ValueError(f"kept_beads ({self.kept_beads}) of {self.beads} beads")
        return self
