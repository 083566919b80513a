"""Settings of the random displacements."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aldata.explore.settings.sampling import Sampling


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
