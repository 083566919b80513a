"""Settings of the exploration."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from aldata.records import Record


class Checks(Record):
    """What a frame must satisfy; a trajectory ends at the first one that does not."""

    min_distance_factor: float = Field(
        default=0.6, ge=0, le=1, description="closest contact allowed (1, sums of covalent radii)"
    )
    max_temperature_factor: float = Field(
        default=3.0,
        gt=1,
        description="kinetic temperature allowed after equilibration (1, thermostat temperatures); "
        "systems of very few atoms are allowed the fluctuations that their size implies",
    )
    max_force: float = Field(
        default=30.0, gt=0, description="largest force on an atom after equilibration (eV/A)"
    )
    fragment_factor: float | None = Field(
        default=1.5,
        gt=1,
        description="atoms farther apart are not joined (1, sums of covalent radii); a molecule "
        "may not break into more pieces than it began with. Null switches this off; it does not "
        "apply to periodic cells",
    )


class ExploreSettings(Record):
    """Langevin dynamics: how many trajectories, how long, and what is kept of them."""

    temperatures: list[Annotated[float, Field(gt=0)]] = Field(
        default=[300.0, 600.0], min_length=1, description="thermostat temperatures (K)"
    )
    replicas: int = Field(default=2, ge=1, description="trajectories per temperature")
    steps: int = Field(default=500, ge=1, description="steps of a trajectory")
    timestep: float = Field(default=0.5, gt=0, le=5, description="time step (fs)")
    friction: float = Field(default=0.02, gt=0, le=1, description="Langevin friction (1/fs)")
    interval: int = Field(default=10, ge=1, description="steps between two candidates")
    equilibration: int = Field(default=50, ge=0, description="steps dropped at the start")
    equilibration_friction: float = Field(
        default=0.2, gt=0, le=1, description="Langevin friction of these steps (1/fs)"
    )
    checks: Checks = Field(default=Checks(), description="physical checks of every frame")

    @model_validator(mode="after")
    def _keeps_something(self) -> Self:
        if self.steps < self.equilibration + self.interval:
            raise ValueError(
                f"steps ({self.steps}) must be at least equilibration + interval "
                f"({self.equilibration + self.interval}), or nothing is kept"
            )
        return self
