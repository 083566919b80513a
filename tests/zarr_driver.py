"""Write stores, or say what one reads in them: run by two Pythons with two versions of zarr.

python zarr_driver.py write|read FOLDER. Below FOLDER lie, of every kind, a store that aldata wrote
(`sealed`), and two that zarr itself made of the same arrays: `plain` with one chunk as it is, `packed`
with several chunks and zarr's default compression. Printed as JSON: the versions, and by store and reader
the sha256 of the bits of every array.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from format_reader import TYPES, Store
from made_stores import CLASSES, made

from aldata import store
from aldata.artifacts.columns import Columns

ROWS = [3, 1, 0, 7, 2]
ATTRIBUTES = {"Å": [1e-05, 1e16, 0.1, None], "made": "up"}


def bits(array: Any) -> str:
    """sha256 of type, shape and little-endian bytes; negative zero and NaN as they are."""
    found = np.ascontiguousarray(array)
    little = found.astype(found.dtype.newbyteorder("<"))
    return hashlib.sha256(
        f"{little.dtype.str}{found.shape}".encode() + little.tobytes()
    ).hexdigest()


def of_arrays(arrays: dict[str, Any]) -> dict[str, str]:
    return {name: bits(array) for name, array in arrays.items()}


def write(folder: Path) -> dict[str, Any]:
    """All stores below `folder`, and the bits that went in."""
    written = {}
    for kind, artifact in CLASSES.items():
        content = made(artifact, ROWS, attributes=ATTRIBUTES)
        for array in content.arrays.values():
            if array.dtype.kind == "f" and array.size > 1:
                array.flat[:2] = np.nan, -0.0
        store.write(folder / f"{kind}-sealed.zarr", content)
        _by_zarr(folder, f"{kind}-plain", content, {"compressors": None})
        _by_zarr(folder, f"{kind}-packed", content, {})
        written |= {f"{kind}-{way}": of_arrays(content.arrays) for way in WAYS}
    return written


def _by_zarr(folder: Path, name: str, content: Columns, options: dict[str, Any]) -> None:
    """What somebody else's program makes of the arrays of a sealed store."""
    sealed = json.loads((folder / f"{content.KIND}-sealed.zarr/zarr.json").read_text("utf-8"))
    group = zarr.create_group(
        folder / f"{name}.zarr", zarr_format=3, attributes=sealed["attributes"]
    )
    for variable, array in zip(content.variables(), content.arrays.values(), strict=True):
        shape = tuple(max(1, size) for size in array.shape)
        chunks = shape if options else (2, *shape[1:])
        group.create_array(
            variable.name,
            data=array,
            chunks=chunks,
            dimension_names=variable.dims,
            # aldata takes a chunk that is not there for damage, where zarr takes it for zeros
            config={"write_empty_chunks": True},
            **options,
        )
    if options:
        zarr.consolidate_metadata(folder / f"{name}.zarr")


def by_zarr(path: Path, kind: str) -> dict[str, str]:
    group = zarr.open_group(str(path), mode="r")
    assert group.attrs["aldata_kind"] == kind
    assert group.attrs["attributes"] == ATTRIBUTES
    return of_arrays({name: group[name][...] for name in CLASSES[kind].names()})  # type: ignore[index]


def by_aldata(path: Path, kind: str) -> dict[str, str]:
    sealed = path.stem.endswith("sealed")  # only aldata seals `zarr.json` by a digest
    found = store.read(path, CLASSES[kind], check=sealed)
    again = CLASSES[kind].from_arrays(found.arrays, found.attributes)
    assert again.digest == found.digest, "not the artifact that was written"
    return of_arrays(found.arrays)


def by_the_page(path: Path, kind: str) -> dict[str, str]:
    """By the reader that was written from docs/format.md alone."""
    read = Store(path)
    assert read.damage() == []
    return of_arrays(
        {
            name: np.array(read.elements(name), TYPES[metadata["data_type"]][1]).reshape(
                metadata["shape"]
            )
            for name, metadata in read.metadata.items()
        }
    )


WAYS = ("sealed", "plain", "packed")
READERS = {"zarr": by_zarr, "aldata": by_aldata, "docs/format.md": by_the_page}


def read(folder: Path) -> dict[str, Any]:
    """The bits of all stores below `folder`, by every reader that is meant for them."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.zarr")):
        kind, _, way = path.stem.rpartition("-")
        for name, reader in READERS.items():
            if name != "docs/format.md" or way == "sealed":
                found.setdefault(path.stem, {})[name] = reader(path, kind)
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    step = {"write": write, "read": read}[sys.argv[1]]
    versions = {"python": platform.python_version(), "zarr": zarr.__version__}
    print(json.dumps({**versions, "stores": step(Path(sys.argv[2]))}))
