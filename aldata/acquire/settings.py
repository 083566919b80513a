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
