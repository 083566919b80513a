"""The candidates about whose forces the committee disagrees most."""

from __future__ import annotations

import numpy as np

from aldata.acquire.picks import Picks, highest
from aldata.acquire.pool import Pool
from aldata.acquire.settings import AcquireSettings


def pick(
    pool: Pool, count: int, _rng: np.random.Generator, _settings: AcquireSettings | None = None
) -> Picks:
    """The candidates with the largest calibrated force variance of any atom, in (eV/A)^2.

    Each is judged for itself, so a batch may hold several that are alike.
    """
    variance = pool.largest_force_variance()
    rows = highest(variance, count)
    return Picks(
        rows=rows,
        scores=variance[rows],
        reason="largest calibrated force variance of an atom",
        facts={"score_unit": "eV2 angstrom-2"},
    )
