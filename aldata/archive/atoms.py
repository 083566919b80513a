"""The atoms of frames of a union, counted through all of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.archive.union import Union
from aldata.artifacts.columns import Array

Integer = npt.NDArray[np.int64]


class Atoms:
    """Rows of per-atom columns: of all frames of a union, or of the frames `rows` one by one."""

    def __init__(self, union: Union, rows: Integer | None) -> None:
        self._union = union
        self._rows = rows

    @cached_property
    def count(self) -> int:
        """How many atoms there are; of all frames the metadata tells, of some their `row_size`."""
        if self._rows is not None:
            return int(self._ends[-1]) if len(self._ends) else 0
        return int(self._firsts[-1])

    def take(self, name: str, atoms: slice | Sequence[int] | npt.NDArray[Any]) -> Array:
        """The given atoms, valid and not negative, or a slice of all."""
        column = self._union.column(name)
        if self._rows is None and isinstance(atoms, slice):
            begin, end, step = atoms.indices(self.count)
            if step == 1:
                return column.span(begin, end)
        index = np.arange(self.count)[atoms] if isinstance(atoms, slice) else np.asarray(atoms)
        if self._rows is not None:
            place = np.searchsorted(self._ends, index, side="right")
            before = self._ends[place] - self._sizes[place]
            index = self._union.offsets[self._rows[place]] + index - before
        return column.take(index, np.searchsorted(self._firsts, index, side="right") - 1)

    @cached_property
    def _firsts(self) -> Integer:
        """First atom of each store, and the total."""
        name = next(v.name for v in self._union.variables.values() if v.dims[0] == "atom")
        counts = [part.layout.shape(name)[0] for part in self._union.parts]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @cached_property
    def _sizes(self) -> Integer:
        assert self._rows is not None
        found: Integer = self._union.offsets[self._rows + 1] - self._union.offsets[self._rows]
        return found

    @cached_property
    def _ends(self) -> Integer:
        return np.cumsum(self._sizes)
