"""Scores of a whole predictive distribution: how sharp it is, and how right.

The distribution of an error e of d components (1 energy, 3 force) is taken as normal with the predicted
E|e|^2 / d in every direction: scores depend on |e| alone, and do not change when the frame is turned.
Gneiting and Raftery, J. Am. Stat. Assoc. 102, 359 (2007).
"""

from __future__ import annotations

import numpy as np

from aldata.artifacts.documents import Factor
from aldata.artifacts.frames import Float, Integer
from aldata.calibrate.committee import Quantity

LEVELS = np.arange(1, 100) / 100
"""Nominal probabilities at which coverage is compared."""


def negative_log_likelihood(error2: Float, predicted: Float, dimension: int) -> float:
    """Mean of -log N(e; 0, predicted/d I), in nats; units are those of the error: eV, eV/A."""
    variance = predicted / dimension
    return float(np.mean(0.5 * (error2 / variance + dimension * np.log(2 * np.pi * variance))))


def continuous_ranked_probability(error2: Float, predicted: Float, dimension: int) -> float:
    """Mean CRPS for d = 1, its generalisation to vectors (the energy score) for d = 3; in eV or eV/A.

    E|X - e| - E|X - X'| / 2 with X, X' normal: 0 for a certain and right prediction, the mean |e| for a
    certain and wrong one.
    """
    from scipy.special import erf

    sigma = np.sqrt(predicted / dimension)
    r = np.sqrt(error2) / sigma
    bell = np.sqrt(2 / np.pi) * np.exp(-(r**2) / 2)
    if dimension == 1:
        score = r * erf(r / np.sqrt(2)) + bell - 1 / np.sqrt(np.pi)
    else:
        # (r + 1/r) erf(r / sqrt 2) tends to sqrt(2 / pi) for small r
        small = np.maximum(r, 1e-8)
        score = bell + (small + 1 / small) * erf(small / np.sqrt(2)) - 2 / np.sqrt(np.pi)
    return float(np.mean(sigma * score))


def miscalibration_area(quantity: Quantity, factor: Factor) -> float | None:
    """Mean of |observed - nominal coverage| over all probabilities: 0 when calibrated, at most 0.5."""
    if not len(quantity.error2) or quantity.spread.freedom < 1:
        return None
    gaps = [abs((quantity.coverage(factor, p) or 0.0) - p) for p in LEVELS]
    return float(np.mean(gaps))


def rank_correlation(error2: Float, variance: Float) -> float | None:
    """Spearman's correlation of predicted sigma and |error|; None for fewer than three, or constants."""
    from scipy.stats import spearmanr

    if len(error2) < 3 or np.ptp(error2) == 0 or np.ptp(variance) == 0:
        return None
    return float(spearmanr(variance, error2).statistic)


def bootstrap_interval(
    ratios: Float, frames: Integer, rounds: int = 500, level: float = 0.95
) -> tuple[float, float] | None:
    """Interval of the mean of `ratios` when whole frames are drawn anew; None for fewer than two.

    frames : the frame that each ratio belongs to: the atoms of a frame are alike, and drawing them one
    by one would pretend to know more.
    """
    names, index = np.unique(frames, return_inverse=True)
    if len(names) < 2:
        return None
    sums = np.bincount(index, weights=ratios)
    counts = np.bincount(index)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(names), size=(rounds, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
