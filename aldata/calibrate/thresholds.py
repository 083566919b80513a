"""Thresholds for exploration, from how uncertain the model is about frames that nobody chose.

The probe is a uniformly random share of the pool, so its frames and a new one of the same pool are
exchangeable: of n calibrated uncertainties in ascending order, the k-th is exceeded by that of a new
frame with probability 1 - k / (n + 1) at most, whatever their distribution is (split conformal
prediction; Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005). Few probe
frames cannot promise much: of 9 the largest is not exceeded with probability 0.9, no more.
"""

from __future__ import annotations

import math

import numpy as np

from aldata.artifacts.documents import Factor, Thresholds
from aldata.artifacts.residuals import Residuals
from aldata.calibrate.committee import RESOLUTION
from aldata.calibrate.settings import ThresholdSettings


def thresholds(pair: Residuals, factor: Factor, settings: ThresholdSettings) -> Thresholds:
    """sigma_lo and sigma_hi in eV/A from the probe frames of `pair` (at least one).

    The uncertainty of a frame is alpha times the root of the largest trace among its atoms' force
    covariances: it does not change when the frame is turned.
    """
    largest = np.maximum.reduceat(pair.force_trace, pair.labels.offsets[:-1])
    sigma = np.sort(factor.alpha * np.sqrt(largest))
    count = len(sigma)
    place = min(count, math.ceil(settings.level * (count + 1)))
    low = max(float(sigma[place - 1]), RESOLUTION)
    return Thresholds(
        sigma_lo=low,
        sigma_hi=settings.ratio * low,
        level=place / (count + 1),
        frames=count,
    )
