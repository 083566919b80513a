"""The ways to estimate a calibration factor, by name."""

from __future__ import annotations

from collections.abc import Callable

from aldata.artifacts.frames import Float
from aldata.calibrate.committee import Spread
from aldata.calibrate.likelihood import likelihood
from aldata.calibrate.moments import moments

Estimator = Callable[[Float, Float, float, Spread], float]
"""(|e|^2, s^2, sigma_al^2, spread) -> alpha^2 + 1/M."""

ESTIMATORS: dict[str, Estimator] = {"likelihood": likelihood, "moments": moments}
"""Every estimator by name."""
