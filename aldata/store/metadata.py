"""The `zarr.json` documents of a store, written and read; no data is touched.

They are written here, not by zarr-python, so that the same artifact gives the same bytes under every
version of it, and a store is opened without importing it. Zarr v3, docs/format.md.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aldata import digest
from aldata.artifacts.schema import CONVENTIONS, KINDS, SCHEMA_VERSION, Variable
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
        "attributes": variable.cf_attributes,
        "storage_transformers": [],
    }


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
            "Conventions": CONVENTIONS,
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
class Piece:
    """A file that begins with so many rows of an array: little-endian, in C order, uncompressed.

    Its path is a plain string: a union of a hundred stores asks for two thousand.
    """

    file: str
    rows: int


@dataclass(frozen=True, repr=False)
class Layout:
    """A store's attributes, per array its Zarr v3 metadata, and where the files are.

    path : the store, as errors name it. group : the whole `zarr.json`.
    locate : the local file of a name inside the store, which need not lie below `path`; None when
        it is not on this machine.
    unpack : the array of a name through Zarr, for what cannot be mapped.
    remake : what to do when the store is damaged.
    reopen : makes this layout again, in another process as well; it is what is pickled, since maps
        of files cannot travel. Raises DamagedArtifact there when the store was replaced meanwhile.
    """

    path: Path
    attributes: dict[str, Any]
    arrays: dict[str, dict[str, Any]]
    group: dict[str, Any]
    locate: Callable[[str], str | None]
    unpack: Callable[[str], Any]
    remake: str
    reopen: Callable[[], Layout]

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.reopen, self.attributes.get("digest"))

    def shape(self, name: str) -> Shape:
        """Shape of an array. Raises DamagedArtifact when there is none of this name."""
        return tuple(self._of(name)["shape"])

    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of an array's numbers, little-endian as they lie."""
        found: np.dtype[Any] = np.dtype(self._of(name)["data_type"]).newbyteorder("<")
        return found

    def chunk_rows(self, name: str) -> int:
        """Rows of an array that lie in one chunk."""
        return int(self._of(name)["chunk_grid"]["configuration"]["chunk_shape"][0])

    def pieces(self, name: str) -> list[Piece] | None:
        """The files of an array in the order of its rows; None when memory cannot show them.

        Raises DamagedArtifact when a chunk is missing or has the wrong length.
        """
        metadata, shape = self._of(name), self.shape(name)
        if 0 in shape:
            return []
        plain = _is_plain(metadata)
        rows = self.chunk_rows(name)
        each = rows * math.prod(shape[1:]) * self.dtype(name).itemsize
        found: list[Piece] = []
        for key in self._keys(metadata, shape):
            file = self.locate(f"{name}/{key}")
            if file is None:
                return None
            # Zarr would show a missing chunk as zeros, a compressed one as well.
            self._check(file, f"{key} of '{name}'", each if plain else None)
            begin = len(found) * rows
            found.append(Piece(file, min(rows, shape[0] - begin)))
        return found if plain else None

    def damaged(self, what: str) -> DamagedArtifact:
        """The error for a store that is not what it was, with the way back."""
        return DamagedArtifact(what, where=str(self.path), next_step=self.remake)

    def compare(self) -> None:
        """Raise DamagedArtifact unless every `zarr.json` is what was sealed."""
        stated = self.attributes.get("metadata_digest")
        attributes = {k: v for k, v in self.attributes.items() if k != "metadata_digest"}
        if digest.of_json({**self.group, "attributes": attributes}) != stated:
            raise self.damaged(f"{NAME} is not what was sealed")
        for name, document in self.arrays.items():
            file = self.locate(f"{name}/{NAME}")
            if file is not None and _read(Path(file), f"{name}/{NAME}", self.damaged) != document:
                raise self.damaged(f"{name}/{NAME} is not what was sealed")

    def _of(self, name: str) -> dict[str, Any]:
        metadata = self.arrays.get(name)
        if metadata is None:
            raise self.damaged(f"array '{name}' is missing")
        return metadata

    def _keys(self, metadata: dict[str, Any], shape: Shape) -> Iterator[str]:
        grid = metadata["chunk_grid"]["configuration"]["chunk_shape"]
        counts = [-(-size // chunk) for size, chunk in zip(shape, grid, strict=True)]
        return ("/".join(["c", *map(str, index)]) for index in np.ndindex(*counts))

    def _check(self, file: str, chunk: str, expected: int | None) -> None:
        try:
            size = os.stat(file).st_size  # noqa: PTH116 (no Path: a union asks thousands of times)
        except (FileNotFoundError, NotADirectoryError):
            size = -1
        if size < 0 or (expected is not None and size != expected):
            raise DamagedArtifact(
                f"the chunk {chunk} is {'missing' if size < 0 else f'{size} bytes long'}",
                where=str(self.path),
                expected="a file" if expected is None else f"{expected} bytes",
                next_step=self.remake,
            )


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


def layout_of(path: Path) -> Layout:
    """Read the metadata of the local store at `path`. Raises DamagedArtifact."""
    try:
        content = (path / NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise DamagedArtifact(
            "does not exist or is not a Zarr store",
            where=str(path),
            next_step="dvc repro (to make it) or dvc pull (to fetch it)",
        ) from None
    inside = f"{path}/"
    return parsed_layout(
        path,
        content,
        locate=lambda name: inside + name,
        unpack=lambda name: _opened(path, name),
        remake=f"dvc checkout --force {path}  (or dvc repro to rebuild it)",
        reopen=partial(layout_of, path),
        names=lambda: sorted(found.parent.name for found in path.glob(f"*/{NAME}")),
    )


def parsed_layout(
    path: Path,
    content: bytes,
    *,
    locate: Callable[[str], str | None],
    unpack: Callable[[str], Any],
    remake: str,
    reopen: Callable[[], Layout],
    names: Callable[[], list[str]] = list,
) -> Layout:
    """The layout in the `content` of a group's `zarr.json`. Raises DamagedArtifact.

    `names` lists the arrays when the group does not hold their metadata; see `Layout`.
    """

    def problem(what: str) -> DamagedArtifact:
        return DamagedArtifact(what, where=str(path), next_step=remake)

    try:
        group = json.loads(content)
        arrays = group.get("consolidated_metadata", {}).get("metadata")
        if arrays is None:
            files = {name: f"{name}/{NAME}" for name in names()}
            arrays = {
                name: _read(Path(locate(file) or file), file, problem)
                for name, file in files.items()
            }
        attributes = dict(group["attributes"])
        return Layout(path, attributes, dict(arrays), group, locate, unpack, remake, reopen)
    except (AttributeError, KeyError, TypeError, ValueError) as found:
        raise problem(f"its metadata cannot be read ({found!r})") from found


def _reopened(reopen: Callable[[], Layout], digest_: str | None) -> Layout:
    layout = reopen()
    if layout.attributes.get("digest") != digest_:
        raise layout.damaged("was replaced after it was opened; open it again")
    return layout


def _opened(path: Path, name: str) -> Any:
    import zarr

    return zarr.open_array(str(path / name), mode="r")


def _read(file: Path, name: str, damaged: Callable[[str], DamagedArtifact]) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise damaged(f"{name} is missing or cannot be read ({problem})") from problem
