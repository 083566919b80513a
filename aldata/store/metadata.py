"""The `zarr.json` documents of a store, written and read; no data is touched.

They are written here, not by zarr-python, so that the same artifact gives the same bytes under every
version of it, and a store is opened without importing it. Zarr v3, docs/format.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aldata import digest
from aldata.artifacts.schema import KINDS, SCHEMA_VERSION, Variable
from aldata.errors import DamagedArtifact

Shape = tuple[int, ...]

CHUNK_LIMIT = 2**30
"""Arrays above this many bytes are split along their first dimension."""

PAGE = 2**16
"""Chunks of a split array are multiples of this many bytes, so that their maps join seamlessly."""

NAME = "zarr.json"


def chunk_rows(rows: int, row_bytes: int) -> int:
    """Rows per chunk: all of them up to CHUNK_LIMIT, else equal whole-page shares of about it."""
    if rows * row_bytes <= CHUNK_LIMIT:
        return max(1, rows)
    unit = PAGE // math.gcd(row_bytes, PAGE)
    share = math.ceil(rows / math.ceil(rows * row_bytes / CHUNK_LIMIT))
    return min(rows, math.ceil(share / unit) * unit)


def row_bytes(variable: Variable, shape: Shape) -> int:
    """Bytes of one row of the array: what one step along its first dimension skips."""
    return math.prod(shape[1:]) * np.dtype(variable.dtype).itemsize


def array_document(variable: Variable, shape: Shape) -> dict[str, Any]:
    """Zarr v3 metadata of one array: little-endian bytes in C order, no compression."""
    dtype = np.dtype(variable.dtype)
    rows = chunk_rows(shape[0], row_bytes(variable, shape))
    codec: dict[str, Any] = {"name": "bytes"}
    if dtype.itemsize > 1:
        codec["configuration"] = {"endian": "little"}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": variable.dtype,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [rows, *(max(1, size) for size in shape[1:])]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": dtype.type(0).item(),
        "codecs": [codec],
        "dimension_names": list(variable.dims),
        "attributes": _array_attributes(variable),
        "storage_transformers": [],
    }


def _array_attributes(variable: Variable) -> dict[str, Any]:
    attributes: dict[str, Any] = {"units": variable.unit, "long_name": variable.meaning}
    if variable.name == "row_size":
        attributes["sample_dimension"] = "atom"
    if variable.flags:
        attributes["flag_values"] = list(range(len(variable.flags)))
        attributes["flag_meanings"] = " ".join(variable.flags)
    return attributes


def write_metadata(
    folder: Path,
    kind: str,
    attributes: Mapping[str, Any],
    shapes: Mapping[str, Shape],
    digests: Mapping[str, str],
    identity: str,
) -> None:
    """Write every `zarr.json` below `folder`: one per array, and the group's with all of them."""
    arrays = {v.name: array_document(v, shapes[v.name]) for v in KINDS[kind]}
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {
            "Conventions": "CF-1.11",
            "title": f"aldata {kind}",
            "aldata_kind": kind,
            "aldata_schema": SCHEMA_VERSION,
            "digest": identity,
            "array_digests": dict(digests),
            "attributes": dict(attributes),
        },
        # Not yet in the Zarr v3 text: every reader may ignore it.
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": arrays},
    }
    group["attributes"]["metadata_digest"] = digest.of_json(group)  # type: ignore[index]
    for name, document in arrays.items():
        (folder / name).mkdir(exist_ok=True)
        _write(folder / name / NAME, document)
    _write(folder / NAME, group)


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(
        json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


@dataclass(frozen=True)
class Layout:
    """A store's attributes and, per array, its Zarr v3 metadata."""

    path: Path
    attributes: dict[str, Any]
    arrays: dict[str, dict[str, Any]]
    group: dict[str, Any]

    def compare(self) -> None:
        """Raise DamagedArtifact unless every `zarr.json` is what was sealed."""
        stated = self.attributes.get("metadata_digest")
        attributes = {k: v for k, v in self.attributes.items() if k != "metadata_digest"}
        if digest.of_json({**self.group, "attributes": attributes}) != stated:
            raise damaged(self.path, f"{NAME} is not what was sealed")
        for name, document in self.arrays.items():
            if _read(self.path / name / NAME, self.path) != document:
                raise damaged(self.path, f"{name}/{NAME} is not what was sealed")


def layout_of(path: Path) -> Layout:
    """Read the metadata of the local store at `path`. Raises DamagedArtifact."""
    try:
        group = json.loads((path / NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise DamagedArtifact(
            "does not exist or is not a Zarr store",
            where=str(path),
            next_step="dvc repro (to make it) or dvc pull (to fetch it)",
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise damaged(path, f"its metadata cannot be read ({problem})") from problem
    try:
        arrays = group.get("consolidated_metadata", {}).get("metadata")
        if arrays is None:
            names = sorted(found.parent.name for found in path.glob(f"*/{NAME}"))
            arrays = {name: _read(path / name / NAME, path) for name in names}
        return Layout(path, dict(group["attributes"]), dict(arrays), group)
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise damaged(path, f"its metadata cannot be read ({problem!r})") from problem


def _read(file: Path, store: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        name = file.relative_to(store)
        raise damaged(store, f"{name} is missing or cannot be read ({problem})") from problem


def damaged(path: Path, what: str) -> DamagedArtifact:
    """The error for a store that is not what it was, with the way back."""
    return DamagedArtifact(
        what,
        where=str(path),
        next_step=f"dvc checkout --force {path}  (or dvc repro to rebuild it)",
    )
