"""Settings of the descriptors."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from aldata.describe.methods import METHODS
from aldata.records import Record


def _known(method: str) -> str:
    if method not in METHODS:
        raise ValueError(f"unknown descriptor; one of: {', '.join(sorted(METHODS))}")
    return method


class DescribeSettings(Record):
    """Which descriptor, and its parameters."""

    method: Annotated[str, AfterValidator(_known)] = Field(default="soap", description="descriptor")
    cutoff: float = Field(default=4.5, gt=1, description="radius of an environment (A)")
    n_max: int = Field(default=6, ge=1, le=20, description="number of radial functions per element")
    l_max: int = Field(default=4, ge=0, le=15, description="highest angular momentum")
    sigma: float = Field(default=0.4, gt=0, description="width of the Gaussian on a neighbour (A)")
