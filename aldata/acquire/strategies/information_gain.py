"""The batch whose labels tell most about the last layer, with or without a bonus for novelty.

    a(x | S) = IG(x | S) + lambda_g d(x | S)

IG is the joint information of an energy and 3n forces given the picks S so far (see `information`), d
the distance to the nearest known environment in typical spacings (see `farthest_point`), so that lambda
is in nats per spacing. lambda decays from generation to generation: first the breadth, then the depth.

All candidates are screened by what one forward pass tells, the information in their energy (plus the
bonus); the best of them get exact Jacobians.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aldata.acquire.information import gram, greedy, scalar_gain
from aldata.acquire.known import Known
from aldata.acquire.picks import Picks, highest
from aldata.acquire.pool import Float, Integer, Pool
from aldata.acquire.settings import AcquireSettings
from aldata.errors import InvalidInput


def pick(pool: Pool, count: int, _rng: np.random.Generator, settings: AcquireSettings) -> Picks:
    """The candidates picked greedily by joint information, in nats."""
    picks, facts = _picked(pool, count, settings, 0.0)
    return _picks(picks, "tells most about the last layer, given the earlier picks", facts)


def pick_diverse(
    pool: Pool, count: int, _rng: np.random.Generator, settings: AcquireSettings
) -> Picks:
    """The candidates picked greedily by joint information plus novelty, in nats."""
    weight = settings.diversity * settings.diversity_decay**pool.age
    picks, facts = _picked(pool, count, settings, weight)
    reason = "tells most about the last layer, or is farthest from what is known"
    return _picks(picks, reason, {**facts, "diversity": weight})


def _picks(picks: tuple[Integer, Float], reason: str, facts: dict[str, Any]) -> Picks:
    facts = {"score_unit": "nats", **facts}
    return Picks(rows=picks[0], scores=picks[1], reason=reason, facts=facts)


def _picked(
    pool: Pool, count: int, settings: AcquireSettings, weight: float
) -> tuple[tuple[Integer, Float], dict[str, Any]]:
    _refuse_exact_labels(pool)
    energy_scale = _energy_scale(pool)
    screened = _screened(pool, max(settings.screen, count), energy_scale, weight)
    smaller = pool.take(screened)
    grams, forces_scale = _grams(smaller, energy_scale)
    known = Known(smaller) if weight > 0 else None
    rows, scores = greedy(
        grams,
        count,
        bonus=(lambda: weight * known.novelty()) if known else None,
        picked=known.add if known else None,
    )
    facts = {
        "screened": len(screened),
        "alpha_energy": float(np.sqrt(energy_scale)),
        "alpha_forces": float(np.sqrt(forces_scale)),
    }
    return (screened[rows], scores), facts


def _refuse_exact_labels(pool: Pool) -> None:
    if pool.aleatoric_forces > 0 and (pool.aleatoric_energy() > 0).all():
        return
    raise InvalidInput(
        "labels without noise tell infinitely much",
        where="acquire",
        expected="a measured noise or a target accuracy above zero",
        next_step="set acquire.target, or measure the noise: aldata noise",
    )


def _screened(pool: Pool, most: int, scale: float, weight: float) -> Integer:
    """Rows of the most promising candidates by their energy and novelty alone, in ascending order."""
    if len(pool) <= most:
        return np.arange(len(pool), dtype=np.int64)
    variance = scale * np.square(pool.last_layer.energies).sum(axis=1)
    score = scalar_gain(variance, pool.aleatoric_energy())
    if weight > 0:
        score = score + weight * Known(pool).novelty()
    return np.sort(highest(score, most))


def _energy_scale(pool: Pool) -> float:
    """alpha^2 of the last layer's energies: calibrated, or as large as the calibrated committee's.

    The ratio of the mean variances, over all candidates. A pool without variances has 1.
    """
    if not pool.has_variances or pool.calibration is None:
        return 1.0
    alpha2 = pool.calibration.energy.alpha**2
    if pool.method == "last_layer":
        return alpha2
    own = float(np.square(pool.last_layer.energies).sum(axis=1).mean())
    return alpha2 * float(pool.predictions.energy_variance.mean()) / own if own > 0 else alpha2


def _grams(pool: Pool, energy_scale: float) -> tuple[Float, float]:
    """G_x of every candidate (candidate, parameter, parameter), and alpha^2 of the forces."""
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
    """alpha^2 of the last layer's forces, by the mean trace of their covariances; see above."""
    if not pool.has_variances or pool.calibration is None:
        return 1.0
    alpha2 = pool.calibration.forces.alpha**2
    if pool.method == "last_layer":
        return alpha2
    own = sum(float(np.square(rows).sum()) for rows in forces)
    theirs = float(np.trace(pool.predictions.force_covariance, axis1=1, axis2=2).sum())
    return alpha2 * theirs / own if own > 0 else alpha2
