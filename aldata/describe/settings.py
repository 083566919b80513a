"""Settings of the descriptors."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from aldata.records import Record

NAMES = ("soap", "acsf", "mace")
"""The ways to describe an environment."""


def _known(method: str) -> str:
    if method not in NAMES:
        raise ValueError(f"unknown descriptor; one of: {', '.join(NAMES)}")
    return method


class SoapSettings(Record):
    """The basis of a smooth overlap of atomic positions."""

    n_max: int = Field(default=6, ge=1, le=20, description="number of radial functions per element")
    l_max: int = Field(default=4, ge=0, le=15, description="highest angular momentum")
    sigma: float = Field(default=0.4, gt=0, description="width of the Gaussian on a neighbour (A)")


class AcsfSettings(Record):
    """The symmetry functions of an atom."""

    radial: int = Field(default=8, ge=1, le=64, description="radial functions G2 per element")
    nearest: float = Field(default=0.8, gt=0, description="centre of the first radial function (A)")
    zeta: list[Annotated[float, Field(gt=0)]] = Field(
        default=[1.0, 4.0, 16.0],
        description="sharpness of the angular functions G4: a pair per value and pair of elements",
    )
    spread: float = Field(
        default=1.0, gt=0, description="radial width of the angular functions, in cutoffs (1)"
    )


class DescribeSettings(Record):
    """Which descriptor, and its parameters."""

    method: Annotated[str, AfterValidator(_known)] = Field(
        default="soap",
        description="descriptor; mace: the features of the parent's model (before there is one: soap)",
    )
    cutoff: float = Field(
        default=4.5, gt=1, description="radius of an environment (A); the model has its own"
    )
    soap: SoapSettings = Field(default=SoapSettings(), description="of method soap")
    acsf: AcsfSettings = Field(default=AcsfSettings(), description="of method acsf")

    def own(self, method: str) -> dict[str, Any]:
        """What decides the vectors of `method`, and nothing else: part of the descriptor's identity."""
        if method == "mace":
            return {"method": method}
        return {"method": method, "cutoff": self.cutoff, **getattr(self, method).content()}
