"""Content hashes: one way to hash JSON, arrays and files, used for every identity in aldata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # hashing JSON and files does not need NumPy, and commands that do no more start faster without
    import numpy as np
    import numpy.typing as npt

    Hash = npt.NDArray[np.uint8]

BLOCK = 2**20
"""Bytes that are copied at a time while an array is hashed."""


_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def of_bytes(content: bytes) -> str:
    """sha256 of `content`, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def canonical_json(record: Any) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal records give equal text.

    Raises ValueError for NaN or infinity, which JSON cannot hold.
    """
    return _CANONICAL.encode(record)


def of_json(record: Any) -> str:
    """sha256 of the canonical JSON of `record`."""
    return of_bytes(canonical_json(record).encode())


def of_array(array: npt.NDArray[Any]) -> str:
    """sha256 of dtype, shape and little-endian C-order bytes of `array`.

    Negative zero counts as zero, so that equal numbers have equal hashes.
    """
    import numpy as np

    contiguous = np.ascontiguousarray(array)
    flat = contiguous.reshape(-1)
    rows = max(1, BLOCK // max(1, flat.itemsize))
    blocks = (flat[start : start + rows] for start in range(0, flat.size, rows))
    return of_blocks(contiguous.dtype, contiguous.shape, blocks)


def of_blocks(
    dtype: np.dtype[Any], shape: tuple[int, ...], blocks: Iterable[npt.NDArray[Any]]
) -> str:
    """`of_array` of an array of this type and shape whose elements come in blocks, in C order."""
    little = dtype.newbyteorder("<")
    state = hashlib.sha256(f"{little.str}{tuple(shape)}".encode())
    for block in blocks:
        positive = block + 0.0 if dtype.kind == "f" else block
        state.update(positive.astype(little, copy=False).tobytes())
    return state.hexdigest()


def of_arrays(arrays: Mapping[str, npt.NDArray[Any]], attributes: Any = None) -> str:
    """sha256 over named arrays and JSON attributes, independent of their order."""
    return of_json(
        {"arrays": {k: of_array(v) for k, v in arrays.items()}, "attributes": attributes}
    )


def of_file(path: Path) -> str:
    """sha256 of a file's bytes, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def to_bytes(hexadecimal: list[str]) -> Hash:
    """Hexadecimal sha256 strings as an array of shape (n, 32), dtype uint8."""
    import numpy as np

    flat = np.frombuffer(b"".join(bytes.fromhex(h) for h in hexadecimal), dtype=np.uint8)
    return flat.reshape(len(hexadecimal), 32).copy()


def to_hex(hashes: Hash) -> list[str]:
    """An array of hashes of shape (n, 32) as n hexadecimal strings."""
    return [bytes(row).hex() for row in hashes]


NO_HASH = "0" * 64
"""Stands where a hash does not apply, such as the parent of a user's own geometry."""
