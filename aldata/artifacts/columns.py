"""What the nouns share: named, checked columns over frames and atoms, held as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from aldata import digest
from aldata.artifacts.schema import KINDS, SCHEMA_VERSION, SIZES, Variable
from aldata.errors import InvalidInput

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Columns:
    """An artifact of one kind of `schema.KINDS`: one array per variable, plus JSON attributes.

    Arrays are cast to the schema's type; shapes are checked against each other on construction
    (InvalidInput names every violation). Values are frozen by convention: nothing in aldata writes
    into an artifact's arrays.
    """

    KIND: ClassVar[str]

    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes: dict[str, int] = dict(SIZES)
        problems = []
        for variable in self.variables():
            value = np.asarray(getattr(self, variable.name), dtype=variable.dtype)
            object.__setattr__(self, variable.name, value)
            problems += _shape_problems(variable, value, sizes)
        if "row_size" in self.names() and not problems and "atom" in sizes:
            total = int(self.arrays["row_size"].sum())
            if total != sizes["atom"]:
                problems.append(f"row_size sums to {total}, but there are {sizes['atom']} atoms")
        if problems:
            raise InvalidInput("; ".join(problems), where=self.KIND)

    @classmethod
    def variables(cls) -> tuple[Variable, ...]:
        """The variables of this kind."""
        return KINDS[cls.KIND]

    @classmethod
    def names(cls) -> list[str]:
        """Names of the variables of this kind."""
        return [variable.name for variable in cls.variables()]

    @property
    def arrays(self) -> dict[str, Array]:
        """Every column by name, in the schema's order."""
        return {name: getattr(self, name) for name in self.names()}

    @cached_property
    def digest(self) -> str:
        """sha256 of kind, schema version, attributes and every array: the artifact's identity."""
        digests = {name: digest.of_array(array) for name, array in self.arrays.items()}
        return identity_of(self.KIND, SCHEMA_VERSION, self.attributes, digests)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], attributes: Mapping[str, Any]) -> Self:
        """Build from named arrays, as a store gives them."""
        return cls(attributes=dict(attributes), **{name: arrays[name] for name in cls.names()})


def identity_of(
    kind: str, schema: int, attributes: Mapping[str, Any], digests: Mapping[str, str]
) -> str:
    """The `digest` of an artifact whose arrays have these digests (`digest.of_array` by name)."""
    head = {"kind": kind, "schema": schema, "attributes": dict(attributes)}
    return digest.of_json({"arrays": dict(digests), "attributes": head})


def _shape_problems(variable: Variable, value: Array, sizes: dict[str, int]) -> list[str]:
    if value.ndim != len(variable.dims):
        return [f"{variable.name} has {value.ndim} dimensions, expected {variable.dims}"]
    problems = []
    for dim, size in zip(variable.dims, value.shape, strict=True):
        if sizes.setdefault(dim, size) != size:
            problems.append(f"{variable.name}: {dim} is {size}, expected {sizes[dim]}")
    return problems


@dataclass(frozen=True, eq=False, kw_only=True)
class Frames(Columns):
    """Columns along `frame`, some of them ragged along `atom`."""

    def __len__(self) -> int:
        first = next(v.name for v in self.variables() if v.dims[0] == "frame")
        return int(getattr(self, first).shape[0])

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Index of the first atom of each frame, and the total: shape (frame + 1,)."""
        row_size: Array = self.arrays["row_size"]
        return np.concatenate([[0], np.cumsum(row_size)]).astype(np.int64)

    def atoms_of(self, frame: int) -> slice:
        """The slice of the atom dimension that belongs to `frame`."""
        return slice(int(self.offsets[frame]), int(self.offsets[frame + 1]))

    @cached_property
    def frame_of_atom(self) -> npt.NDArray[np.int64]:
        """Index of the frame of every atom: shape (atom,)."""
        row_size: Array = self.arrays["row_size"]
        return np.repeat(np.arange(len(self)), row_size)

    def take(self, frames: Sequence[int] | npt.NDArray[Any]) -> Self:
        """The given frames, in the given order (repeats allowed); attributes are kept."""
        index = np.asarray(frames)
        if index.dtype == bool:
            index = np.flatnonzero(index)
        index = index.astype(np.int64)
        index = np.where(index < 0, index + len(self), index)
        atoms = self._atoms_of_frames(index) if "row_size" in self.names() else index
        picked = {
            v.name: getattr(self, v.name)[index if v.dims[0] == "frame" else atoms]
            for v in self.variables()
        }
        return type(self).from_arrays(picked, self.attributes)

    def _atoms_of_frames(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        sizes = self.offsets[index + 1] - self.offsets[index]
        # Each atom's place is its frame's first atom plus its place in the frame.
        firsts = np.cumsum(sizes) - sizes
        places: npt.NDArray[np.int64] = np.arange(sizes.sum()) + np.repeat(
            self.offsets[index] - firsts, sizes
        )
        return places

    def part(self, start: int, stop: int) -> Self:
        """Frames `start` to `stop` as views of the same arrays: nothing is copied or loaded."""
        start, stop, _ = slice(start, stop).indices(len(self))
        rows = slice(start, max(start, stop))
        atoms = rows
        if "row_size" in self.names():
            atoms = slice(int(self.offsets[rows.start]), int(self.offsets[rows.stop]))
        picked = {
            v.name: getattr(self, v.name)[rows if v.dims[0] == "frame" else atoms]
            for v in self.variables()
        }
        return type(self).from_arrays(picked, self.attributes)

    def blocks(self, frames: int) -> Iterator[Self]:
        """All frames in parts of at most `frames`: a store larger than memory, one part at a time."""
        return (self.part(start, start + frames) for start in range(0, len(self), frames))

    @classmethod
    def concatenate(cls, parts: Sequence[Self], attributes: Mapping[str, Any]) -> Self:
        """All frames of `parts` (at least one), one after the other, under new attributes."""
        joined = {name: np.concatenate([p.arrays[name] for p in parts]) for name in cls.names()}
        return cls.from_arrays(joined, attributes)

    @classmethod
    def empty(cls, attributes: Mapping[str, Any], **sizes: int) -> Self:
        """No frames; `sizes` gives free dimensions such as `feature`."""
        known = {**SIZES, "frame": 0, "atom": 0, **sizes}
        arrays = {
            v.name: np.zeros(tuple(known[d] for d in v.dims), dtype=v.dtype)
            for v in cls.variables()
        }
        return cls.from_arrays(arrays, attributes)

    @cached_property
    def ids(self) -> list[str]:
        """Configuration ids of the frames, hexadecimal."""
        return digest.to_hex(self.arrays["configuration_id"])


def field_names(kind: type[Columns]) -> set[str]:
    """Names of the dataclass fields that hold arrays (for the test that compares with the schema)."""
    return {f.name for f in fields(kind)} - {"attributes"}
