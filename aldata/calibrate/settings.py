"""Settings of the verb calibrate."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from aldata.calibrate.estimators import ESTIMATORS
from aldata.records import Record


def _known(name: str) -> str:
    if name not in ESTIMATORS:
        raise ValueError(f"unknown estimator '{name}'; one of: {', '.join(sorted(ESTIMATORS))}")
    return name


EstimatorName = Annotated[str, AfterValidator(_known)]


class CalibrateSettings(Record):
    """How the calibration factors are fitted, and when they are not."""

    minimum_probe: int = Field(
        default=4, ge=1, description="probe frames below which the parent's factors are inherited"
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
    reliability_bins: int = Field(
        default=8, ge=2, le=100, description="equal-count bins of the reliability plot"
    )
