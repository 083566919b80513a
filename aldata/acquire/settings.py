"""Settings of the acquisition."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from aldata.acquire.strategies import STRATEGIES
from aldata.records import Record


def _known(strategy: str) -> str:
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy; one of: {', '.join(sorted(STRATEGIES))}")
    return strategy


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
        default="max_variance", description="how the candidates are chosen"
    )
    batch: int = Field(default=16, ge=2, description="oracle calls of a generation, probe included")
    probe: float = Field(
        default=0.125,
        ge=0,
        lt=1,
        description="share of the batch that is drawn uniformly and never trained on (1); "
        "at least one frame unless it is 0",
    )
    target: Target = Field(
        default=Target(), description="floor of the label noise that information is measured in"
    )
