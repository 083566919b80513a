"""What the pool would still tell once the picks are labelled.

The expected information of a label of a linear model does not depend on the label: with the picks added
to what is known, the best batch that is left can be found, and its information told, before any of them is
computed. When that is little and the errors are small, it is time to stop.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aldata.acquire.information import greedy, information
from aldata.acquire.pool import Integer, Pool
from aldata.acquire.screening import Energies, grams, has_noise
from aldata.acquire.settings import AcquireSettings


def remaining(
    pool: Pool, asked: Integer, learned: Integer, settings: AcquireSettings
) -> dict[str, Any] | None:
    """`frames` and joint `information` (nats) of the best batch left, once `learned` are labelled.

    asked : rows of the pool that are asked for now; those of them that will be trained on are
    `learned` (a probe frame tells the model nothing). The batch is as large as this one, chosen greedily
    among the `settings.screen` candidates that are best by their energy. None without a model, or with
    labels whose information has no bound.
    """
    if pool.belief is None or not has_noise(pool):
        return None
    left = np.setdiff1d(np.arange(len(pool)), asked)
    energies = Energies.of(pool)
    rest = Energies(energies.variances[left], energies.scale)
    best = left[rest.best(pool.take(left), settings.screen)]
    found, _ = grams(pool.take(np.concatenate([learned, best])), energies.scale)
    told, free = found[: len(learned)], found[len(learned) :]
    known = np.eye(found.shape[-1]) + told.sum(axis=0)
    # in a basis in which what is known by then is the identity, the rest is as at the beginning
    lower = np.linalg.cholesky(known)
    free = np.linalg.solve(lower, np.linalg.solve(lower, free).transpose(0, 2, 1))
    rows, _ = greedy(free, settings.batch)
    return {"frames": len(rows), "information": information(free[rows]) if len(rows) else 0.0}
