"""Reading stores: arrays are memory-mapped, so that opening one touches its metadata only."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np

from aldata import digest
from aldata.artifacts.columns import Array, Columns, identity_of
from aldata.artifacts.schema import SCHEMA_VERSION, Variable
from aldata.errors import DamagedArtifact, InvalidInput
from aldata.store.mapping import mapped_whole
from aldata.store.metadata import Layout, layout_of

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
    return read_layout(layout_of(path), kind, check=check)


def read_layout(layout: Layout, kind: type[C], *, check: bool = True) -> C:
    """The same for a store whose files lie wherever `layout` says."""
    require(layout, kind)
    stated = layout.attributes
    if check:
        layout.compare()
    arrays = {variable.name: values_of(layout, variable) for variable in kind.variables()}
    if check:
        _compare(layout, {v.name: arrays[v.name] for v in kind.variables() if not lacks(layout, v)})
    try:
        artifact = kind.from_arrays(arrays, stated["attributes"])
    except InvalidInput as problem:
        raise layout.damaged(problem.what) from problem
    # Known already, compared or not: hashing gigabytes again would tell nothing new.
    artifact.__dict__["digest"] = stated["digest"]
    return artifact


def require(layout: Layout, kind: type[Columns]) -> None:
    """Raise DamagedArtifact unless the store holds this kind, in a version that can be read."""
    found, version = layout.attributes.get("aldata_kind"), layout.attributes.get("aldata_schema", 0)
    if version > SCHEMA_VERSION:
        raise DamagedArtifact(
            f"written with schema version {version}; this aldata reads up to {SCHEMA_VERSION}",
            where=str(layout.path),
            next_step="pip install --upgrade aldata",
        )
    if found != kind.KIND:
        raise DamagedArtifact(
            f"holds {found or 'no aldata artifact'}", where=str(layout.path), expected=kind.KIND
        )


def lacks(layout: Layout, variable: Variable) -> bool:
    """Whether the store is older than the variable."""
    return int(layout.attributes.get("aldata_schema", 0)) < variable.since


def values_of(layout: Layout, variable: Variable) -> Array:
    """One array of a store, see `array_of`; of a store that is older than it, what `before` says."""
    if not lacks(layout, variable):
        return array_of(layout, variable.name)
    return np.full(layout.shape("row_size"), variable.before, dtype=variable.dtype)


def array_of(layout: Layout, name: str) -> Array:
    """One array of a store: mapped where it is stored plainly, else decoded by zarr.

    Raises DamagedArtifact when it is missing, a chunk has the wrong length, or it cannot be decoded.
    """
    pieces = layout.pieces(name)
    if pieces is not None:
        mapped = mapped_whole(pieces, layout.shape(name), layout.dtype(name))
        if mapped is not None:
            return mapped
    try:
        return np.asarray(layout.unpack(name)[...])
    except (OSError, KeyError, ValueError, RuntimeError) as problem:
        raise layout.damaged(f"array '{name}' cannot be read ({problem})") from problem


def _compare(layout: Layout, arrays: dict[str, Array]) -> None:
    stated = layout.attributes
    digests = {name: digest.of_array(array) for name, array in arrays.items()}
    wrong = [name for name, found in digests.items() if found != stated["array_digests"].get(name)]
    if wrong:
        raise layout.damaged(f"not what was sealed: {', '.join(wrong)} differ from their digests")
    version, attributes = stated["aldata_schema"], stated["attributes"]
    if identity_of(stated["aldata_kind"], version, attributes, digests) != stated["digest"]:
        raise layout.damaged("attributes differ from what was sealed")
