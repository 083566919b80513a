"""Distances between environments, block by block: found in float32, decided in float64.

The nearest of many vectors is looked for by a matrix product in float32, whose rounding has a bound: only
what lies within that bound of the smallest is computed again, as a difference in float64. The result is
that of float64 throughout, at half the cost or less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.acquire.pool import Float, Integer
from aldata.artifacts.frames import Descriptors

BLOCK = 512
"""Rows of vectors compared at a time; a block of distances takes 4 BLOCK^2 float32 numbers."""
SAME = 1e-6
"""Distances below this are rounding of the float32 vectors: the environments are the same."""
SAMPLED = 2000
"""How many environments the typical spacing is taken over."""
ENOUGH = 10
"""Fewer environments than this have no typical spacing."""
TIES = 4
"""With more near ties per row than this, a block is computed in float64 as a whole."""
ROUNDING = 2.0**-24
"""Relative error of a float32 operation."""

Vectors = npt.NDArray[Any]
Single = npt.NDArray[np.float32]


def nearest(
    vectors: Vectors,
    others: Vectors,
    apart: tuple[Any, Any] | None = None,
    below: Float | None = None,
) -> Float:
    """Distance of each vector (n, feature) to the nearest of `others` (m, feature): shape (n,).

    Infinite where there is none. `apart` holds a group of each vector and of each of the others:
    vectors of the same group are not compared. `below` (n,): distances that are known already; what
    is not nearer than these is not looked at, and they are returned where nothing is nearer.
    """
    return Compared(vectors, BLOCK).nearest(others, apart, below)


class Compared:
    """Vectors (n, feature) that are compared with others, once or again and again.

    block : how many are compared at a time; many when the others are few.
    """

    def __init__(self, vectors: Vectors, block: int) -> None:
        self._count = len(vectors)
        some = vectors[:: max(1, len(vectors) // SAMPLED)]
        # distances do not change with the origin, but rounding does: near the vectors it is small
        self._origin = np.asarray(np.mean(some, axis=0, dtype=np.float64)) if len(some) else 0.0
        parts = _blocks(self._count, block)
        self._sides = [(rows, _Side.of(vectors[rows], self._origin, 1.0)) for rows in parts]

    def nearest(
        self, others: Vectors, apart: tuple[Any, Any] | None = None, below: Float | None = None
    ) -> Float:
        """See the function of this name."""
        best = np.full(self._count, np.inf) if below is None else np.square(below)
        for part in _blocks(len(others), 4 * BLOCK):
            theirs = _Side.of(others[part], self._origin, -2.0)
            for rows, ours in self._sides:
                same = None if apart is None else apart[0][rows][:, None] == apart[1][part][None, :]
                best[rows] = _closer(ours, theirs, best[rows], same)
        distance = np.sqrt(best)
        return np.where(distance < SAME, 0.0, distance)


@dataclass(frozen=True, eq=False)
class _Side:
    """Vectors as they are, and moved to the origin in float32 with a column for the norm.

    With `factor` -2 on one side the product of two sides is |y|^2 - 2 x.y: what is left of the squared
    distance when |x|^2, the same for a whole row, is taken away.
    """

    vectors: Vectors
    single: Single
    norm2: Float

    @classmethod
    def of(cls, vectors: Vectors, origin: Float | float, factor: float) -> _Side:
        single = np.empty((len(vectors), vectors.shape[1] + 1), dtype=np.float32)
        moved = single[:, :-1]
        np.subtract(vectors, origin, out=moved, casting="same_kind")
        norm2 = np.einsum("ij,ij->i", moved, moved, dtype=np.float64)
        moved *= factor
        single[:, -1] = 1.0 if factor == 1.0 else norm2
        return cls(vectors, single, norm2)


def _closer(ours: _Side, theirs: _Side, best: Float, same: npt.NDArray[np.bool_] | None) -> Float:
    """`best` (row,), squared, or the squared distance to the nearest of `theirs` where that is smaller."""
    rest = ours.single @ theirs.single.T
    if same is not None:
        rest[same] = np.inf
    lowest = rest.min(axis=1).astype(np.float64)
    # the bound of a sum of products, for norms, products and the move to the origin together
    length = np.sqrt(ours.norm2) + np.sqrt(theirs.norm2.max())
    error = 2 * (ours.single.shape[1] + 8) * ROUNDING * length**2
    open_rows = np.flatnonzero(lowest <= best - ours.norm2 + error)
    if len(open_rows) == 0:
        return best
    limit = np.minimum(lowest + 2 * error, best - ours.norm2 + error)[open_rows]
    rows, columns = np.nonzero(rest[open_rows] <= limit[:, None])
    found = np.array(best)
    if len(rows) > TIES * len(open_rows):
        asked = ours.vectors[open_rows]
        squared = _squared(asked, theirs.vectors)
        if same is not None:
            squared[same[open_rows]] = np.inf
        found[open_rows] = np.minimum(found[open_rows], squared.min(axis=1))
    else:
        exact = _differences(ours.vectors, theirs.vectors, open_rows[rows], columns)
        np.minimum.at(found, open_rows[rows], exact)
    return found


def _differences(ours: Vectors, theirs: Vectors, rows: Integer, columns: Integer) -> Float:
    difference = ours[rows].astype(np.float64) - theirs[columns]
    return np.asarray(np.einsum("ij,ij->i", difference, difference))


def _squared(ours: Vectors, theirs: Vectors) -> Float:
    x, y = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    squared = x @ y.T
    squared *= -2.0
    squared += np.einsum("ij,ij->i", x, x)[:, None]
    squared += np.einsum("ij,ij->i", y, y)[None, :]
    return np.maximum(squared, 0.0, out=squared)


def _blocks(total: int, size: int) -> Iterator[slice]:
    return (slice(begin, begin + size) for begin in range(0, total, size))


@lru_cache(maxsize=2)
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
