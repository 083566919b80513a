"""The candidates about whose forces the model is least certain."""

from __future__ import annotations

import numpy as np

from aldata.acquire.picks import Picks
from aldata.acquire.pool import Pool
from aldata.acquire.questions import most
from aldata.acquire.settings import AcquireSettings


def pick(
    pool: Pool, count: int, _rng: np.random.Generator, _settings: AcquireSettings | None = None
) -> Picks:
    """The candidates with the largest calibrated force variance of any atom, in (eV/A)^2.

    Each is judged for itself, so a batch may hold several that are alike.
    """
    rows, variances = most(pool, "variance_forces", count)
    return Picks(
        rows=rows,
        scores=variances,
        reason="largest calibrated force variance of an atom",
        facts={"score_unit": "eV2 angstrom-2"},
    )
