"""Stored frames as an `xarray.Dataset` whose values are read when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from xarray import Dataset, Variable
from xarray.backends import BackendArray
from xarray.core import indexing

from aldata.artifacts.columns import Array
from aldata.artifacts.schema import CONVENTIONS

if TYPE_CHECKING:
    from aldata.archive.frames import StoredFrames

Integer = npt.NDArray[np.int64]

FOLLOWING = {
    "generation": "generation whose store holds the frame",
    "role": "what the frame is for: train, valid, probe or none",
    "retracted": "whether the call was taken back",
}
"""Meaning of the columns that follow from the lineage."""


def dataset_of(frames: StoredFrames) -> Dataset:
    """The frames as CF contiguous ragged arrays: no value but `row_size` of a selection is read."""
    variables = {
        variable.name: Variable(
            variable.dims,
            indexing.LazilyIndexedArray(StoredColumn(frames, variable.name)),
            variable.cf_attributes,
        )
        for variable in frames.variables
    }
    for name in (name for name in frames.all_names if name not in variables):
        lazy = indexing.LazilyIndexedArray(StoredColumn(frames, name))
        variables[name] = Variable(("frame",), lazy, {"long_name": FOLLOWING[name]})
    head = {"Conventions": CONVENTIONS, "title": f"aldata {frames!r}"}
    return Dataset(variables, attrs=head)


class StoredColumn(BackendArray):
    """One column of stored frames, indexed by slices and rows.

    Words are objects: how long the longest is would be known only after reading them.
    """

    def __init__(self, frames: StoredFrames, name: str) -> None:
        self._frames = frames
        self._name = name
        self.shape = frames.shape_of(name)
        stored = {variable.name: variable.dtype for variable in frames.variables}
        following = "bool" if name == "retracted" else "object"
        self.dtype = np.dtype(stored.get(name, following))

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Array:
        found: Array = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )
        return found

    def _read(self, key: tuple[int | slice | Integer, ...]) -> Array:
        first, *others = key
        rows = np.array([first]) if isinstance(first, int | np.integer) else first
        found = self._frames.rows_of_column(self._name, rows).astype(self.dtype, copy=False)
        # outer indexing: one axis after the other, the last first, so that those before it stay
        for axis in range(len(others), 0, -1):
            found = found[(slice(None),) * axis + (others[axis - 1],)]
        return found[0] if isinstance(first, int | np.integer) else found
