"""Zarr v3 stores: one uncompressed chunk per array, memory-mapped on reading, immutable once sealed.

A store is written under a temporary name, its metadata consolidated once, and renamed when it is
complete: a reader sees a whole store or none. The group's attributes hold the artifact's `digest`
and one digest per array, so that a damaged array is found and named.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import uuid
import warnings
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from aldata import digest
from aldata.artifacts.columns import Array, Columns
from aldata.artifacts.schema import SCHEMA_VERSION, Variable
from aldata.errors import DamagedArtifact
from aldata.store.documents import unwritable
from aldata.store.mapped import Layout, layout_of

C = TypeVar("C", bound=Columns)

COMPRESSED_KINDS = frozenset({"descriptors"})
"""Large and re-creatable: stored with zstd. Everything else is mapped, so stored as it is."""

CHUNK_LIMIT = 2**30
"""Arrays above this many bytes are split along their first dimension."""


def write(path: Path, artifact: Columns) -> str:
    """Write `artifact` as a sealed store at `path`, replacing what lies there. Returns its digest.

    Raises DamagedArtifact when the file system refuses (full, read-only); then nothing is left.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        identity = _write_group(temporary, artifact)
        _sync_tree(temporary)
        _swap(temporary, path)
    except OSError as problem:
        raise unwritable(path, problem) from problem
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return identity


def _write_group(path: Path, artifact: Columns) -> str:
    import zarr

    digests = {name: digest.of_array(array) for name, array in artifact.arrays.items()}
    identity = artifact.digest
    # The attributes go in with creation: a second write of zarr.json would only cost time.
    group = zarr.create_group(
        store=str(path),
        zarr_format=3,
        attributes={
            "Conventions": "CF-1.11",
            "title": f"aldata {artifact.KIND}",
            "aldata_kind": artifact.KIND,
            "aldata_schema": SCHEMA_VERSION,
            "digest": identity,
            "array_digests": digests,
            "attributes": dict(artifact.attributes),
        },
    )
    for variable in artifact.variables():
        _write_array(group, variable, artifact.arrays[variable.name], artifact.KIND)
    with warnings.catch_warnings():
        # Consolidated metadata is not yet in the Zarr v3 text; every reader may ignore it.
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(path))
    return identity


def _write_array(group: Any, variable: Variable, array: Array, kind: str) -> None:
    from zarr.codecs import ZstdCodec

    rows = max(1, array.shape[0])
    row_bytes = max(1, array.nbytes // rows)
    chunk_rows = max(1, min(rows, CHUNK_LIMIT // row_bytes))
    compressed = kind in COMPRESSED_KINDS and variable.dtype == "float32"
    group.create_array(
        variable.name,
        data=array,
        chunks=(chunk_rows, *(max(1, size) for size in array.shape[1:])),
        compressors=[ZstdCodec(level=3)] if compressed else None,
        filters=None,
        dimension_names=variable.dims,
        attributes=_array_attributes(variable),
        # Without this an all-zero array has no chunk file, and nothing to map.
        config={"write_empty_chunks": True},
    )


def _array_attributes(variable: Variable) -> dict[str, Any]:
    attributes: dict[str, Any] = {"units": variable.unit, "long_name": variable.meaning}
    if variable.name == "row_size":
        attributes["sample_dimension"] = "atom"
    if variable.flags:
        attributes["flag_values"] = list(range(len(variable.flags)))
        attributes["flag_meanings"] = " ".join(variable.flags)
    return attributes


def _sync_tree(path: Path) -> None:
    """Make everything below `path` durable before the rename makes it visible."""
    for name in [*path.rglob("*"), path]:
        handle = os.open(name, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _swap(new: Path, path: Path) -> None:
    """Put `new` in the place of `path`; what lay there is removed only afterwards."""
    if not path.exists():
        new.rename(path)
    elif _exchange(new, path):
        shutil.rmtree(new, ignore_errors=True)
    else:
        # Not on Linux: between the two renames a kill leaves no store, and the old one aside.
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.old")
        path.rename(aside)
        new.rename(path)
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths in one step (Linux renameat2); False where that cannot be done."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    at_cwd, exchange = -100, 2
    done: int = rename(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), exchange)
    return done == 0


def read(path: Path, kind: type[C], *, check: bool = True) -> C:
    """Read a store as an artifact of `kind`; arrays of sealed local stores are memory-mapped.

    With `check` every array is compared with its digest. Raises DamagedArtifact for a missing,
    truncated, altered or foreign store, and for one written by a newer version.
    """
    layout = layout_of(path)
    attributes = layout.attributes
    found, version = attributes.get("aldata_kind"), attributes.get("aldata_schema", 0)
    if version > SCHEMA_VERSION:
        raise DamagedArtifact(
            f"written with schema version {version}; this aldata reads up to {SCHEMA_VERSION}",
            where=str(path),
            next_step="pip install --upgrade aldata",
        )
    if found != kind.KIND:
        raise DamagedArtifact(
            f"holds {found or 'no aldata artifact'}", where=str(path), expected=kind.KIND
        )
    arrays = {name: _read_array(path, layout, name) for name in kind.names()}
    artifact = kind.from_arrays(arrays, attributes["attributes"])
    if check:
        _compare(path, artifact, attributes)
    return artifact


def _read_array(path: Path, layout: Layout, name: str) -> Array:
    mapped = layout.mapped(name)
    if mapped is not None:
        return mapped
    import zarr

    try:
        return np.asarray(cast(Any, zarr.open_array(str(path / name), mode="r"))[...])
    except (OSError, KeyError, ValueError, RuntimeError) as problem:
        raise damaged(path, f"array '{name}' cannot be read ({problem})") from problem


def _compare(path: Path, artifact: Columns, attributes: dict[str, Any]) -> None:
    stated = attributes["array_digests"]
    wrong = [n for n, array in artifact.arrays.items() if digest.of_array(array) != stated.get(n)]
    if wrong:
        raise damaged(path, f"not what was sealed: {', '.join(wrong)} differ from their digests")
    if artifact.digest != attributes["digest"]:
        raise damaged(path, "attributes differ from what was sealed")


def damaged(path: Path, what: str) -> DamagedArtifact:
    """The error for a store that is not what it was, with the way back."""
    return DamagedArtifact(
        what,
        where=str(path),
        next_step=f"dvc checkout --force {path}  (or dvc repro to rebuild it)",
    )
