"""Settings of the exploration: a list of samplers, and what every frame must satisfy."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from aldata.records import Record

FOLDER = "pools"
"""Where a user's own frames lie in a project."""


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


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] != FOLDER or ".." in parts:
        raise ValueError(f"'{path}' must lie in {FOLDER}/, for example {FOLDER}/mine.xyz")
    return path


PoolPath = Annotated[str, AfterValidator(_inside)]
Temperature = Annotated[float, Field(gt=0)]
Threshold = Literal["calibration"] | Annotated[float, Field(gt=0)] | None


class Sampling(Record):
    """What every sampler has."""

    share: float = Field(
        default=1.0, gt=0, description="its part of `explore.candidates`, relative to the others'"
    )


class MolecularDynamics(Sampling):
    """Langevin dynamics on the model's mean: how many trajectories, how long, what is kept of them."""

    name: Literal["molecular_dynamics"] = Field(
        default="molecular_dynamics", description="the sampler"
    )
    temperatures: list[Temperature | tuple[Temperature, Temperature]] = Field(
        default=[300.0, 600.0],
        min_length=1,
        description="thermostat temperatures (K); [from, to] rises or falls linearly after the "
        "equilibration",
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
        low, high = self.sigma_lo, self.sigma_hi
        if isinstance(low, float) and isinstance(high, float) and low >= high:
            raise ValueError(f"sigma_lo ({low:g}) must be below sigma_hi ({high:g})")
        return self


class Displacements(Sampling):
    """Random displacements of the starting points and, where they are periodic, strain."""

    name: Literal["displacements"] = Field(default="displacements", description="the sampler")
    frames: int = Field(default=50, ge=1, description="frames in all")
    displacement: list[Annotated[float, Field(ge=0)]] = Field(
        default=[0.05, 0.1],
        min_length=1,
        description="standard deviations of the displacement of a coordinate (A), in turn",
    )
    strain: float = Field(
        default=0.03, ge=0, lt=0.5, description="largest component of the strain of a cell (1)"
    )


class Imported(Sampling):
    """The user's own frames, from any program: a trajectory, or a fixed pool to choose from."""

    name: Literal["imported"] = Field(default="imported", description="the sampler")
    file: PoolPath = Field(description=f"a file in {FOLDER}/ that ase.io.read reads")
    sha256: str = Field(
        pattern="^[0-9a-f]{12,64}$",
        description="of the file, its first 12 digits or more (`sha256sum FILE`): a file that changes "
        "is another pool, and the generations that chose from it stay what they are",
    )
    index: str = Field(default=":", description="which of its frames, as in ase.io.read")


Sampler = Annotated[MolecularDynamics | Displacements | Imported, Field(discriminator="name")]


class ExploreSettings(Record):
    """Ways of looking, one after the other, and what every frame must satisfy."""

    samplers: list[Sampler] = Field(
        default=[MolecularDynamics()], min_length=1, description="see the tables below"
    )
    candidates: int | None = Field(
        default=None,
        ge=1,
        description="most candidates of a generation, divided among the samplers by `share`, each "
        "thinned evenly; null: all that they find",
    )
    checks: Checks = Field(default=Checks(), description="physical checks of every frame")
