"""Settings of the molecular dynamics."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from aldata.explore.settings.sampling import Sampling

Temperature = Annotated[float, Field(gt=0)]
Pressure = Annotated[float, Field(ge=-100, le=1000)]
Threshold = Literal["calibration"] | Annotated[float, Field(gt=0)] | None

SLOW = 20
"""Time steps in the period of a piston that is integrated without blowing up."""


class Dynamics(Sampling):
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
    steps: int = Field(default=500, ge=1, description="steps of a trajectory")
    timestep: float = Field(default=0.5, gt=0, le=5, description="time step (fs)")
    friction: float = Field(default=0.02, gt=0, le=1, description="Langevin friction (1/fs)")
    barostat_time: float = Field(
        default=200.0,
        gt=0,
        description="period in which the volume of npt swings, and settles, at a bulk modulus of 100 GPa; "
        "softer cells take longer (fs)",
    )
    interval: int = Field(default=10, ge=1, description="least steps between two candidates")
    decorrelate: bool = Field(
        default=True,
        description="no two candidates of a trajectory closer than the autocorrelation time of its "
        "potential energy, if that is longer than `interval`",
    )
    equilibration: int = Field(default=50, ge=0, description="steps dropped at the start")
    equilibration_friction: float = Field(
        default=0.2, gt=0, le=1, description="Langevin friction of these steps (1/fs)"
    )
    watch_every: int = Field(
        default=5, ge=0, description="steps between two looks at the model's sigma; 0: never"
    )
    sigma_hi: Threshold = Field(
        default="calibration",
        description="a trajectory above it ends and goes back to its last frame below it (eV/A): "
        "calibration (the parent's threshold, none until there is one), a number, or null",
    )
    sigma_lo: Threshold = Field(
        default=None,
        description="frames below it are no candidates: the model knows them (eV/A); as above. With "
        "null all are, which keeps the probe a sample of all that the dynamics visits",
    )

    @model_validator(mode="after")
    def _keeps_something(self) -> Self:
        if self.steps < self.equilibration + self.interval:
            raise ValueError(
                f"steps ({self.steps}) must be at least equilibration + interval "
                f"({self.equilibration + self.interval}), or nothing is kept"
            )
        if self.pressures and self.ensemble != "npt":
            raise ValueError(f"pressures need ensemble: npt, not {self.ensemble}")
        if self.ensemble == "npt" and self.barostat_time < SLOW * self.timestep:
            raise ValueError(
                f"barostat_time ({self.barostat_time:g}) must be at least {SLOW} time steps of "
                f"{self.timestep:g} fs"
            )
        low, high = self.sigma_lo, self.sigma_hi
        if isinstance(low, float) and isinstance(high, float) and low >= high:
            raise ValueError(f"sigma_lo ({low:g}) must be below sigma_hi ({high:g})")
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
