"""Settings of the uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field

from aldata.artifacts.frames import Configurations, Predictions
from aldata.records import Record

Predict = Callable[[Configurations], Predictions]
"""A method with its model made: predictions of any frames."""

NAMES = ("committee", "last_layer", "dropout", "shallow")
"""The ways to be uncertain. Their code needs torch, so settings know them by name only."""


def _known(method: str) -> str:
    if method not in NAMES:
        raise ValueError(f"unknown method; one of: {', '.join(NAMES)}")
    return method


class UncertaintySettings(Record):
    """How a checkpoint says how wrong it may be.

    `committee` needs at least two members; the others look at the first member alone, so that
    `train.members: 1` is enough for them.
    """

    method: Annotated[str, AfterValidator(_known)] = Field(
        default="committee",
        description="committee: spread of the members; last_layer: exact posterior of one model's "
        "last layer; shallow: heads drawn from that posterior; dropout: heads with random features "
        "switched off",
    )
    samples: int = Field(
        default=32, ge=2, le=1024, description="heads drawn by `shallow` and `dropout`"
    )
    dropout: float = Field(
        default=0.1, gt=0, lt=1, description="share of the features that `dropout` switches off"
    )
    ridge: float = Field(
        default=1e-6,
        gt=0,
        description="prior precision of the last layer, as a share of the information that the "
        "training set holds about each parameter",
    )
