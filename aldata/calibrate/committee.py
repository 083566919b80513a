"""What a small committee's spread says about its error: the one statistical model of this verb.

On one frame the M members are independent draws N(mu, Sigma) of a d-vector, m is their mean and S
their sample covariance (ddof 1). The truth is one more draw about the same mu, alpha times as wide:
N(mu, alpha^2 Sigma); its label adds noise N(0, sigma_al^2) per component. Three facts follow:

1. m is N(mu, Sigma/M), so e = m - label has E|e|^2 = (alpha^2 + 1/M) tr(Sigma) + d sigma_al^2. The
   1/M is the scatter of the committee's own mean.
2. m and S are independent (normal samples), so e and S are.
3. S is Wishart with M - 1 degrees of freedom, divided by them. For isotropic Sigma = sigma^2 I the
   M - 1 degrees of each of the d components add up: (M - 1) tr(S) / sigma^2 is chi^2 with
   nu = d (M - 1) degrees of freedom. So E[1 / tr(S)] = (M - 1) / (sigma^2 (nu - 2))
   = nu / (nu - 2) / tr(Sigma).

Hence |e|^2 / tr(S) without noise is (alpha^2 + 1/M) times an F(d, nu) variable, of mean nu/(nu -
2): a frame's sigma drops out, and so does its orientation. d = 1, nu = M - 1 for energies; d = 3,
nu = 3 (M - 1) for the force on an atom.

The naive alpha^2 = mean(e^2/s^2) forgets fact 3 (energies, M = 4: three times too large) and 1.
When Sigma of a force is not isotropic, nu is effectively smaller and alpha comes out too large:
with M = 4 and a true 1.7, eigenvalues 2:1:1 give 1.72, 4:1:1 give 1.78, 10:1:1 give 1.93, and a
single direction 2.7. Calibrated committees: Imbalzano et al., J. Chem. Phys. 154, 074102 (2021).

Where the covariance is computed, not sampled (the posterior of a last layer), S = Sigma and M is
infinite: nu too, the 1/M is gone, F(d, nu) becomes chi^2_d / d and Student's t a normal distribution.
Heads drawn from a belief are a committee of as many members as heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aldata.artifacts.documents import Factor, Noise
from aldata.artifacts.frames import Float
from aldata.artifacts.residuals import Residuals

FEWEST_MEMBERS = 4
"""With fewer members the mean of e^2/s^2 does not exist."""

RESOLUTION = 1e-6
"""Sigma (eV, eV/A) below which agreement between members means nothing but float32."""


@dataclass(frozen=True)
class Spread:
    """The spread in one quantity: `members` M, None for a covariance that was not sampled, and
    `dimension` d (1 energy, 3 forces).
    """

    members: int | None
    dimension: int

    @property
    def freedom(self) -> float:
        """Degrees of freedom nu = d (M - 1) of the (isotropic) spread."""
        return math.inf if self.members is None else self.dimension * (self.members - 1)

    @property
    def scatter(self) -> float:
        """The share 1/M of the variance by which the mean of the members itself scatters."""
        return 0.0 if self.members is None else 1.0 / self.members

    @property
    def ignorance(self) -> float:
        """Factor nu/(nu - 2), the variance of Student's t: the price of a sampled variance; nu > 2."""
        return 1.0 if self.members is None else self.freedom / (self.freedom - 2)

    def quantile(self, level: float) -> float:
        """Value of |e|^2 / (d x variance of one component) below which a share `level` lies."""
        from scipy.special import chdtri, fdtri

        if self.members is None:
            return float(chdtri(self.dimension, 1.0 - level)) / self.dimension
        return float(fdtri(self.dimension, self.freedom, level))

    def scale2(self, factor: Factor) -> float:
        """alpha^2 + 1/M: what turns the committee's variance into that of its mean's error."""
        return factor.alpha**2 + self.scatter

    def predicted(self, variance: Float, factor: Factor, noise: float) -> Float:
        """Predicted E|e|^2: (alpha^2 + 1/M) nu/(nu - 2) s^2 + d sigma_al^2, in the unit of s^2.

        nu/(nu - 2) is the variance of Student's t: what not knowing sigma, but only the s of M
        members, adds to the error to expect. Without it a perfectly calibrated committee of four
        has a mean z^2 of energies above 3. Needs nu > 2.
        """
        return self.scale2(factor) * self.ignorance * variance + self.dimension * noise**2


@dataclass(frozen=True, eq=False)
class Quantity:
    """One quantity: squared errors |e|^2, variances s^2 (floored) and the sigma of label noise."""

    error2: Float
    variance: Float
    noise: float
    spread: Spread

    def mean_z2(self, factor: Factor) -> float | None:
        """Mean |e|^2 / predicted E|e|^2: 1 when calibrated; None when it is not defined."""
        if not len(self.error2) or self.spread.freedom <= 2:
            return None
        predicted = self.spread.predicted(self.variance, factor, self.noise)
        return float(np.mean(self.error2 / predicted))

    def coverage(self, factor: Factor, level: float) -> float | None:
        """Share of errors inside the predicted interval (F quantile) of probability `level`."""
        if not len(self.error2) or self.spread.freedom < 1:
            return None
        noise2 = self.spread.dimension * self.noise**2
        width = self.spread.scale2(factor) * self.variance + noise2
        return float(np.mean(self.error2 / width <= self.spread.quantile(level)))


def energy_of(pair: Residuals, members: int | None, noise: Noise, floor: float) -> Quantity:
    """Total energies of frames, in eV^2; sigma is lifted to `floor` (eV) and to the noise."""
    least = max(floor, noise.sigma_energy) ** 2
    variance = np.maximum(pair.energy_variance, least)
    return Quantity(pair.energy**2, variance, noise.sigma_energy, Spread(members, 1))


def forces_of(pair: Residuals, members: int | None, noise: Noise, floor: float) -> Quantity:
    """Forces of the atoms, in eV^2/A^2: |e|^2 and tr(S), at least three times the squared floor."""
    least = 3 * max(floor, noise.sigma_forces) ** 2
    variance = np.maximum(pair.force_trace, least)
    error2 = np.square(pair.forces).sum(axis=1)
    return Quantity(error2, variance, noise.sigma_forces, Spread(members, 3))
