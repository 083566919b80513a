"""How far every candidate is from what is known: the training set, and what was picked so far."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from aldata.acquire.distances import Vectors, nearest, typical_spacing
from aldata.acquire.pool import Float, Pool, largest_per_frame
from aldata.artifacts.frames import Descriptors

Environments = dict[int, Vectors]
"""Vectors (n, feature) of the environments of each element, by atomic number."""


def environments(*described: Descriptors) -> Environments:
    """All environments of some descriptors, by element."""
    numbers = np.concatenate([d.numbers for d in described])
    vectors = np.concatenate([d.descriptor for d in described])
    return {int(number): vectors[numbers == number] for number in np.unique(numbers)}


@lru_cache(maxsize=2)
def _environments_of(training: Descriptors) -> Environments:
    """The same, remembered: every block of a pool is compared with one training set."""
    return environments(training)


def closer(described: Descriptors, known: Environments, below: Float) -> Float:
    """`below` (atom,), or the distance of each atom to the nearest known one where that is smaller."""
    found = np.array(below)
    for number in np.unique(described.numbers):
        if int(number) in known:
            atoms = np.flatnonzero(described.numbers == number)
            vectors = described.descriptor[atoms]
            found[atoms] = nearest(vectors, known[int(number)], below=below[atoms])
    return found


class Known:
    """Distance of every candidate's atom to the nearest known environment of its element.

    spacing: the typical distance inside the training set; None if that is too small to have one. An
    element that nothing known has is as far away as vectors can be apart. Memory holds a number per
    atom and a block of vectors.
    """

    def __init__(self, pool: Pool) -> None:
        self.spacing = typical_spacing(pool.training)
        self._pool = pool
        self._offsets = np.concatenate([[0], np.cumsum(pool.row_size)]).astype(np.int64)
        self._distance = np.full(self._offsets[-1], np.inf)
        known, longest = _environments_of(pool.training), 0.0
        for where, part in pool.blocks():
            lengths = np.linalg.norm(part.described.descriptor, axis=1)
            longest = max(longest, float(lengths.max(initial=0.0)))
            atoms = self._atoms(where)
            self._distance[atoms] = closer(part.described, known, self._distance[atoms])
        np.minimum(self._distance, 2.0 * longest, out=self._distance)

    def add(self, row: int) -> None:
        """Candidate `row` is known from now on."""
        known = environments(self._pool.take(np.array([row])).described)
        for where, part in self._pool.blocks():
            atoms = self._atoms(where)
            self._distance[atoms] = closer(part.described, known, self._distance[atoms])

    def novelty(self) -> Float:
        """d(x): the largest distance among a candidate's atoms, in typical spacings: (candidate,)."""
        return self.distances() / (self.spacing or 1.0)

    def distances(self) -> Float:
        """Largest distance among the atoms of each candidate: shape (candidate,)."""
        return largest_per_frame(self._distance, self._offsets)

    def _atoms(self, frames: slice) -> slice:
        return slice(int(self._offsets[frames.start]), int(self._offsets[frames.stop]))
