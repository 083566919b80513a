"""Made vectors, and pools of them."""

from __future__ import annotations

import numpy as np

from aldata.acquire import Pool
from aldata.acquire.strategies import Picks, farthest_point
from aldata.artifacts.frames import Descriptors, Predictions


def vectors(kind: str, count: int, features: int, seed: int) -> np.ndarray:
    """Vectors of length 1; of one kind all seeds draw from the same distribution."""
    rng, shared = np.random.default_rng(seed), np.random.default_rng(999)
    if kind == "isotropic":
        found = rng.standard_normal((count, features), dtype=np.float32)
    else:
        first, second = shared.normal(size=(12, 64)), shared.normal(size=(64, features)) / 8
        centres, widths = shared.normal(size=(300, 12)), shared.uniform(0.05, 0.4, size=(300, 1))
        found = np.empty((count, features), np.float32)
        for begin in range(0, count, 50_000):
            part = slice(begin, min(begin + 50_000, count))
            which = rng.integers(300, size=part.stop - begin)
            hidden = centres[which] + widths[which] * rng.normal(size=(len(which), 12))
            found[part] = np.tanh(hidden @ first) @ second
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def single(values: np.ndarray, seed: int) -> Descriptors:
    """Each vector a frame of one atom."""
    rng = np.random.default_rng(seed)
    return Descriptors(
        configuration_id=rng.integers(0, 256, (len(values), 32)),
        row_size=np.ones(len(values)),
        numbers=np.ones(len(values)),
        descriptor=values,
        attributes={"descriptor_id": "d"},
    )


def made_descriptors(values: np.ndarray, atoms: int, seed: int) -> Descriptors:
    """Frames of `atoms` atoms, two elements in turn."""
    count = len(values) // atoms
    rng = np.random.default_rng(seed)
    return Descriptors(
        configuration_id=rng.integers(0, 256, (count, 32)),
        row_size=np.full(count, atoms),
        numbers=np.tile(np.arange(atoms) % 2 * 28 + 1, count),
        descriptor=values,
        attributes={"descriptor_id": "d"},
    )


def pool_of(values: np.ndarray, training: np.ndarray) -> Pool:
    return Pool(
        candidates=single(values, 0),
        training=single(training, 1),
        predictions=Predictions.empty({}),
    )


def chosen_of(pool: Pool, count: int) -> Picks:
    return farthest_point.pick(pool, count, np.random.default_rng(0))
