"""Maximum likelihood: the factor under which the observed errors are the most probable."""

from __future__ import annotations

import numpy as np

from aldata.artifacts.frames import Float
from aldata.calibrate.committee import Spread

STEPS = 200
"""Halvings of the bracket: far below the resolution of a float64 ratio."""


def likelihood(error2: Float, variance: Float, noise2: float, spread: Spread) -> float:
    """alpha^2 + 1/M as the maximum of the F (for one scalar: Student's t) likelihood.

    Without noise, r = |e|^2 / s^2 is (alpha^2 + 1/M) times an F(d, nu) variable whatever the
    frame's own sigma is (see `committee`), so the score of a = alpha^2 + 1/M vanishes where

        mean[ (nu + d) w / (nu + d w) ] = 1,      w = |e|^2 / (a s^2 + d sigma_al^2).

    Every frame's weight is bounded by (nu + d)/d: one tiny s cannot take over. The left side falls
    with a, so the root is unique; it is 0 when the noise alone explains the errors. The noise
    enters as a broadening of the denominator: exact without noise, and good while sigma_al << s.
    """
    d, nu = spread.dimension, spread.freedom

    def score(a: float) -> float:
        w = error2 / (a * variance + d * noise2)
        return float(np.mean((1 + d / nu) * w / (1 + d * w / nu))) - 1.0

    low, high = 0.0, float(np.max(error2 / variance)) * (1 + d / nu)
    if high == 0.0 or (noise2 > 0 and score(0.0) <= 0.0):
        return 0.0
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if score(middle) > 0.0 else (low, middle)
    return high
