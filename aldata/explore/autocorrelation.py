"""How many steps apart two frames of a trajectory must lie to tell different things."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]

WINDOW = 5.0
"""Autocorrelation times that the sum reaches over: the bias is exp(-5), and noise adds no more."""


def autocorrelation_time(series: Float) -> float:
    """Integrated autocorrelation time tau = 1 + 2 sum_k rho_k of a series (sample,), in samples.

    The sum ends at the first window M >= 5 tau(M) (Sokal, in: Functional Integration, NATO ASI B 361,
    131, 1997); tau is the largest partial sum on the way, as a vibration would otherwise cancel itself:
    its frames are as good as independent for a mean, but the same ones again and again. At least 1. A
    series that is not much longer than its tau cannot show it: the result is then too small.
    """
    centred = series - series.mean() if len(series) else series
    power = float(centred @ centred)
    if len(series) < 2 or power <= 0:
        return 1.0
    # padded with zeros, so that the end of the series does not correlate with its beginning
    spectrum = np.fft.rfft(centred, 2 * len(series))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: len(series)] / power
    times = np.maximum.accumulate(2 * np.cumsum(correlation) - 1)
    enough = np.arange(len(series)) >= WINDOW * times
    return float(times[np.argmax(enough)]) if enough.any() else float(times[-1])


def detrended(series: Float) -> Float:
    """A series (sample,) without its straight line: the energy on a ramp of the temperature rises."""
    if len(series) < 3:
        return series
    time = np.arange(len(series)) - (len(series) - 1) / 2
    centred = series - series.mean()
    return np.asarray(centred - time * (time @ centred) / (time @ time))
