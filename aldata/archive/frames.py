"""Stored frames as one sequence: by index, by id, in batches of arrays, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
import numpy.typing as npt

from aldata import digest
from aldata.archive.atoms import Atoms
from aldata.archive.lineage import Lineage
from aldata.archive.matching import beginning_with, matched
from aldata.archive.source import StoredSource
from aldata.archive.union import Part, Selected, Union
from aldata.artifacts.columns import Array, Columns
from aldata.artifacts.schema import Variable
from aldata.errors import InvalidInput
from aldata.query import Elements, Question, ask, values

if TYPE_CHECKING:
    from xarray import Dataset

    from aldata.archive.as_ase import StoredAtoms
    from aldata.potentials import Architecture
    from aldata.potentials.datasets import Graphs

Integer = npt.NDArray[np.int64]
Rows = Sequence[int] | npt.NDArray[Any]


class StoredFrames:
    """Frames of one kind along a lineage, or some of them: a sequence that reads what is asked for.

    `frames[3]` and `frames["9f31"]` (a configuration id, or of labels a call id; whole or the
    beginning of one) are one frame, a dictionary of arrays; `frames[2:5]`, `frames[[4, 1]]` and
    `frames[mask]` are again such sequences, over the same files. Names of columns are those of
    `schema.KINDS`, and besides `generation` and, of labels, `role` and `retracted`.

    Arrays that lie together on the disk are read-only views of it: copy before writing.
    """

    def __init__(
        self, name: str, union: Union, lineage: Lineage, rows: Integer | None = None
    ) -> None:
        self.name = name
        self.lineage = lineage
        self._union = union
        self._rows = rows

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self._union, self.lineage, self._rows)

    def __len__(self) -> int:
        return len(self._union) if self._rows is None else len(self._rows)

    def __repr__(self) -> str:
        return f"<{len(self)} {self.name}, {self.lineage}>"

    @overload
    def __getitem__(self, key: int | str) -> dict[str, Array]: ...

    @overload
    def __getitem__(self, key: slice | Rows) -> Self: ...

    def __getitem__(self, key: int | str | slice | Rows) -> dict[str, Array] | Self:
        if isinstance(key, str):
            return self[self.row_of(key)]
        if isinstance(key, int | np.integer):
            if not -len(self) <= key < len(self):
                raise IndexError(f"{self.name} has {len(self)} frames, not {key}")
            row = int(key) % len(self)
            found = self.take(slice(row, row + 1))
            per_atom = self._union.is_per_atom
            return {name: value if per_atom(name) else value[0] for name, value in found.items()}
        rows = np.arange(len(self))[key] if isinstance(key, slice) else self._valid(key)
        return self._some(rows)

    def __iter__(self) -> Iterator[dict[str, Array]]:
        return (self[row] for row in range(len(self)))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The stores, the oldest generation's first."""
        return self._union.parts

    @property
    def generations(self) -> list[str]:
        """Generations whose stores are joined, the oldest first."""
        return list(dict.fromkeys(part.generation for part in self.parts))

    @property
    def attributes(self) -> dict[str, dict[str, Any]]:
        """Attributes of the store of every generation."""
        return {part.generation: part.attributes for part in self.parts}

    @property
    def names(self) -> list[str]:
        """Names of the stored columns, which `take` gives when none are named."""
        return list(self._union.variables)

    @property
    def all_names(self) -> list[str]:
        """Names of all columns, those included that are not stored but follow from the lineage."""
        return list(self._union.known)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The stored columns: dimensions, types, units and meanings."""
        return tuple(self._union.variables.values())

    @cached_property
    def rows(self) -> Integer:
        """Row of every frame in the union of the stores."""
        return np.arange(len(self._union)) if self._rows is None else self._rows

    @cached_property
    def ids(self) -> list[str]:
        """Configuration ids, hexadecimal."""
        return digest.to_hex(self.column("configuration_id"))

    @cached_property
    def call_ids(self) -> list[str]:
        """Call ids of labels, hexadecimal."""
        return digest.to_hex(self.column("call_id"))

    def column(self, name: str) -> Array:
        """One column of all frames; per-atom columns of all their atoms.

        Of a single store it is the file itself, mapped. Raises InvalidInput for an unknown name.
        """
        return self.take(slice(0, len(self)), [name])[name]

    def take(
        self, rows: Rows | slice | None = None, columns: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """Columns (all that are stored, if not named) of the given frames, in the given order.

        Per-frame columns have one row per frame; per-atom columns one per atom, one frame after the
        other as `row_size` counts them. Raises InvalidInput for an unknown column, IndexError for
        a row that is not there.
        """
        names = self.names if columns is None else list(columns)
        selected = self._selected(rows)
        self._refuse_unknown(names)
        return self._union.take(selected, names)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Shape of a column, without reading it."""
        if name not in self._union.variables:
            return (len(self),)
        first = self._atoms.count if self._union.is_per_atom(name) else len(self)
        return (first, *self._union.parts[-1].layout.shape(name)[1:])

    def rows_of_column(self, name: str, rows: Rows | slice) -> Array:
        """Rows of one column: frames or, of a per-atom column, atoms counted through all frames."""
        if not self._union.is_per_atom(name):
            return self.take(rows, [name])[name]
        return self._atoms.take(name, rows)

    def batches(
        self, size: int, seed: int | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[dict[str, Array]]:
        """All frames once, `size` at a time: in a random order, or as they lie without a `seed`."""
        if size < 1:
            raise InvalidInput(f"a batch of {size} frames", expected="at least 1")
        if seed is None:
            for begin in range(0, len(self), size):
                yield self.take(slice(begin, min(begin + size, len(self))), columns)
            return
        order = np.random.default_rng(seed).permutation(len(self))
        for begin in range(0, len(self), size):
            yield self.take(order[begin : begin + size], columns)

    def artifact(self, attributes: dict[str, Any] | None = None) -> Columns:
        """The frames as an artifact in memory, such as `Labels`; attributes of the last store."""
        head = self.parts[-1].attributes if attributes is None else attributes
        return self._union.kind.from_arrays(self.take(), head)

    def to_xarray(self) -> Dataset:
        """The frames as an `xarray.Dataset`; its values are read when they are asked for.

        CF contiguous ragged: `row_size` counts the atoms of every frame along the dimension `atom`.
        """
        from aldata.archive.as_xarray import dataset_of

        return dataset_of(self)

    def to_ase(self) -> StoredAtoms:
        """The frames as a sequence of `ase.Atoms`, each made when it is asked for.

        Raises InvalidInput for a kind without positions. See `archive.as_ase.StoredAtoms`.
        """
        from aldata.archive.as_ase import StoredAtoms

        return StoredAtoms(self)

    def to_torch(
        self,
        cutoff: float | None = None,
        architecture: Architecture | None = None,
        numbers: Sequence[int] | None = None,
        **options: Any,
    ) -> Graphs:
        """The frames as a `torch.utils.data.Dataset` of graphs: `potentials.datasets.graphs_from`."""
        from aldata.potentials.datasets import graphs_from

        return graphs_from(self, cutoff, architecture, numbers, **options)

    def row_of(self, identity: str) -> int:
        """Row of the frame with this configuration id or, of labels, call id; a beginning will do.

        Of several frames that are the same configuration it is the first. Raises InvalidInput when
        there is none, or when the beginning fits several ids.
        """
        for name in ("call_id", "configuration_id"):
            if name not in self._union.variables:
                continue
            found = beginning_with(self.column(name), identity)
            if len(found):
                values = {bytes(value) for value in self.take(found, [name])[name]}
                if len(values) == 1:
                    return int(found[0])
                raise InvalidInput(
                    f"{len(values)} {self.name} have an id that begins with {identity}",
                    where=repr(self),
                    expected="more digits",
                )
        raise InvalidInput(
            f"no frame has the id {identity}",
            where=repr(self),
            expected="an id in hexadecimal digits, whole or its beginning",
        )

    def rows_of(self, ids: Sequence[str], name: str = "configuration_id") -> Integer:
        """Row of each whole id, -1 where there is none; the first of several: shape (id,)."""
        wanted = digest.to_bytes(list(ids)) if len(ids) else np.zeros((0, 32), np.uint8)
        return matched(self.column(name), wanted)

    def query(
        self, where: str | None = None, sort: str | Sequence[str] = (), top: int | None = None
    ) -> Self:
        """The frames that satisfy a condition, sorted, the first `top` of them: again a sequence.

        where : such as `"n_atoms < 30 and 'O' in species and distance > 1.5"`. sort : a name of a
        quantity or several, with '-' the largest first, frames without a value last. The quantities
        are those of `query.QUANTITIES` (docs/query.md); only what is named is read or computed.
        Raises InvalidInput, with the list of names, for what cannot be understood.
        """
        keys = (sort,) if isinstance(sort, str) else tuple(sort)
        return self[ask(StoredSource(self), Question(where, keys, top))]

    def quantity(self, name: str) -> Array:
        """A quantity of `query.QUANTITIES` of every frame: (frame,); elements as words."""
        found = values(StoredSource(self), name)
        return found.words() if isinstance(found, Elements) else found

    def verify(self) -> None:
        """Compare every array with its digest. Raises DamagedArtifact that names what differs."""
        self._union.verify()

    @cached_property
    def _atoms(self) -> Atoms:
        return Atoms(self._union, self._rows)

    def _some(self, rows: Integer) -> Self:
        return type(self)(self.name, self._union, self.lineage, self.rows[rows])

    def _selected(self, rows: Rows | slice | None) -> Selected:
        """Rows of the union."""
        if rows is None or isinstance(rows, slice):
            begin, end, step = (rows or slice(None)).indices(len(self))
            if self._rows is None and step == 1:
                return slice(begin, max(begin, end))
            return self.rows[begin:end:step] if step > 0 else self.rows[rows]
        valid = self._valid(rows)
        return valid if self._rows is None else self._rows[valid]

    def _valid(self, rows: Rows) -> Integer:
        index = np.asarray(rows)
        if index.dtype == bool:
            if index.shape != (len(self),):
                raise IndexError(f"a mask of shape {index.shape} for {len(self)} {self.name}")
            return np.flatnonzero(index)
        if not index.size:
            return np.zeros(0, np.int64)
        index = index.astype(np.int64, casting="same_kind", copy=False)
        lowest = index.min()
        if lowest < -len(self) or index.max() >= len(self):
            raise IndexError(f"{self.name} has {len(self)} frames, not all of the rows asked for")
        return index if lowest >= 0 else np.where(index < 0, index + len(self), index)

    def _refuse_unknown(self, names: Sequence[str]) -> None:
        known = self._union.known
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InvalidInput(
                f"no column {', '.join(unknown)}",
                where=repr(self),
                expected=f"one of: {', '.join(self.all_names)}",
            )
