"""Stored frames as `torch` data sets of graphs: for mace-torch, or for aldata's own potentials."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from aldata.artifacts.columns import Array
from aldata.artifacts.frames import Configuration
from aldata.artifacts.schema import STATUSES
from aldata.errors import InvalidInput
from aldata.potentials.architecture import Architecture
from aldata.potentials.export import contained
from aldata.potentials.graphs import Graph, graph_of, neighbours_of, refuse_unknown

Integer = npt.NDArray[np.int64]

GEOMETRY = ("row_size", "numbers", "positions", "cell", "pbc", "charge", "spin")
RESULTS = ("energy", "forces", "stress")

CACHE = 2**30
"""Bytes of neighbour lists that a data set keeps: 14 per edge for mace-torch."""

REFERENCE = "Default"
"""Name of the only head of a model: the level of theory of all frames."""


class Source(Protocol):
    """Where frames come from, such as what `aldata.open` gives."""

    def __len__(self) -> int: ...

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        ...

    def take(self, rows: Sequence[int], columns: Sequence[str]) -> Mapping[str, Array]:
        """Columns of some frames, per-atom columns one frame after the other."""
        ...

    def column(self, name: str) -> Array:
        """One column of all frames."""
        ...


class Labelled(NamedTuple):
    """A graph of aldata's and its results (none of configurations), in eV and Angstrom."""

    graph: Graph
    results: dict[str, Array]


class Graphs(Dataset[Any]):
    """Frames as graphs, read when they are asked for; their neighbour lists are kept.

    What is kept is bounded by `cache` bytes: the first lists that fit stay for good, since an epoch
    asks for every frame once and the oldest list would always be the next to be needed. Workers of a
    `DataLoader` keep lists of their own.
    """

    def __init__(self, source: Source, numbers: Sequence[int] | None, cache: int) -> None:
        missing = [name for name in GEOMETRY if name not in source.names]
        if missing:
            raise InvalidInput(
                f"frames have no {', '.join(missing)}",
                where="to_torch",
                expected="configurations, candidates or labels",
            )
        self.labelled = {"status", *RESULTS} <= set(source.names)
        if self.labelled:
            _refuse_unanswered(source)
        present = np.unique(source.column("numbers")).tolist()
        self.numbers: list[int] = sorted(present if numbers is None else numbers)
        refuse_unknown(present, self.numbers)
        self._source = source
        self._names = [*GEOMETRY, *(RESULTS if self.labelled else ())]
        self._kept: dict[int, Any] = {}
        self._cache = self._room = cache

    def __getstate__(self) -> dict[str, Any]:
        # a worker that is not a fork begins with an empty cache: a gigabyte would not travel well
        return {**vars(self), "_kept": {}, "_room": self._cache}

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, row: int) -> Any:
        if not -len(self) <= row < len(self):
            raise IndexError(f"{len(self)} frames, not {row}")
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: Sequence[int]) -> list[Any]:
        """Several frames at once, as a `DataLoader` asks for a batch: one read per column."""
        rows = [int(row) % len(self) for row in rows]
        taken = self._source.take(rows, self._names)
        ends = np.cumsum(taken["row_size"]).tolist()
        items, begin = [], 0
        for place, (row, end) in enumerate(zip(rows, ends, strict=True)):
            atoms = slice(begin, end)
            configuration = Configuration(
                numbers=taken["numbers"][atoms],
                positions=taken["positions"][atoms],
                cell=taken["cell"][place],
                pbc=taken["pbc"][place],
                charge=int(taken["charge"][place]),
                spin=int(taken["spin"][place]),
            )
            results = {}
            if self.labelled:
                results = {
                    "energy": taken["energy"][place],
                    "forces": taken["forces"][atoms],
                    "stress": taken["stress"][place],
                }
            items.append(self._item(row, configuration, results))
            begin = end
        return items

    @abstractmethod
    def _item(self, row: int, configuration: Configuration, results: dict[str, Array]) -> Any:
        """One frame as the graph of the data set's kind."""

    def _keep(self, row: int, value: Any, size: int) -> None:
        if size <= self._room:
            self._kept[row] = value
            self._room -= size


