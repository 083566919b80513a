"""Settings of the acquisition."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from aldata.errors import InvalidInput
from aldata.records import Record

NAMES = (
    "random",
    "farthest_point",
    "max_variance",
    "information_gain",
    "information_gain_diversity",
    "largest_cluster",
    "permuted",
)
"""The strategies that there are."""


def _known(strategy: str) -> str:
    if strategy not in NAMES:
        raise ValueError(f"unknown strategy; one of: {', '.join(sorted(NAMES))}")
    return strategy


def _condition(text: str) -> str:
    from aldata.query import Question

    try:
        Question(text).names("candidates")
    except InvalidInput as problem:
        raise ValueError(str(problem)) from None
    return text


class Target(Record):
    """The accuracy that is asked of the model: to resolve less than this is worth nothing."""

    energy: float = Field(
        default=1e-3, gt=0, description="accuracy asked of the model's energies (eV per atom)"
    )
    forces: float = Field(
        default=2e-2, gt=0, description="accuracy asked of a force component (eV/A)"
    )


class AcquireSettings(Record):
    """How many candidates to ask the oracle about, and how to choose them."""

    strategy: Annotated[str, AfterValidator(_known)] = Field(
        default="information_gain_diversity", description="how the candidates are chosen"
    )
    batch: int = Field(default=16, ge=2, description="oracle calls of a generation, probe included")
    avoid_failed: float = Field(
        default=0.5,
        ge=0,
        description="leave out candidates with an environment this near to one of a failed call that "
        "no training frame has (1, typical spacing of the training set); 0: off",
    )
    probe: float = Field(
        default=0.125,
        ge=0,
        lt=1,
        description="share of the batch that is drawn uniformly and never trained on (1); "
        "at least one frame unless it is 0",
    )
    where: Annotated[str, AfterValidator(_condition)] | None = Field(
        default=None,
        description="condition that a candidate must satisfy to be asked for, as in `aldata query`; "
        "the probe is drawn from those that do",
    )
    screen: int = Field(
        default=300,
        ge=1,
        description="candidates that the information strategies compute exactly: the best by the "
        "information in their energy alone",
    )
    block: int = Field(
        default=16384,
        ge=1,
        description="environments of the pool whose vectors are in memory at a time; the pool itself "
        "is read from its store",
    )
    map_points: int = Field(
        default=2000,
        ge=10,
        le=100_000,
        description="most frames of the pool in the map of the pool",
    )
    diversity: float = Field(
        default=1.0,
        ge=0,
        description="what distance to the known adds in information_gain_diversity (nats per "
        "typical spacing)",
    )
    diversity_decay: float = Field(
        default=0.7, gt=0, le=1, description="factor on `diversity` per earlier generation (1)"
    )
    target: Target = Field(
        default=Target(), description="floor of the label noise that information is measured in"
    )
