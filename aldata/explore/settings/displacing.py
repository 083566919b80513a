"""Settings of what needs no model: displacements, strain, volume scans, vacancies and swaps."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from aldata.explore.settings.sampling import Sampling
from aldata.records import Record


class VolumeScan(Record):
    """A crystal at several volumes."""

    strain: tuple[Annotated[float, Field(gt=-0.5)], Annotated[float, Field(lt=1.0)]] = Field(
        default=(-0.05, 0.05),
        description="isotropic strain of the first and the last frame (1), along what is periodic",
    )
    points: int = Field(default=7, ge=2, description="frames of a scan, the strain in equal steps")
    starts: int = Field(
        default=1, ge=1, description="starting points that are scanned, drawn at random"
    )

    @model_validator(mode="after")
    def _goes_up(self) -> Self:
        low, high = self.strain
        if low >= high:
            raise ValueError(f"strain must rise: {low:g} is not below {high:g}")
        return self


class Vacancies(Record):
    """Crystals in which atoms are missing."""

    frames: int = Field(ge=1, description="frames in all")
    atoms: int = Field(default=1, ge=1, description="atoms that each lacks")


class Swaps(Record):
    """Crystals in which atoms of different elements have changed places."""

    frames: int = Field(ge=1, description="frames in all")
    pairs: int = Field(default=1, ge=1, description="pairs that change places in each")


class Displacements(Sampling):
    """Random displacements of the starting points; of crystals also strain, volumes and defects.

    Vacancies and swaps are displaced and strained as well.
    """

    name: Literal["displacements"] = Field(default="displacements", description="the sampler")
    frames: int = Field(
        default=50, ge=0, description="displaced frames, beside what is asked for below"
    )
    displacement: list[Annotated[float, Field(ge=0)]] = Field(
        default=[0.05, 0.1],
        min_length=1,
        description="standard deviations of the displacement of a coordinate (A), in turn",
    )
    strain: float = Field(
        default=0.03, ge=0, lt=0.5, description="largest component of the strain of a cell (1)"
    )
    volume_scan: VolumeScan | None = Field(
        default=None, description="of crystals: frames at several volumes"
    )
    vacancies: Vacancies | None = Field(default=None, description="of crystals: missing atoms")
    swaps: Swaps | None = Field(
        default=None, description="of crystals: atoms of different elements change places"
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.frames == 0 and not (self.volume_scan or self.vacancies or self.swaps):
            raise ValueError("frames, volume_scan, vacancies or swaps must ask for something")
        return self
