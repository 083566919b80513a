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

from aldata.acquire.information import greedy
from aldata.acquire.known import Known
from aldata.acquire.picks import Picks
from aldata.acquire.pool import Float, Integer, Pool
from aldata.acquire.screening import Energies, grams, refuse_exact_labels
from aldata.acquire.settings import AcquireSettings


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
    refuse_exact_labels(pool)
    energies = Energies.of(pool)
    bonus: Float | float = weight * Known(pool).novelty() if weight > 0 else 0.0
    screened = energies.best(pool, max(settings.screen, count), bonus)
    smaller = pool.take(screened)
    found, forces_scale = grams(smaller, energies.scale)
    known = Known(smaller) if weight > 0 else None
    rows, scores = greedy(
        found,
        count,
        bonus=(lambda: weight * known.novelty()) if known else None,
        picked=known.add if known else None,
    )
    facts = {
        "screened": len(screened),
        "alpha_energy": float(np.sqrt(energies.scale)),
        "alpha_forces": float(np.sqrt(forces_scale)),
    }
    return (screened[rows], scores), facts
