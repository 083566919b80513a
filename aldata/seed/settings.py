"""Settings of the seed."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from aldata.records import Record

FOLDER = "structures"
"""Where a project keeps the files it starts from, so that the seed stage can depend on one path."""


def _inside_the_folder(path: str) -> str:
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] != FOLDER or ".." in parts:
        raise ValueError(f"must be a file in {FOLDER}/, written relative to the project")
    return path


ProjectFile = Annotated[str, AfterValidator(_inside_the_folder)]


TBLITE = "tblite.ase.TBLite"


def _default_keywords(known: dict[str, Any]) -> dict[str, Any]:
    return {"method": "GFN2-xTB", "verbosity": 0} if known.get("calculator") == TBLITE else {}


class TestSettings(Record):
    """How the frames of the generated test set are made: a hotter trajectory of a cheap method."""

    __test__ = False

    frames: int = Field(default=40, ge=1, description="number of test frames")
    temperature: float = Field(default=600.0, gt=0, description="thermostat temperature (K)")
    steps_between: int = Field(default=40, ge=1, description="steps between two test frames")
    timestep: float = Field(default=0.5, gt=0, le=5, description="time step (fs)")
    friction: float = Field(default=0.02, gt=0, le=1, description="Langevin friction (1/fs)")
    equilibration: int = Field(default=400, ge=0, description="steps dropped at the start")
    calculator: str = Field(
        default=TBLITE,
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$",
        description="ASE calculator that drives the trajectory, by import path",
    )
    keywords: dict[str, Any] = Field(
        default_factory=_default_keywords,
        description="keywords of that calculator; GFN2-xTB for tblite, otherwise none",
    )


class SeedSettings(Record):
    """What a project starts from and how the first candidates are made."""

    structures: ProjectFile = Field(
        default="structures/molecule.xyz",
        description="file with one or more geometries, anything ase.io.read reads",
    )
    index: str = Field(
        default=":", description="which frames of the file to read, as in ase.io.read"
    )
    charge: int = Field(
        default=0, description="total charge (e); a frame's own `charge` overrides it"
    )
    spin: int = Field(
        default=0,
        ge=0,
        description="number of unpaired electrons; a frame's own `spin` overrides it",
    )
    candidates: int = Field(default=200, ge=1, description="number of first candidates")
    displacement: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        default=[0.05, 0.1, 0.15],
        min_length=1,
        description="standard deviations per Cartesian component (A), used in equal shares",
    )
    strain: float = Field(
        default=0.03, ge=0, le=0.5, description="largest strain component, periodic cells only (1)"
    )
    min_distance_factor: float = Field(
        default=0.6, ge=0, le=1, description="closest contact allowed (1, sums of covalent radii)"
    )
    labels: ProjectFile | None = Field(
        default=None,
        description="labelled frames (energy, forces) to begin with: a file that states its units, one in "
        "eV and A that ase.io.read reads, or what `aldata import` made; or null",
    )
    labels_theory: str = Field(
        default="same",
        min_length=1,
        description="level of theory of `labels`: 'same' as the oracle's; another one's description or id "
        "allows to mix it in, by name",
    )
    test: TestSettings | None = Field(
        default=TestSettings(), description="generated test set, or null for none"
    )
