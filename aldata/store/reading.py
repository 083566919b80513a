"""Reading stores: arrays are memory-mapped, so that opening one touches its metadata only."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from aldata import digest
from aldata.artifacts.columns import Array, Columns, identity_of
from aldata.artifacts.schema import SCHEMA_VERSION
from aldata.errors import DamagedArtifact, InvalidInput
from aldata.store.mapping import bytes_of
from aldata.store.metadata import Layout, damaged, layout_of

C = TypeVar("C", bound=Columns)

ATTEMPTS = 10
"""How often a store that is replaced while it is opened is opened again."""


def read(path: Path, kind: type[C], *, check: bool = True) -> C:
    """Read a store as an artifact of `kind`; its arrays are read-only maps of the chunk files.

    With `check` every byte is compared with the digests that were sealed. Without, only the metadata
    and `row_size` are read, whatever the size of the store, and `digest` is what the store states.
    Raises DamagedArtifact for a missing, truncated, altered or foreign store, and for one written by
    a newer version.
    """
    for _ in range(ATTEMPTS):
        before = _inode(path)
        try:
            artifact = _read(path, kind, check)
        except DamagedArtifact:
            if _inode(path) == before:
                raise
            continue
        # Files found one by one must belong to one store: another process may replace it meanwhile.
        if _inode(path) == before:
            return artifact
    raise DamagedArtifact(
        "is replaced again and again while it is read",
        where=str(path),
        next_step="wait for the process that writes it",
    )


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _read(path: Path, kind: type[C], check: bool) -> C:
    layout = layout_of(path)
    stated = layout.attributes
    found, version = stated.get("aldata_kind"), stated.get("aldata_schema", 0)
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
    if check:
        layout.compare()
    arrays = {name: array_of(layout, name) for name in kind.names()}
    if check:
        _compare(layout, arrays)
    try:
        artifact = kind.from_arrays(arrays, stated["attributes"])
    except InvalidInput as problem:
        raise damaged(path, problem.what) from problem
    # Known already, compared or not: hashing gigabytes again would tell nothing new.
    artifact.__dict__["digest"] = stated["digest"]
    return artifact


def array_of(layout: Layout, name: str) -> Array:
    """One array of a local store: mapped where it is stored plainly, else decoded by zarr.

    Raises DamagedArtifact when it is missing, a chunk has the wrong length, or it cannot be decoded.
    """
    metadata = layout.arrays.get(name)
    if metadata is None:
        raise damaged(layout.path, f"array '{name}' is missing")
    mapped = _mapped(layout.path, name, metadata) if _is_plain(metadata) else None
    if mapped is not None:
        return mapped
    import zarr

    try:
        return np.asarray(cast(Any, zarr.open_array(str(layout.path / name), mode="r"))[...])
    except (OSError, KeyError, ValueError, RuntimeError) as problem:
        raise damaged(layout.path, f"array '{name}' cannot be read ({problem})") from problem


def _is_plain(metadata: dict[str, Any]) -> bool:
    """Chunks of whole rows, little-endian bytes and nothing else: what memory can show."""
    grid, codecs = metadata["chunk_grid"], metadata["codecs"]
    return (
        grid["name"] == "regular"
        and grid["configuration"]["chunk_shape"][1:] == metadata["shape"][1:]
        and [codec["name"] for codec in codecs] == ["bytes"]
        and codecs[0].get("configuration", {}).get("endian", "little") == "little"
        and metadata["chunk_key_encoding"]
        == {"name": "default", "configuration": {"separator": "/"}}
    )


def _mapped(path: Path, name: str, metadata: dict[str, Any]) -> Array | None:
    shape = tuple(metadata["shape"])
    dtype = np.dtype(metadata["data_type"]).newbyteorder("<")
    if 0 in shape:
        return np.zeros(shape, dtype)
    rows = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
    each = rows * math.prod(shape[1:]) * dtype.itemsize
    rest = "/0" * (len(shape) - 1)
    files = [path / name / f"c/{index}{rest}" for index in range(-(-shape[0] // rows))]
    for file in files:
        size = file.stat().st_size if file.exists() else -1
        if size != each:
            state = "missing" if size < 0 else f"{size} bytes long"
            raise DamagedArtifact(
                f"the chunk {file.relative_to(path)} of '{name}' is {state}",
                where=str(path),
                expected=f"{each} bytes",
                next_step=f"dvc checkout --force {path}  (or dvc repro to rebuild it)",
            )
    found = bytes_of(files, each)
    if found is None:
        return None
    array: Array = found[: math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
    return array


def _compare(layout: Layout, arrays: dict[str, Array]) -> None:
    stated = layout.attributes
    digests = {name: digest.of_array(array) for name, array in arrays.items()}
    wrong = [name for name, found in digests.items() if found != stated["array_digests"].get(name)]
    if wrong:
        raise damaged(
            layout.path, f"not what was sealed: {', '.join(wrong)} differ from their digests"
        )
    version, attributes = stated["aldata_schema"], stated["attributes"]
    if identity_of(stated["aldata_kind"], version, attributes, digests) != stated["digest"]:
        raise damaged(layout.path, "attributes differ from what was sealed")
