"""One variable over many stores, as if it were one array."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from aldata.artifacts.columns import Array
from aldata.artifacts.schema import Variable
from aldata.store import Layout, Piece, lacks, mapped_together, values_of

Integer = npt.NDArray[np.int64]

UNPACKED = 2**28
"""Bytes of unpacked chunks of one compressed column that are kept."""
EMPTY = Piece("", 0)
"""Stands for a store without rows."""


class Column(Protocol):
    """Rows of one variable, counted through all stores; of a single store, `parts` say nothing."""

    def take(self, rows: Integer, parts: Integer) -> Array:
        """The given rows (all valid), of which each lies in the store of index `parts`."""
        ...

    def span(self, begin: int, end: int) -> Array:
        """Rows `begin` to `end`: a read-only view where they lie together, else a copy."""
        ...


def column_of(variable: Variable, layouts: Sequence[Layout]) -> Column:
    """The column of these stores. Raises DamagedArtifact when a chunk is missing or truncated."""
    name = variable.name
    if any(lacks(layout, variable) for layout in layouts):
        return GrownColumn(variable, layouts)
    found = [layout.pieces(name) for layout in layouts]
    if any(pieces is None for pieces in found):
        return PackedColumn(name, layouts)
    return MappedColumn(name, layouts, [pieces for pieces in found if pieces is not None])


class MappedColumn:
    """A column whose chunks are mapped side by side."""

    def __init__(
        self, name: str, layouts: Sequence[Layout], found: Sequence[Sequence[Piece]]
    ) -> None:
        pieces = [piece for some in found for piece in (some or [EMPTY])]
        row_shape = layouts[0].shape(name)[1:]
        self._array, starts = mapped_together(pieces, row_shape, layouts[0].dtype(name))
        rows = np.array([piece.rows for piece in pieces], dtype=np.int64)
        self._firsts = np.concatenate([[0], np.cumsum(rows)])
        self._starts = starts
        self._shift = starts - self._firsts[:-1]
        self._by_part = len(pieces) == len(layouts)

    def take(self, rows: Integer, parts: Integer) -> Array:
        """The given rows."""
        if len(self._shift) > 1:
            pieces = parts if self._by_part else self._piece_of(rows)
            rows = rows + self._shift[pieces]
        # clip: the rows are known to be valid, and NumPy then does not check them again
        return self._array.take(rows, axis=0, mode="clip")

    def span(self, begin: int, end: int) -> Array:
        """Rows `begin` to `end`."""
        if begin >= end:
            return self._array[:0]
        if len(self._shift) == 1:
            return self._array[begin:end]
        first, last = self._piece_of(np.array([begin, end - 1])).tolist()
        parts = []
        for piece in range(first, last + 1):
            low = max(begin, int(self._firsts[piece])) + int(self._shift[piece])
            high = min(end, int(self._firsts[piece + 1])) + int(self._shift[piece])
            parts.append(self._array[low:high])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _piece_of(self, rows: Integer) -> Integer:
        return np.searchsorted(self._firsts, rows, side="right") - 1


class GrownColumn:
    """A column that older stores of the lineage lack: a number per frame, held in memory."""

    def __init__(self, variable: Variable, layouts: Sequence[Layout]) -> None:
        self._array = np.concatenate([values_of(layout, variable) for layout in layouts])
        self._array.setflags(write=False)

    def take(self, rows: Integer, parts: Integer) -> Array:  # noqa: ARG002
        """The given rows."""
        return self._array[rows]

    def span(self, begin: int, end: int) -> Array:
        """Rows `begin` to `end`."""
        return self._array[begin:end]


class PackedColumn:
    """A column that is compressed, or not on this machine: read chunk by chunk through Zarr."""

    def __init__(self, name: str, layouts: Sequence[Layout]) -> None:
        self._name = name
        self._layouts = layouts
        rows = [layout.shape(name)[0] for layout in layouts]
        self._firsts = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
        self._arrays: dict[int, Any] = {}
        self._chunks: OrderedDict[tuple[int, int], Array] = OrderedDict()

    def take(self, rows: Integer, parts: Integer) -> Array:
        """The given rows."""
        shape = self._layouts[0].shape(self._name)[1:]
        taken = np.empty((len(rows), *shape), self._layouts[0].dtype(self._name))
        if len(self._layouts) == 1:
            parts = np.zeros(len(rows), dtype=np.int64)
        local = rows - self._firsts[parts]
        for part in np.unique(parts).tolist():
            chunk_rows = self._layouts[part].chunk_rows(self._name)
            here = np.flatnonzero(parts == part)
            chunks = local[here] // chunk_rows
            for chunk in np.unique(chunks).tolist():
                asked = here[chunks == chunk]
                taken[asked] = self._chunk(part, chunk)[local[asked] - chunk * chunk_rows]
        return taken

    def span(self, begin: int, end: int) -> Array:
        """Rows `begin` to `end`."""
        rows = np.arange(begin, end, dtype=np.int64)
        return self.take(rows, np.searchsorted(self._firsts, rows, side="right") - 1)

    def _chunk(self, part: int, chunk: int) -> Array:
        found = self._chunks.get((part, chunk))
        if found is None:
            layout = self._layouts[part]
            if part not in self._arrays:
                self._arrays[part] = layout.unpack(self._name)
            rows = layout.chunk_rows(self._name)
            found = np.asarray(self._arrays[part][chunk * rows : (chunk + 1) * rows])
            self._chunks[part, chunk] = found
            while len(self._chunks) > 1 and sum(c.nbytes for c in self._chunks.values()) > UNPACKED:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end((part, chunk))
        return found
