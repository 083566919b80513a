"""The exploration: a list of samplers, and what every frame must satisfy."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from aldata.explore.settings.displacing import Displacements
from aldata.explore.settings.dynamics import BiasedDynamics, MolecularDynamics
from aldata.explore.settings.importing import Imported
from aldata.explore.settings.paths import ReactionPath
from aldata.explore.settings.quanta import PathIntegral
from aldata.explore.settings.sampling import Checks, Sampling
from aldata.records import Record

Sampler = Annotated[
    MolecularDynamics | BiasedDynamics | Displacements | ReactionPath | PathIntegral | Imported,
    Field(discriminator="name"),
]

OF_SAMPLERS: tuple[type[Sampling], ...] = get_args(get_args(Sampler)[0])
"""The settings of every sampler, for the page that describes them."""


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
    ask: Literal["after", "during"] = Field(
        default="after",
        description="after: labels are asked for when the candidates are chosen; during: a trajectory "
        "above sigma_hi has that frame labelled at once, the last layer is updated, and it goes on",
    )
    most_asked: int = Field(
        default=8,
        ge=1,
        description="most calls of a generation that are asked for during exploration",
    )
    checks: Checks = Field(default=Checks(), description="physical checks of every frame")
