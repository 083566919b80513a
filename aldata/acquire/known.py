"""How far every candidate is from what is known: the training set, and what was picked so far."""

from __future__ import annotations

import numpy as np

from aldata.acquire.distances import nearest, typical_spacing
from aldata.acquire.pool import Float, Pool, largest_per_frame
from aldata.artifacts.columns import Array


class Known:
    """Distance of every candidate's atom to the nearest known environment of its element.

    spacing: the typical distance inside the training set; None if that is too small to have one.
    """

    def __init__(self, pool: Pool) -> None:
        self.spacing = typical_spacing(pool.training)
        self._candidates = pool.candidates
        self._atoms = {
            int(number): np.flatnonzero(pool.candidates.numbers == number)
            for number in np.unique(pool.candidates.numbers)
        }
        lengths = np.linalg.norm(pool.candidates.descriptor, axis=1)
        diameter = 2.0 * float(lengths.max(initial=0.0))
        self._distance = np.full(len(pool.candidates.numbers), diameter)
        self._update(pool.training.numbers, pool.training.descriptor)

    def add(self, row: int) -> None:
        """Candidate `row` is known from now on."""
        atoms = self._candidates.atoms_of(row)
        self._update(self._candidates.numbers[atoms], self._candidates.descriptor[atoms])

    def novelty(self) -> Float:
        """d(x): the largest distance among a candidate's atoms, in typical spacings: (candidate,)."""
        return self.distances() / (self.spacing or 1.0)

    def distances(self) -> Float:
        """Largest distance among the atoms of each candidate: shape (candidate,)."""
        return largest_per_frame(self._distance, self._candidates.offsets)

    def _update(self, numbers: Array, vectors: Array) -> None:
        for number, atoms in self._atoms.items():
            same = numbers == number
            if same.any():
                closer = nearest(self._candidates.descriptor[atoms], vectors[same])
                self._distance[atoms] = np.minimum(self._distance[atoms], closer)