def graphs_from(
    source: Source,
    cutoff: float | None = None,
    architecture: Architecture | None = None,
    numbers: Sequence[int] | None = None,
    **options: Any,
) -> Graphs:
    """Frames as a data set of graphs, read when they are asked for.

    cutoff : in Angstrom; items are then mace-torch's `AtomicData` (`MaceGraphs`). architecture : items
    are aldata's own (`OwnGraphs`). Exactly one of the two. numbers : the elements of the model, those
    of the frames if not given. options : `cache`, bytes of neighbour lists that are kept (2**30); with
    `cutoff` also `dtype`. Raises InvalidInput for frames without positions, for labels without
    results, and for elements that are not in `numbers`.
    """
    if architecture is not None and cutoff is None:
        return OwnGraphs(source, architecture, numbers, **options)
    if cutoff is not None and architecture is None:
        return MaceGraphs(source, cutoff, numbers, **options)
    raise InvalidInput(
        "graphs of which neighbours?",
        where="to_torch",
        expected="either a cutoff in Angstrom, or an architecture",
    )


def _refuse_unanswered(source: Source) -> None:
    status = source.column("status")
    others = int((status != STATUSES.index("accepted")).sum())
    if others:
        raise InvalidInput(
            f"{others} of {len(status)} calls were not accepted and have no results",
            where="to_torch",
            expected="accepted calls",
            next_step="choose them: labels.query(\"status == 'accepted'\") or \"role == 'train'\"",
        )


class OwnGraphs(Graphs):
    """Items are `Labelled`; whole graphs are kept, `cache` bytes of them."""

    def __init__(
        self,
        source: Source,
        architecture: Architecture,
        numbers: Sequence[int] | None = None,
        cache: int = CACHE,
    ) -> None:
        super().__init__(source, numbers, cache)
        self.architecture = architecture

    def _item(self, row: int, configuration: Configuration, results: dict[str, Array]) -> Labelled:
        graph = self._kept.get(row)
        if graph is None:
            graph = graph_of(configuration, self.numbers, self.architecture)
            arrays = [value for value in vars(graph).values() if isinstance(value, np.ndarray)]
            self._keep(row, graph, sum(array.nbytes for array in arrays))
        return Labelled(graph, results)


