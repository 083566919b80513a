"""Neighbour graphs of configurations, and batches of them as torch tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from aldata.artifacts.frames import Configuration, Configurations
from aldata.errors import InvalidInput

Float = npt.NDArray[np.float64]
Integer = npt.NDArray[np.int64]

ALL_PAIRS = 48
"""Molecules up to this size compare all pairs of atoms: faster than building cell lists."""


@dataclass(frozen=True)
class Graph:
    """Neighbours of one configuration.

    species (n,) index into the model's elements; sender (edge,) the neighbour of atom receiver (edge,),
    sorted by receiver; vectors (edge, 3) position of the receiver minus that of the sender's image, in
    Angstrom; reverse (edge,) the edge that looks the other way; volume in A^3, 0 unless periodic in
    three directions.
    """

    species: Integer
    receiver: Integer
    sender: Integer
    vectors: Float
    reverse: Integer
    volume: float


@dataclass(frozen=True)
class Batch:
    """Graphs side by side, each atom with the same number of neighbour slots.

    species (atom,); frame (atom,); sender (atom, slot), where an empty slot points at its own atom;
    vectors (atom, slot, 3), where an empty slot holds a vector beyond every cutoff; pairs (pair,) one
    slot (of atom x slot) of each pair of neighbours and pair (atom, slot) the pair that a slot belongs
    to: what depends on the distance only is computed once per pair; volume (frame,); sizes (frame,)
    atoms per frame. Padding makes every sum over neighbours a dense product, and costs little since
    coordination varies little.
    """

    species: torch.Tensor
    frame: torch.Tensor
    sender: torch.Tensor
    vectors: torch.Tensor
    pairs: torch.Tensor
    pair: torch.Tensor
    volume: torch.Tensor
    sizes: torch.Tensor

    @property
    def frames(self) -> int:
        """Number of frames."""
        return int(self.sizes.shape[0])


def graph_of(configuration: Configuration, numbers: Sequence[int], cutoff: float) -> Graph:
    """The graph of one configuration; raises InvalidInput for elements that are not in `numbers`."""
    species = np.searchsorted(np.asarray(numbers), configuration.numbers)
    receiver, sender, vectors, images = _neighbours(configuration, cutoff)
    reverse = _reverse(receiver, sender, images)
    volume = abs(float(np.linalg.det(configuration.cell))) if configuration.pbc.all() else 0.0
    return Graph(species.astype(np.int64), receiver, sender, vectors, reverse, volume)


def graphs_of(configurations: Configurations, numbers: Sequence[int], cutoff: float) -> list[Graph]:
    """The graphs of all frames; see `graph_of`."""
    refuse_unknown(configurations.numbers, numbers)
    return [graph_of(configuration, numbers, cutoff) for configuration in configurations]


def refuse_unknown(present: Iterable[int], known: Sequence[int]) -> None:
    """Raise InvalidInput if an element is not one of the model's."""
    strange = sorted(set(np.asarray(present).tolist()) - set(known))
    if not strange:
        return
    from ase.data import chemical_symbols

    names = ", ".join(chemical_symbols[z] for z in strange)
    raise InvalidInput(
        f"the potential was not trained on {names}",
        where="configurations",
        expected=f"only {', '.join(chemical_symbols[z] for z in known)}",
        next_step="start a project whose structures contain these elements",
    )


def _neighbours(
    configuration: Configuration, cutoff: float
) -> tuple[Integer, Integer, Float, Integer]:
    """Receiver, sender, vector and periodic image of the sender of every edge, by receiver."""
    positions, pbc = configuration.positions, configuration.pbc
    if not pbc.any() and len(positions) <= ALL_PAIRS:
        difference = positions[:, None, :] - positions[None, :, :]
        squared = np.einsum("ijk,ijk->ij", difference, difference)
        np.fill_diagonal(squared, np.inf)
        receiver, sender = np.nonzero(squared < cutoff**2)
        images = np.zeros((len(receiver), 3), dtype=np.int64)
        return receiver, sender, difference[receiver, sender], images
    from matscipy.neighbours import neighbour_list

    first, second, distance, images = neighbour_list(
        "ijDS", positions=positions, cell=_box(configuration, cutoff), pbc=pbc, cutoff=cutoff
    )
    order = np.argsort(first, kind="stable")
    first, second = first[order].astype(np.int64), second[order].astype(np.int64)
    return first, second, -distance[order], images[order].astype(np.int64)


