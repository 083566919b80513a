"""The information in candidates' labels: of all by their energy, of the most promising exactly.

The last layer of one model is scaled to be as uncertain as the calibration says: with
`uncertainty.method: last_layer` by its own factors, otherwise so that it is as uncertain as the calibrated
committee, by the ratio of the mean variances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aldata.acquire.information import gram, scalar_gain
from aldata.acquire.picks import highest
from aldata.acquire.pool import Float, Integer, Pool
from aldata.errors import InvalidInput


def refuse_exact_labels(pool: Pool) -> None:
    """Raise InvalidInput for labels without any noise."""
    if has_noise(pool):
        return
    raise InvalidInput(
        "labels without noise tell infinitely much",
        where="acquire",
        expected="a measured noise or a target accuracy above zero",
        next_step="set acquire.target, or measure the noise: aldata noise",
    )


def has_noise(pool: Pool) -> bool:
    """Whether the information in a label has a bound."""
    return bool(pool.aleatoric_forces > 0 and (pool.aleatoric_energy() > 0).all())


@dataclass(frozen=True, eq=False)
class Energies:
    """What one forward pass tells: variances (candidate,) in eV^2 of the last layer, and alpha^2."""

    variances: Float
    scale: float

    @classmethod
    def of(cls, pool: Pool) -> Energies:
        """A pool whose predictions have no variances has alpha 1."""
        own = pool.last_layer.variances
        return cls(own, _energy_scale(pool, own))

    def best(self, pool: Pool, most: int, bonus: Float | float = 0.0) -> Integer:
        """The rows that tell most by their energy, bonus added: at most so many, in ascending order."""
        if len(pool) <= most:
            return np.arange(len(pool), dtype=np.int64)
        told = scalar_gain(self.scale * self.variances, pool.aleatoric_energy())
        return np.sort(highest(told + bonus, most))


def _energy_scale(pool: Pool, own: Float) -> float:
    if not pool.has_variances or pool.calibration is None:
        return 1.0
    alpha2 = pool.calibration.energy.alpha**2
    if pool.method == "last_layer" or not len(own) or not own.mean() > 0:
        return alpha2
    return alpha2 * float(pool.energy_variance.mean()) / float(own.mean())


def grams(pool: Pool, energy_scale: float) -> tuple[Float, float]:
    """G_x of every candidate (candidate, parameter, parameter), and alpha^2 of the forces.

    One Jacobian each: for a few hundred candidates.
    """
    energies = pool.last_layer.energies
    forces = [pool.last_layer.forces(row) for row in range(len(pool))]
    forces_scale = _forces_scale(pool, forces)
    size = energies.shape[1]
    found = np.zeros((len(pool), size, size))
    for row, noise in enumerate(pool.aleatoric_energy()):
        found[row] = gram(
            np.sqrt(energy_scale) * energies[row],
            np.sqrt(forces_scale) * forces[row],
            float(noise),
            pool.aleatoric_forces,
        )
    return found, forces_scale


def _forces_scale(pool: Pool, forces: list[Float]) -> float:
    """alpha^2 of the last layer's forces, by the mean trace of their covariances."""
    if not pool.has_variances or pool.calibration is None:
        return 1.0
    alpha2 = pool.calibration.forces.alpha**2
    if pool.method == "last_layer":
        return alpha2
    own = sum(float(np.square(rows).sum()) for rows in forces)
    theirs = float(np.trace(pool.predicted.force_covariance, axis1=1, axis2=2).sum())
    return alpha2 * theirs / own if own > 0 else alpha2