class MaceGraphs(Graphs):
    """Items are `mace.data.AtomicData`, which mace-torch's `DataLoader` batches.

    They are what `AtomicData.from_config` makes of the same frame. Energies in eV, forces in eV/A,
    stress in eV/A^3 (weight 0 where there is none), `total_spin` the multiplicity. The type of
    numbers is torch's default when the data set is made, or `dtype`. Weights that are the same for
    all frames are shared by all items: do not write into them.
    """

    def __init__(
        self,
        source: Source,
        cutoff: float,
        numbers: Sequence[int] | None = None,
        cache: int = CACHE,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(source, numbers, cache)
        if not cutoff > 0:
            raise InvalidInput(f"a cutoff of {cutoff} A", where="to_torch", expected="above 0")
        self.cutoff = cutoff
        self.dtype = dtype or torch.get_default_dtype()
        self._one_hot = torch.eye(len(self.numbers), dtype=self.dtype)
        self._shared, self._per_atom = _constants(self.numbers, cutoff, self.dtype)
        self._made = _atomic_data()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_made"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._made = _atomic_data()

    def _item(self, row: int, configuration: Configuration, results: dict[str, Array]) -> Any:
        kept = self._kept.get(row)
        if kept is None:
            receiver, sender, images = neighbours_of(configuration, self.cutoff)
            # ours point from the neighbour, mace-torch's to it
            edges = np.stack([receiver, sender]).astype(np.int32)
            kept = edges, images.astype(_narrow(images))
            self._keep(row, kept, sum(array.nbytes for array in kept))
        edges, images = kept
        cell = _mace_cell(configuration, self.cutoff)
        units = images.astype(np.float64)
        fields = {
            **self._shared,
            "edge_index": torch.from_numpy(edges.astype(np.int64)),
            "positions": self._tensor(configuration.positions),
            "unit_shifts": self._tensor(units),
            "shifts": self._tensor(units @ cell),
            "node_attrs": self._one_hot[np.searchsorted(self.numbers, configuration.numbers)],
            "pbc": torch.from_numpy(np.array(configuration.pbc, dtype=bool)[None]),
            "total_charge": self._tensor(configuration.charge),
            "total_spin": self._tensor(configuration.spin + 1),
            **self._box(cell),
            **self._results(results),
        }
        atoms = len(configuration)
        for name, one in self._per_atom.items():
            if name not in fields:
                fields[name] = one.expand(atoms, *one.shape[1:])
        return self._made(**fields)

    def _tensor(self, values: Any) -> torch.Tensor:
        # a copy, unless the type is another anyway: maps are read-only
        return torch.from_numpy(np.array(values, dtype=np.float64)).to(self.dtype)

    def _box(self, cell: Array) -> dict[str, torch.Tensor]:
        volume = float(np.linalg.det(cell))
        inverse = 2 * np.pi * np.linalg.inv(cell.T) if abs(volume) > 0 else np.zeros((3, 3))
        return {
            "cell": self._tensor(cell),
            "volume": self._tensor(volume),
            "rcell": self._tensor(inverse),
        }

    def _results(self, results: dict[str, Array]) -> dict[str, torch.Tensor]:
        if not results:
            zero = torch.zeros((), dtype=self.dtype)
            return {f"{name}_weight": zero for name in RESULTS}
        found = {name: self._tensor(results[name]) for name in ("energy", "forces")}
        stress = results["stress"]
        if np.isfinite(stress).all():
            xx, yy, zz, yz, xz, xy = stress.tolist()
            found["stress"] = self._tensor([[[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]])
        else:
            found["stress_weight"] = torch.zeros((), dtype=self.dtype)
        return found


def _atomic_data() -> Any:
    with contained():
        from mace.data import AtomicData
    return AtomicData


def _narrow(images: Integer) -> type[np.signedinteger[Any]]:
    return np.int16 if np.abs(images).max(initial=0) < 2**15 else np.int64


def _mace_cell(configuration: Configuration, cutoff: float) -> Array:
    """The cell as mace-torch has it: in directions that are not periodic, a box around all atoms."""
    reach = (float(np.abs(configuration.positions).max(initial=0.0)) + 1) * 5 * cutoff
    return np.where(configuration.pbc[:, None], configuration.cell, reach * np.eye(3))


def _constants(
    numbers: Sequence[int], cutoff: float, dtype: torch.dtype
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """What the installed mace-torch adds to every frame without such a property: per frame, per atom.

    Told apart by two frames of different sizes.
    """
    with contained():
        from mace.data import AtomicData
        from mace.data.utils import Configuration as MaceConfiguration
        from mace.tools import AtomicNumberTable

        torch.set_default_dtype(dtype)
        table = AtomicNumberTable(list(numbers))
        small, large = (
            AtomicData.from_config(
                MaceConfiguration(
                    atomic_numbers=np.full(atoms, numbers[0]),
                    positions=np.arange(3.0 * atoms).reshape(atoms, 3) * cutoff,
                    properties={},
                    property_weights={},
                    head=REFERENCE,
                ),
                z_table=table,
                cutoff=cutoff,
                heads=[REFERENCE],
            ).to_dict()
            for atoms in (1, 2)
        )
    shared, per_atom = {}, {}
    for name, value in small.items():
        if value.shape == large[name].shape:
            shared[name] = value
        else:
            per_atom[name] = value
    return shared, per_atom
