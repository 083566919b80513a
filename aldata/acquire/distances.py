"""Distances between environments, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.acquire.pool import Float
from aldata.artifacts.frames import Descriptors

BLOCK = 1024
"""Rows of vectors compared at a time; a block of distances takes 4 BLOCK^2 float64 numbers."""
SAME = 1e-6
"""Distances below this are rounding of the float32 vectors: the environments are the same."""
SAMPLED = 2000
"""How many environments the typical spacing is taken over."""
ENOUGH = 10
"""Fewer environments than this have no typical spacing."""

Vectors = npt.NDArray[Any]


def nearest(vectors: Vectors, others: Vectors, apart: tuple[Any, Any] | None = None) -> Float:
    """Distance of each vector (n, feature) to the nearest of `others` (m, feature): shape (n,).

    Infinite where there is none. `apart` holds a group of each vector and of each of the others:
    vectors of the same group are not compared.
    """
    best = np.full(len(vectors), np.inf)
    for rows in _blocks(len(vectors), BLOCK):
        ours = np.asarray(vectors[rows], dtype=np.float64)
        for columns in _blocks(len(others), 4 * BLOCK):
            squared = _squared(ours, np.asarray(others[columns], dtype=np.float64))
            if apart is not None:
                squared[apart[0][rows][:, None] == apart[1][columns][None, :]] = np.inf
            best[rows] = np.minimum(best[rows], squared.min(axis=1))
    distance = np.sqrt(best)
    return np.where(distance < SAME, 0.0, distance)


def _squared(ours: Float, theirs: Float) -> Float:
    squared = ours @ theirs.T
    squared *= -2.0
    squared += np.einsum("ij,ij->i", ours, ours)[:, None]
    squared += np.einsum("ij,ij->i", theirs, theirs)[None, :]
    return np.maximum(squared, 0.0, out=squared)


def _blocks(total: int, size: int) -> Iterator[slice]:
    return (slice(begin, begin + size) for begin in range(0, total, size))


def typical_spacing(training: Descriptors) -> float | None:
    """Median distance of a training environment to the nearest of its element in another frame.

    None when fewer than `ENOUGH` environments have such a neighbour, or when the median is zero.
    Beyond `SAMPLED` environments, every k-th one is asked.
    """
    step = max(1, len(training.numbers) // SAMPLED)
    found = []
    for number in np.unique(training.numbers):
        atoms = np.flatnonzero(training.numbers == number)
        asked, frame = atoms[::step], training.frame_of_atom
        vectors = training.descriptor
        found.append(nearest(vectors[asked], vectors[atoms], (frame[asked], frame[atoms])))
    distances = np.concatenate([np.zeros(0), *found])
    distances = distances[np.isfinite(distances)]
    spacing = float(np.median(distances)) if len(distances) >= ENOUGH else 0.0
    return spacing if spacing > 0 else None
