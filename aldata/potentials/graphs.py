"""Neighbour graphs of configurations, and batches of them as torch tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import one_hot

from aldata.artifacts.frames import Configuration, Configurations
from aldata.errors import InvalidInput
from aldata.potentials.architecture import Architecture
from aldata.potentials.harmonics import harmonics, harmonics_slopes
from aldata.potentials.radial import radial_basis

Float = npt.NDArray[np.float64]
Integer = npt.NDArray[np.int64]

ALL_PAIRS = 48
"""Molecules up to this size compare all pairs of atoms: faster than building cell lists."""


@dataclass(frozen=True)
class Graph:
    """Neighbours of one configuration, and all that a potential wants to know about its geometry.

    species (n,) index into the model's elements; sender (edge,) the neighbour of atom receiver (edge,),
    sorted by receiver; vectors (edge, 3) position of the receiver minus that of the sender's image, in
    Angstrom; harmonics (edge, harmonic) and their derivatives harmonic_slopes (edge, harmonic, 3) with
    respect to the vector; pair (edge,) the pair of neighbours that an edge and its reverse belong to;
    distances (pair,); radial (pair, bessel) and its derivative radial_slopes by the distance; pull (edge,
    3) the unit vector, divided by the number of edges of its pair; volume in A^3, 0 unless periodic in
    three directions.
    """

    species: Integer
    receiver: Integer
    sender: Integer
    vectors: Float
    harmonics: Float
    harmonic_slopes: Float
    pair: Integer
    distances: Float
    radial: Float
    radial_slopes: Float
    pull: Float
    volume: float


COLUMNS = (
    "species", "vectors", "harmonics", "harmonic_slopes", "distances", "radial", "radial_slopes", "pull",
)  # fmt: skip
"""What is the same of an atom, edge or pair wherever its graph is put."""


@dataclass(frozen=True)
class Batch:
    """Graphs side by side, each atom with the same number of neighbour slots; see `Graph`.

    species (atom,) and kind (atom, element) its one-hot; frame (atom,); sender (atom, slot), where an
    empty slot points at its own atom; vectors, harmonics, harmonic_slopes, pull (atom, slot, ...), 0 in
    an empty slot; pair (atom, slot); distances (pair,), float64; radial and radial_slopes (pair + 1,
    bessel), 0 in the last row, which belongs to the empty slots; volume (frame,); sizes (frame,) atoms
    per frame. Padding makes every sum over neighbours a dense product, and costs little since
    coordination varies little.
    """

    species: torch.Tensor
    kind: torch.Tensor
    frame: torch.Tensor
    sender: torch.Tensor
    vectors: torch.Tensor
    harmonics: torch.Tensor
    harmonic_slopes: torch.Tensor
    pull: torch.Tensor
    pair: torch.Tensor
    distances: torch.Tensor
    radial: torch.Tensor
    radial_slopes: torch.Tensor
    volume: torch.Tensor
    sizes: torch.Tensor

    @property
    def frames(self) -> int:
        """Number of frames."""
        return int(self.sizes.shape[0])

    @property
    def has_volume(self) -> bool:
        """Whether any frame has a stress."""
        return bool((self.volume > 0).any())


def graph_of(
    configuration: Configuration, numbers: Sequence[int], architecture: Architecture
) -> Graph:
    """The graph of one configuration, whose elements must all be in `numbers` (ascending)."""
    return _graph_of([configuration], numbers, architecture)


def batch_of(
    configurations: Sequence[Configuration],
    numbers: Sequence[int],
    architecture: Architecture,
    dtype: torch.dtype,
) -> Batch:
    """The graphs of configurations side by side, as `collate` puts them, but described all at once: for
    small molecules that is most of the work.
    """
    sizes = np.array([len(configuration) for configuration in configurations])
    volumes = [_volume(configuration) for configuration in configurations]
    graph = _graph_of(configurations, numbers, architecture)
    return _padded(graph, sizes, volumes, len(numbers), dtype)


def _graph_of(
    configurations: Sequence[Configuration], numbers: Sequence[int], architecture: Architecture
) -> Graph:
    """One graph of all atoms; no edge joins two configurations. Its volume is the sum of theirs."""
    species = [np.searchsorted(np.asarray(numbers), c.numbers) for c in configurations]
    parts, begin = [], 0
    for configuration in configurations:
        receiver, sender, vectors, images = _neighbours(configuration, architecture.cutoff)
        parts.append((receiver + begin, sender + begin, vectors, images))
        begin += len(configuration)
    receiver, sender, vectors, images = (np.concatenate(part) for part in zip(*parts, strict=True))
    reverse = _reverse(receiver, sender, images)
    first = np.minimum(np.arange(len(reverse)), reverse)
    own, pair = np.unique(first, return_inverse=True)
    lengths = np.linalg.norm(vectors, axis=1)
    unit = vectors / lengths[:, None]
    radial, slopes = radial_basis(lengths[own], architecture)
    return Graph(
        species=np.concatenate(species).astype(np.int64),
        receiver=receiver,
        sender=sender,
        vectors=vectors,
        harmonics=harmonics(unit, architecture.max_ell),
        harmonic_slopes=harmonics_slopes(unit, architecture.max_ell) / lengths[:, None, None],
        pair=pair,
        distances=lengths[own],
        radial=radial,
        radial_slopes=slopes,
        pull=unit / np.bincount(pair)[pair][:, None],
        volume=sum(_volume(configuration) for configuration in configurations),
    )


def _volume(configuration: Configuration) -> float:
    """Volume in A^3, 0 unless periodic in three directions."""
    return abs(float(np.linalg.det(configuration.cell))) if configuration.pbc.all() else 0.0


def graphs_of(
    configurations: Configurations, numbers: Sequence[int], architecture: Architecture
) -> list[Graph]:
    """The graphs of all frames; raises InvalidInput for elements that are not in `numbers`."""
    refuse_unknown(configurations.numbers, numbers)
    return [graph_of(configuration, numbers, architecture) for configuration in configurations]


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


def neighbours_of(configuration: Configuration, cutoff: float) -> tuple[Integer, Integer, Integer]:
    """Receiver, sender and periodic image of the sender of every edge, sorted by receiver."""
    receiver, sender, _, images = _neighbours(configuration, cutoff)
    return receiver, sender, images


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
    there, back = _keys(receiver, sender, images), _keys(sender, receiver, -images)
    by_there, by_back = np.argsort(there), np.argsort(back)
    if not np.array_equal(there[by_there], back[by_back]):
        return np.arange(len(receiver))
    reverse = np.empty(len(receiver), dtype=np.int64)
    reverse[by_back] = by_there
    return reverse


def _keys(first: Integer, second: Integer, images: Integer) -> Integer:
    """One number per edge: two edges have the same one only if they are the same."""
    key = first * (int(max(first.max(initial=0), second.max(initial=0))) + 1) + second
    most = int(np.abs(images).max(initial=0))
    for image in images.T if most else ():
        key = key * (2 * most + 1) + image + most
    return key


def _box(configuration: Configuration, cutoff: float) -> Float:
    """The cell, with vectors that hold all atoms along the directions that are not periodic."""
    from ase.geometry import complete_cell

    cell = np.where(configuration.pbc[:, None], configuration.cell, 0.0)
    full = np.array(complete_cell(cell), dtype=np.float64)
    extent = 2 * (np.abs(configuration.positions).max() + cutoff + 1)
    return np.where(configuration.pbc[:, None], full, full * extent)


def collate(graphs: Sequence[Graph], elements: int, dtype: torch.dtype) -> Batch:
    """Put graphs of a model for `elements` elements side by side."""
    sizes = np.array([len(graph.species) for graph in graphs])
    pairs = np.array([len(graph.radial) for graph in graphs])
    volumes = [graph.volume for graph in graphs]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(graph, name) for graph in graphs]) for name in COLUMNS
    }
    for name, moved in {"receiver": sizes, "sender": sizes, "pair": pairs}.items():
        joined[name] = _joined(graphs, name, moved)
    one = Graph(**joined, volume=sum(volumes))
    return _padded(one, sizes, volumes, elements, dtype)


def _padded(
    graph: Graph, sizes: Integer, volumes: Sequence[float], elements: int, dtype: torch.dtype
) -> Batch:
    """A graph of frames that have so many atoms each, with the same number of slots for every atom."""
    atoms = int(sizes.sum())
    counts = np.bincount(graph.receiver, minlength=atoms)
    # a lone atom is a valid batch: at least one slot
    slots = max(int(counts.max(initial=0)), 1)
    slot = np.arange(len(graph.receiver)) - np.repeat(np.cumsum(counts) - counts, counts)
    slot += graph.receiver * slots

    def spread(values: Float) -> torch.Tensor:
        wide = torch.zeros((atoms, slots, *values.shape[1:]), dtype=dtype)
        wide.numpy().reshape(atoms * slots, *values.shape[1:])[slot] = values
        return wide

    def rows(values: Float) -> torch.Tensor:
        wide = torch.zeros((len(values) + 1, values.shape[1]), dtype=dtype)
        wide.numpy()[:-1] = values
        return wide

    sender, pair = np.repeat(np.arange(atoms), slots), np.full(atoms * slots, len(graph.radial))
    sender[slot], pair[slot] = graph.sender, graph.pair
    species = torch.from_numpy(graph.species)
    return Batch(
        species=species,
        kind=one_hot(species, elements).to(dtype),
        frame=torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)),
        sender=torch.from_numpy(sender.reshape(atoms, slots)),
        vectors=spread(graph.vectors),
        harmonics=spread(graph.harmonics),
        harmonic_slopes=spread(graph.harmonic_slopes),
        pull=spread(graph.pull),
        pair=torch.from_numpy(pair.reshape(atoms, slots)),
        distances=torch.from_numpy(graph.distances),
        radial=rows(graph.radial),
        radial_slopes=rows(graph.radial_slopes),
        volume=torch.tensor(volumes, dtype=dtype),
        sizes=torch.from_numpy(sizes),
    )


def _joined(graphs: Sequence[Graph], name: str, sizes: Integer) -> Integer:
    """Indices of all graphs, each moved by the sizes of the graphs before it."""
    starts = np.cumsum(sizes) - sizes
    return np.concatenate([getattr(g, name) + s for g, s in zip(graphs, starts, strict=True)])


def mean_degree(graphs: Sequence[Graph]) -> float:
    """Mean number of neighbours per atom, at least 1: MACE divides its messages by it."""
    atoms = sum(len(graph.species) for graph in graphs)
    return max(sum(len(graph.receiver) for graph in graphs) / max(atoms, 1), 1.0)