def _reverse(receiver: Integer, sender: Integer, images: Integer) -> Integer:
    """For each edge the edge from its sender to its receiver; itself where rounding at the cutoff
    left the list of neighbours one-sided.
    """
    there = np.column_stack([receiver, sender, images])
    back = np.column_stack([sender, receiver, -images])
    by_there, by_back = np.lexsort(there.T[::-1]), np.lexsort(back.T[::-1])
    if not np.array_equal(there[by_there], back[by_back]):
        return np.arange(len(receiver))
    reverse = np.empty(len(receiver), dtype=np.int64)
    reverse[by_back] = by_there
    return reverse


def _box(configuration: Configuration, cutoff: float) -> Float:
    """The cell, with vectors that hold all atoms along the directions that are not periodic."""
    from ase.geometry import complete_cell

    cell = np.where(configuration.pbc[:, None], configuration.cell, 0.0)
    full = np.array(complete_cell(cell), dtype=np.float64)
    extent = 2 * (np.abs(configuration.positions).max() + cutoff + 1)
    return np.where(configuration.pbc[:, None], full, full * extent)


def collate(graphs: Sequence[Graph], cutoff: float, dtype: torch.dtype) -> Batch:
    """Put graphs side by side; at least one neighbour slot, so that a lone atom is a valid batch."""
    sizes = np.array([len(graph.species) for graph in graphs])
    starts = np.cumsum(sizes) - sizes
    atoms = int(sizes.sum())
    receiver = np.concatenate([g.receiver + s for g, s in zip(graphs, starts, strict=True)])
    counts = np.bincount(receiver, minlength=atoms)
    slots = max(int(counts.max(initial=0)), 1)
    # every edge's slot, counted over the flattened (atom, slot)
    slot = np.arange(len(receiver)) - np.repeat(np.cumsum(counts) - counts, counts)
    slot += receiver * slots
    sender = np.repeat(np.arange(atoms), slots)
    sender[slot] = np.concatenate([g.sender + s for g, s in zip(graphs, starts, strict=True)])
    vectors = np.zeros((atoms * slots, 3))
    vectors[:, 0] = 2 * cutoff
    vectors[slot] = np.concatenate([graph.vectors for graph in graphs])
    pairs, pair = _pairs(graphs, slot, atoms * slots)
    return Batch(
        species=torch.from_numpy(np.concatenate([graph.species for graph in graphs])),
        frame=torch.from_numpy(np.repeat(np.arange(len(graphs)), sizes)),
        sender=torch.from_numpy(sender.reshape(atoms, slots)),
        vectors=torch.from_numpy(vectors.reshape(atoms, slots, 3)).to(dtype),
        pairs=torch.from_numpy(pairs),
        pair=torch.from_numpy(pair.reshape(atoms, slots)),
        volume=torch.tensor([graph.volume for graph in graphs], dtype=dtype),
        sizes=torch.from_numpy(sizes),
    )


def _pairs(graphs: Sequence[Graph], slot: Integer, slots: int) -> tuple[Integer, Integer]:
    """One slot of each pair, and the pair of each slot; empty slots share one pair, the last."""
    edges = np.array([len(graph.reverse) for graph in graphs])
    starts = np.cumsum(edges) - edges
    reverse = np.concatenate([g.reverse + s for g, s in zip(graphs, starts, strict=True)])
    own = np.arange(len(reverse)) <= reverse
    index = np.cumsum(own) - 1
    first = np.minimum(np.arange(len(reverse)), reverse)
    pairs = slot[own]
    pair = np.full(slots, len(pairs))
    pair[slot] = index[first]
    empty = np.flatnonzero(pair == len(pairs))[:1]
    return np.concatenate([pairs, empty]), pair


def mean_degree(graphs: Sequence[Graph]) -> float:
    """Mean number of neighbours per atom, at least 1: MACE divides its messages by it."""
    atoms = sum(len(graph.species) for graph in graphs)
    return max(sum(len(graph.receiver) for graph in graphs) / max(atoms, 1), 1.0)
