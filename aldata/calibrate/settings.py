"""Settings of the verb calibrate."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from aldata.calibrate.estimators import ESTIMATORS
from aldata.records import Record


def _known(name: str) -> str:
    if name not in ESTIMATORS:
        raise ValueError(f"unknown estimator '{name}'; one of: {', '.join(sorted(ESTIMATORS))}")
    return name


EstimatorName = Annotated[str, AfterValidator(_known)]


class ThresholdSettings(Record):
    """Where an exploration with this model asks, and where it turns back."""

    level: float = Field(
        default=0.95, gt=0, lt=1, description="share of the pool's frames below sigma_lo (1)"
    )
    ratio: float = Field(default=3.0, gt=1, description="sigma_hi over sigma_lo (1)")


class CalibrateSettings(Record):
    """How the calibration factors are fitted, and when they are not."""

    minimum_probe: int = Field(
        default=4, ge=1, description="probe frames below which nothing is fitted"
    )
    too_small: Literal["inherit", "stop"] = Field(
        default="inherit",
        description="a probe too small to calibrate: inherit (the parent's factors are kept, and "
        "said to be) or stop (with the number that is needed)",
    )
    thresholds: ThresholdSettings = Field(
        default=ThresholdSettings(), description="thresholds of sigma_forces for exploration"
    )
    energy_estimator: EstimatorName = Field(
        default="likelihood",
        description="estimator of the energy factor: one number per frame, so few and heavy-tailed",
    )
    forces_estimator: EstimatorName = Field(
        default="moments", description="estimator of the force factor: one ratio per atom"
    )
    smallest_alpha: float = Field(
        default=0.1, gt=0, le=1, description="lower bound of every factor (1)"
    )
    energy_floor: float = Field(
        default=1e-4, gt=0, description="committee sigma of a total energy counts as no less (eV)"
    )
    forces_floor: float = Field(
        default=1e-4, gt=0, description="committee sigma per force component, no less (eV/A)"
    )
    scatter_points: int = Field(
        default=2000, ge=10, le=100_000, description="most atoms of the plot of sigma against error"
    )
    reliability_bins: int = Field(
        default=8, ge=2, le=100, description="equal-count bins of the reliability plot"
    )
