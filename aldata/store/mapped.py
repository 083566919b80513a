"""Where the bytes of a local Zarr store lie: read from its metadata, so that chunks can be mapped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aldata.artifacts.columns import Array
from aldata.errors import DamagedArtifact


@dataclass(frozen=True)
class Layout:
    """A store's attributes and, per array, its Zarr v3 metadata."""

    path: Path
    attributes: dict[str, Any]
    arrays: dict[str, dict[str, Any]]

    def mapped(self, name: str) -> Array | None:
        """The array as a read-only memory map; None when it is compressed or in several chunks.

        Raises DamagedArtifact when the chunk is missing or has the wrong length.
        """
        metadata = self.arrays.get(name)
        if metadata is None:
            raise DamagedArtifact(f"array '{name}' is missing", where=str(self.path))
        shape = tuple(metadata["shape"])
        dtype = np.dtype(metadata["data_type"])
        if 0 in shape:
            return np.zeros(shape, dtype)
        if not _plain(metadata):
            return None
        chunk = self.path / name / "c" / "/".join("0" for _ in shape)
        expected = int(np.prod(shape)) * dtype.itemsize
        size = chunk.stat().st_size if chunk.exists() else -1
        if size != expected:
            state = "missing" if size < 0 else f"{size} bytes long"
            raise DamagedArtifact(
                f"the chunk of '{name}' is {state}",
                where=str(self.path),
                expected=f"{expected} bytes",
                next_step=f"dvc checkout --force {self.path}  (or dvc repro to rebuild it)",
            )
        return np.memmap(chunk, dtype=dtype.newbyteorder("<"), mode="r", shape=shape)


def _plain(metadata: dict[str, Any]) -> bool:
    """One chunk, little-endian bytes and nothing else: what a memory map can show."""
    grid = metadata["chunk_grid"]
    codecs = metadata["codecs"]
    return (
        grid["name"] == "regular"
        and list(grid["configuration"]["chunk_shape"]) == list(metadata["shape"])
        and [codec["name"] for codec in codecs] == ["bytes"]
        and codecs[0].get("configuration", {}).get("endian", "little") == "little"
        and metadata["chunk_key_encoding"]["name"] == "default"
    )


def layout_of(path: Path) -> Layout:
    """Read the metadata of the local store at `path`. Raises DamagedArtifact."""
    try:
        root = json.loads((path / "zarr.json").read_text())
        arrays = root.get("consolidated_metadata", {}).get("metadata")
        if arrays is None:
            arrays = {
                found.parent.name: json.loads(found.read_text())
                for found in path.glob("*/zarr.json")
            }
        return Layout(path, root["attributes"], arrays)
    except FileNotFoundError:
        raise DamagedArtifact(
            "does not exist or is not a Zarr store",
            where=str(path),
            next_step="dvc repro (to make it) or dvc pull (to fetch it)",
        ) from None
    except (json.JSONDecodeError, KeyError, UnicodeDecodeError) as problem:
        raise DamagedArtifact(
            f"its metadata cannot be read ({problem})",
            where=str(path),
            next_step=f"dvc checkout --force {path}  (or dvc repro to rebuild it)",
        ) from problem
