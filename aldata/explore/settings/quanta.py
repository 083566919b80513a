"""Settings of the path integrals."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from aldata.explore.settings.dynamics import Temperature, Threshold
from aldata.explore.settings.sampling import Sampling


class PathIntegral(Sampling):
    """Path-integral dynamics on the model's mean, by i-PI: where nuclei are by quantum mechanics."""

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
    watch_every: int = Field(
        default=5, ge=0, description="steps between two looks at the sigma of all beads; 0: never"
    )
    sigma_hi: Threshold = Field(
        default="calibration",
        description="a trajectory ends when one of its beads is above it, and the most uncertain bead of "
        "the last look below it is kept (eV/A): as of molecular_dynamics",
    )
    sigma_lo: Threshold = Field(
        default=None,
        description="beads below it are no candidates (eV/A): as of molecular_dynamics",
    )

    @model_validator(mode="after")
    def _keeps_something(self) -> Self:
        if self.steps < self.equilibration + self.interval:
            raise ValueError(
                f"steps ({self.steps}) must be at least equilibration + interval "
                f"({self.equilibration + self.interval}), or nothing is kept"
            )
        if self.kept_beads > self.beads:
            raise ValueError(f"kept_beads ({self.kept_beads}) of {self.beads} beads")
        low, high = self.sigma_lo, self.sigma_hi
        if isinstance(low, float) and isinstance(high, float) and low >= high:
            raise ValueError(f"sigma_lo ({low:g}) must be below sigma_hi ({high:g})")
        return self
