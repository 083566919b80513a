"""Settings of the reaction paths."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aldata.explore.settings.files import GivenPath, Sha256
from aldata.explore.settings.sampling import Sampling
from aldata.records import Record


class EndPoint(Record):
    """One end of a path."""

    file: GivenPath = Field(description="a file in pools/ or structures/ that ase.io.read reads")
    sha256: Sha256 = Field(
        description="of the file, its first 12 digits or more (`sha256sum FILE`)"
    )
    index: int = Field(default=0, description="which of its frames; -1 is the last")


class ReactionPath(Sampling):
    """A nudged elastic band between two configurations on the model's mean, and what lies around it."""

    name: Literal["reaction_path"] = Field(default="reaction_path", description="the sampler")
    start: EndPoint = Field(description="where the path begins")
    end: EndPoint = Field(
        description="where it ends: the same atoms in the same order, in the same cell"
    )
    images: int = Field(default=9, ge=3, description="images of the band, both ends included")
    spring: float = Field(
        default=0.1, gt=0, description="spring constant between two images (eV/A^2)"
    )
    climb: bool = Field(
        default=True,
        description="whether the highest image climbs to the saddle once the band is near its path",
    )
    fmax: float = Field(
        default=0.05, gt=0, description="largest force on an atom of a converged band (eV/A)"
    )
    steps: int = Field(
        default=200,
        ge=1,
        description="most steps of the optimiser; the images of a band that needs more are "
        "candidates all the same",
    )
    neighbours: int = Field(default=4, ge=0, description="displaced copies of every image")
    displacement: float = Field(
        default=0.05,
        ge=0,
        description="standard deviation of the displacement of their coordinates (A); along the "
        "path they lie anywhere up to half way to the next image",
    )
    frames: int | None = Field(
        default=None, ge=1, description="most candidates, the most uncertain first; null: all"
    )
