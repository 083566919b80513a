"""calibrate: what a committee's spread is worth, measured on probe frames it has never seen."""

from aldata.calibrate.estimators import ESTIMATORS
from aldata.calibrate.factors import calibrate, null_calibration
from aldata.calibrate.plots import reliability, sigma_error
from aldata.calibrate.scores import prequential
from aldata.calibrate.settings import CalibrateSettings

__all__ = [
    "ESTIMATORS",
    "CalibrateSettings",
    "calibrate",
    "null_calibration",
    "prequential",
    "reliability",
    "sigma_error",
]
