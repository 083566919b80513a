"""Fingerprints of configurations: what does not change when one is moved, turned or relabelled."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aldata.artifacts.frames import Configuration, Float

Single = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Sorted interatomic distances of one configuration, in A (minimum image where periodic).

    kind : composition, charge, spin and periodicity; frames of another kind are never copies.
    cell : lengths of the periodic cell vectors and of their pairwise sums.
    species : atomic numbers of the rows of `surroundings`, ascending.
    surroundings (atom, atom - 1) : distances from each atom, sorted within each neighbour species.
    pairs : the same distances of the whole configuration, sorted within each pair of species.
    """

    kind: Hashable
    cell: Float
    species: npt.NDArray[np.int64]
    surroundings: Single
    pairs: Single

    def distance(self, other: Fingerprint, within: float) -> float:
        """RMS difference of distances in A after the best matching of atoms; inf beyond `within`.

        Each atom is matched to the atom of the other frame (same species) with the most similar
        surroundings. Sorting over the whole frame instead would call different snapshots of a large
        system copies (108 Cu atoms, displaced by 0.1 A at random twice: 0.012 A; matched by atom:
        0.051 A), but it is a lower bound (the sorted order is the best of all matchings), so it
        rules out most pairs cheaply. Mirror images count as copies: their energies are equal.
        """
        if self.kind != other.kind:
            return np.inf
        bound = max(_rms(self.cell, other.cell), _rms(self.pairs, other.pairs))
        if bound > within:
            return np.inf
        matched = max(bound, self._matched(other, within))
        return matched if matched <= within else np.inf

    def _matched(self, other: Fingerprint, within: float) -> float:
        from scipy.optimize import linear_sum_assignment

        size = max(self.surroundings.size, 1)
        total = 0.0
        for number in np.unique(self.species):
            mine = self.surroundings[self.species == number]
            theirs = other.surroundings[other.species == number]
            cost = _square_distances(mine.astype(np.float64), theirs.astype(np.float64))
            if total + cost.min(axis=1).sum() > size * within**2:
                return np.inf
            total += float(cost[linear_sum_assignment(cost)].sum())
        return float(np.sqrt(total / size))


def _square_distances(a: Float, b: Float) -> Float:
    """Squared distance of every row of `a` to every row of `b`, by one matrix product."""
    squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)[None, :]
    distances: Float = np.maximum(squares - 2.0 * (a @ b.T), 0.0)
    return distances


def _rms(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    if not a.size:
        return 0.0
    return float(np.sqrt(np.mean(np.square(a.astype(np.float64) - b.astype(np.float64)))))


def fingerprint(configuration: Configuration) -> Fingerprint:
    """The fingerprint of a configuration; the same for every rotation, translation and order."""
    order = np.argsort(configuration.numbers, kind="stable")
    species = np.asarray(configuration.numbers, dtype=np.int64)[order]
    distances = _distances(configuration)[np.ix_(order, order)]
    return Fingerprint(
        kind=(
            tuple(species.tolist()),
            configuration.charge,
            configuration.spin,
            tuple(sorted(bool(p) for p in configuration.pbc)),
        ),
        cell=_cell_lengths(configuration),
        species=species,
        surroundings=_surroundings(species, distances),
        pairs=_pairs(species, distances),
    )


def _distances(configuration: Configuration) -> Float:
    if not any(configuration.pbc):
        vectors = configuration.positions[:, None] - configuration.positions[None]
        direct: Float = np.linalg.norm(vectors, axis=-1)
        return direct
    from ase.geometry import get_distances

    lengths: Float = get_distances(
        configuration.positions, cell=configuration.cell, pbc=configuration.pbc
    )[1]
    return lengths


def _cell_lengths(configuration: Configuration) -> Float:
    """Rotation-invariant, and it fixes the cell's shape: the only distances of a one-atom cell."""
    vectors = configuration.cell[np.asarray(configuration.pbc, dtype=bool)]
    sums = [a + b for i, a in enumerate(vectors) for b in vectors[i + 1 :]]
    return np.sort(np.linalg.norm([*vectors, *sums], axis=-1)) if len(vectors) else np.zeros(0)


def _surroundings(species: npt.NDArray[np.int64], distances: Float) -> Single:
    n = len(species)
    off_diagonal = ~np.eye(n, dtype=bool)
    neighbours = np.broadcast_to(species, (n, n))[off_diagonal].reshape(n, max(n - 1, 0))
    lengths = distances[off_diagonal].reshape(n, max(n - 1, 0))
    order = np.lexsort((lengths, neighbours), axis=-1)
    return np.take_along_axis(lengths, order, axis=-1).astype(np.float32)


def _pairs(species: npt.NDArray[np.int64], distances: Float) -> Single:
    i, j = np.triu_indices(len(species), 1)
    order = np.lexsort((distances[i, j], species[j], species[i]))
    return distances[i, j][order].astype(np.float32)
