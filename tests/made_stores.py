"""Artifacts of every kind with made-up contents, for the tests of the stores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.columns import Columns
from aldata.artifacts.frames import (
    Candidates,
    Configurations,
    Descriptors,
    Labels,
    Predictions,
    Selection,
)
from aldata.artifacts.schema import SIZES

CLASSES: dict[str, type[Columns]] = {
    kind.KIND: kind
    for kind in (
        Configurations,
        Candidates,
        Labels,
        Descriptors,
        Predictions,
        Selection,
        Checkpoint,
    )
}


def made(
    kind: type[Columns],
    row_size: list[int],
    *,
    seed: int = 0,
    attributes: Mapping[str, Any] | None = None,
    **free: int,
) -> Columns:
    """An artifact with frames of these numbers of atoms and every other value drawn at random.

    `free` gives the free dimensions: feature, member, parameter, element (3 without).
    """
    rng = np.random.default_rng(seed)
    sizes = {"feature": 3, "member": 3, "parameter": 3, "element": 3, **free, **SIZES}
    sizes |= {"frame": len(row_size), "atom": sum(row_size)}
    arrays = {}
    for variable in kind.variables():
        shape = tuple(sizes[dim] for dim in variable.dims)
        if variable.name == "row_size":
            values = np.array(row_size, dtype=np.int64)
        elif variable.dtype.startswith("float"):
            values = rng.normal(size=shape)
        else:
            values = rng.integers(0, 2 if variable.dtype == "bool" else 100, shape)
        arrays[variable.name] = values.astype(variable.dtype)
    return kind.from_arrays(arrays, {"made": "up"} if attributes is None else attributes)


def files_of(path: Path) -> dict[str, bytes]:
    """Every file below `path`, by its name there."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def same_bits(one: Columns, other: Columns) -> bool:
    """Whether two artifacts agree in every bit of every array, and in shapes and types."""
    return all(
        mine.dtype == theirs.dtype
        and mine.shape == theirs.shape
        and mine.tobytes() == theirs.tobytes()
        for mine, theirs in zip(one.arrays.values(), other.arrays.values(), strict=True)
    )
