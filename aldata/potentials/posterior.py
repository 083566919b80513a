"""The Gaussian posterior of a last layer: Sigma = (H + P)^-1, its variances, updates and draws.

Symbols: x parameters (c, t) of one member's last layer, a a row of the linear model (prediction =
a . x), R the squared accuracies of the training rows, H = sum of a R^-1 a^T over them, P the prior
precision. Last-layer Laplace approximation, also called last-layer prediction rigidity (Bigi et al.,
Mach. Learn.: Sci. Technol. 5, 045018, 2024, arXiv 2403.02251). The variances are known up to one
factor alpha^2, which `calibrate` fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular

from aldata.errors import InvalidInput
from aldata.potentials.last_layer import prior_of

Float = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Posterior:
    """Belief about the last layer of one member.

    precision (parameter, parameter): H + P, positive definite. prior (parameter,): the diagonal of P.
    It stays what it was when data are added, so that updating one row at a time or all at once gives
    the same belief.
    """

    precision: Float
    prior: Float

    @classmethod
    def of(cls, information: Float, ridge: float) -> Self:
        """From an information matrix H (parameter, parameter) and P = ridge x diag(H).

        Raises InvalidInput for a matrix that is zero or not finite: a model that was never trained
        has no belief about its errors.
        """
        if not np.isfinite(information).all() or not (np.diag(information) > 0).any():
            raise InvalidInput(
                "the information matrix of its last layer is empty or not finite",
                where="checkpoint",
                expected="the matrix that training writes",
                next_step="train this generation again",
            )
        prior = prior_of(information, ridge)
        return cls(information + np.diag(prior), prior)

    @cached_property
    def _factor(self) -> tuple[Float, Float]:
        """Scale D and Cholesky factor L with D precision D = L L^T: exact for badly scaled parameters."""
        scale = 1 / np.sqrt(np.diag(self.precision))
        lower = cholesky(self.precision * scale[:, None] * scale[None, :], lower=True)
        return scale, lower

    def whitened(self, rows: Float) -> Float:
        """Rows b = L^-1 D a, shaped like `rows` (..., parameter), so that a . Sigma a' = b . b'."""
        scale, lower = self._factor
        flat = (rows * scale).reshape(-1, len(scale))
        found: Float = solve_triangular(lower, flat.T, lower=True).T
        return found.reshape(rows.shape)

    def variances(self, rows: Float) -> Float:
        """Variance a Sigma a^T of each row (..., parameter): shape (...)."""
        return np.asarray(np.square(self.whitened(rows)).sum(axis=-1))

    def covariances(self, rows: Float) -> Float:
        """Covariance A Sigma A^T of each block of rows (n, k, parameter): shape (n, k, k)."""
        found = self.whitened(rows)
        return np.asarray(found @ found.transpose(0, 2, 1))

    def updated(self, design: Float) -> Posterior:
        """The belief after more data: `design` (row, parameter) in units of their accuracies."""
        return Posterior(self.precision + design.T @ design, self.prior)

    def draws(self, count: int, rng: np.random.Generator) -> Float:
        """Deviations of x from its mean, N(0, Sigma): shape (count, parameter)."""
        scale, lower = self._factor
        normal = rng.standard_normal((len(scale), count))
        return np.asarray(solve_triangular(lower, normal, lower=True, trans="T").T * scale)
