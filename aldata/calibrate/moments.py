"""The method of moments: the factor that makes the mean squared standardised error one."""

from __future__ import annotations

import numpy as np

from aldata.artifacts.frames import Float
from aldata.calibrate.committee import Spread


def moments(error2: Float, variance: Float, noise2: float, spread: Spread) -> float:
    """alpha^2 + 1/M from mean((|e|^2 - d sigma_al^2) / s^2), unbiased for every M >= 4.

    With E[|e|^2 - d sigma_al^2] = (alpha^2 + 1/M) tr(Sigma) and E[1 / s^2] = nu / (nu - 2) /
    tr(Sigma), and e independent of s (see `committee`), the mean ratio is (alpha^2 + 1/M) nu / (nu
    - 2). For one scalar (nu = M - 1) this is alpha^2 = -1/M + (M - 3)/(M - 1) mean((e^2 -
    sigma_al^2)/s^2).

    Unbiased, but heavy-tailed: the ratio has a second moment for nu > 4 only. Four members give
    forces nu = 9, but energies nu = 3: there a third of the mean sits in the 1.5 % of frames whose
    s happens to be tiny, and few frames nearly always give too small a factor.
    """
    return float(np.mean((error2 - spread.dimension * noise2) / variance)) / spread.ignorance
