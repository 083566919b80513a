"""The stores of one kind along a lineage, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.archive.columns import Column, column_of
from aldata.artifacts.columns import Array, Columns
from aldata.artifacts.schema import Variable
from aldata.store import Layout, lacks, read_layout, require

Integer = npt.NDArray[np.int64]
Selected = Integer | slice


@dataclass(frozen=True, repr=False)
class Part:
    """One store: of which generation, holding which kind of artifact, and where its bytes lie."""

    generation: str
    artifact: type[Columns]
    layout: Layout

    @property
    def attributes(self) -> dict[str, Any]:
        """The artifact's attributes."""
        found: dict[str, Any] = self.layout.attributes["attributes"]
        return found


Derived = Callable[["Union"], Mapping[str, Array]]
"""Computes the columns (frame,) of a union that are not in its stores."""


class Union:
    """Frames of several stores as one sequence of columns; nothing is read before it is asked for.

    `derived` names columns that follow from elsewhere, such as the roles of labels, and what
    computes them when the first is asked for. Raises DamagedArtifact for a store that holds
    something else, or whose chunks are missing or truncated.
    """

    def __init__(
        self,
        kind: type[Columns],
        parts: Sequence[Part],
        derived: Mapping[str, Derived] | None = None,
    ) -> None:
        self.kind = kind
        self.parts = tuple(parts)
        for part in self.parts:
            require(part.layout, part.artifact)
        self._layouts = [part.layout for part in self.parts]
        self.variables: dict[str, Variable] = {v.name: v for v in kind.variables()}
        self._per_atom = {v.name for v in kind.variables() if v.dims[0] == "atom"}
        self._opened: dict[str, Column] = {}
        self.derived = {"generation": _generations, **(derived or {})}
        self._computed: dict[str, Array] = {}
        self.known = dict.fromkeys([*self.variables, *self.derived])
        for name, variable in self.variables.items():
            for layout in self._layouts:
                if not lacks(layout, variable):
                    layout.pieces(name)
        per_frame = next(v.name for v in kind.variables() if v.dims[0] == "frame")
        counts = [layout.shape(per_frame)[0] for layout in self._layouts]
        self.firsts: Integer = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def __reduce__(self) -> tuple[Any, ...]:
        # maps of files cannot travel to another process: it opens them again
        return Union, (self.kind, self.parts, self.derived)

    def __len__(self) -> int:
        return int(self.firsts[-1])

    @property
    def is_ragged(self) -> bool:
        """Whether the frames have atoms."""
        return "row_size" in self.variables

    def column(self, name: str) -> Column:
        """One variable over all stores."""
        found = self._opened.get(name)
        if found is None:
            found = self._opened[name] = column_of(self.variables[name], self._layouts)
        return found

    def is_per_atom(self, name: str) -> bool:
        """Whether a column has a row per atom rather than per frame."""
        return name in self._per_atom

    @cached_property
    def offsets(self) -> Integer:
        """Index of the first atom of each frame, and the total: shape (frame + 1,)."""
        sizes = self.column("row_size").span(0, len(self))
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def part_of(self, rows: Integer) -> Integer:
        """Index of the store of each row."""
        if len(self.parts) == 1:
            return np.zeros(len(rows), dtype=np.int64)
        return np.searchsorted(self.firsts, rows, side="right") - 1

    def take(self, rows: Selected, names: Sequence[str]) -> dict[str, Array]:
        """Columns of the given rows: read-only views for a slice inside one store, else copies."""
        if isinstance(rows, slice):
            return self._span(rows.start, rows.stop, names)
        parts = self.part_of(rows)
        if any(self.is_per_atom(name) for name in names):
            begins = self.offsets.take(rows, mode="clip")
            sizes = self.offsets.take(rows + 1, mode="clip") - begins
            ends = np.cumsum(sizes)
            atoms = np.repeat(begins - (ends - sizes), sizes)
            atoms += np.arange(len(atoms))
            atom_parts = np.repeat(parts, sizes) if len(self.parts) > 1 else parts
        found = {}
        for name in names:
            if name in self.derived:
                found[name] = self._compute(name)[rows]
            elif self.is_per_atom(name):
                found[name] = self.column(name).take(atoms, atom_parts)
            else:
                found[name] = self.column(name).take(rows, parts)
        return found

    def _span(self, begin: int, end: int, names: Sequence[str]) -> dict[str, Array]:
        low = high = 0
        if any(self.is_per_atom(name) for name in names):
            low, high = self.offsets[[begin, end]].tolist()
        found = {}
        for name in names:
            if name in self.derived:
                found[name] = self._compute(name)[begin:end]
            elif self.is_per_atom(name):
                found[name] = self.column(name).span(low, high)
            else:
                found[name] = self.column(name).span(begin, end)
        return found

    def _compute(self, name: str) -> Array:
        if name not in self._computed:
            self._computed.update(self.derived[name](self))
        return self._computed[name]

    def verify(self) -> None:
        """Compare every array of every store with its digest. Raises DamagedArtifact naming it."""
        for part in self.parts:
            read_layout(part.layout, part.artifact, check=True)


def _generations(union: Union) -> dict[str, Array]:
    names = np.array([part.generation for part in union.parts], dtype=np.str_)
    return {"generation": np.repeat(names, np.diff(union.firsts))}
