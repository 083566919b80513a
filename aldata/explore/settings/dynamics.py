"""Settings of the molecular dynamics."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from aldata.explore.settings.following import Followed

Temperature = Annotated[float, Field(gt=0)]
Pressure = Annotated[float, Field(ge=-100, le=1000)]

SLOW = 20
"""Time steps in the period of a piston that is integrated without blowing up."""


class Dynamics(Followed):
    """Trajectories: how many, how long, what is kept of them."""

    name: str
    temperatures: list[Temperature | tuple[Temperature, Temperature]] = Field(
        default=[300.0, 600.0],
        min_length=1,
        description="thermostat temperatures (K); [from, to] rises or falls linearly after the "
        "equilibration",
    )
    ensemble: Literal["nvt", "npt", "nve"] = Field(
        default="nvt",
        description="nvt: Langevin dynamics; npt: the volume of the cell, not its shape, moves too; nve: "
        "no thermostat after the equilibration",
    )
    pressures: list[Pressure | tuple[Pressure, Pressure]] = Field(
        default=[],
        description="pressures of npt (GPa), each with each temperature; [from, to] rises or falls "
        "linearly after the equilibration. None stated: 0",
    )
    replicas: int = Field(default=2, ge=1, description="trajectories per temperature and pressure")
    timestep: float = Field(default=0.5, gt=0, le=5, description="time step (fs)")
    friction: float = Field(default=0.02, gt=0, le=1, description="Langevin friction (1/fs)")
    barostat_time: float = Field(
        default=200.0,
        gt=0,
        description="period in which the volume of npt swings, and settles, at a bulk modulus of 100 GPa; "
        "softer cells take longer (fs)",
    )
    decorrelate: bool = Field(
        default=True,
        description="no two candidates of a trajectory closer than the autocorrelation time of its "
        "potential energy, if that is longer than `interval`",
    )
    batch_atoms: int = Field(
        default=72,
        ge=1,
        description="most atoms in one evaluation of the model: small trajectories advance side by side, "
        "in two groups at least, each a job; 1: every trajectory by itself",
    )
    equilibration_friction: float = Field(
        default=0.2, gt=0, le=1, description="Langevin friction of these steps (1/fs)"
    )

    @model_validator(mode="after")
    def _fits_its_ensemble(self) -> Self:
        if self.pressures and self.ensemble != "npt":
            raise ValueError(f"pressures need ensemble: npt, not {self.ensemble}")
        if self.ensemble == "npt" and self.barostat_time < SLOW * self.timestep:
            raise ValueError(
                f"barostat_time ({self.barostat_time:g}) must be at least {SLOW} time steps of "
                f"{self.timestep:g} fs"
            )
        return self


class MolecularDynamics(Dynamics):
    """Dynamics on the model's mean: how many trajectories, how long, what is kept of them."""

    name: Literal["molecular_dynamics"] = Field(
        default="molecular_dynamics", description="the sampler"
    )


class BiasedDynamics(Dynamics):
    """Dynamics drawn to where the model knows least: on its mean minus a multiple of the sigma of the
    energy in its last layer.
    """

    name: Literal["biased_dynamics"] = Field(default="biased_dynamics", description="the sampler")
    bias: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="mean size of the biasing force over that of the model's, as it was at the end of the "
        "equilibration, which is without a bias (1)",
    )
