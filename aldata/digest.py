"""Content hashes: one way to hash JSON, arrays and files, used for every identity in aldata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Hash = npt.NDArray[np.uint8]


def of_bytes(content: bytes) -> str:
    """sha256 of `content`, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def canonical_json(record: Any) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal records give equal text.

    Raises ValueError for NaN or infinity, which JSON cannot hold.
    """
    return json.dumps(
        record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def of_json(record: Any) -> str:
    """sha256 of the canonical JSON of `record`."""
    return of_bytes(canonical_json(record).encode())


def of_array(array: npt.NDArray[Any]) -> str:
    """sha256 of dtype, shape and little-endian C-order bytes of `array`.

    Negative zero counts as zero, so that equal numbers have equal hashes.
    """
    contiguous = np.ascontiguousarray(array)
    if contiguous.dtype.kind == "f":
        contiguous = contiguous + 0.0
    little = contiguous.astype(contiguous.dtype.newbyteorder("<"), copy=False)
    header = f"{little.dtype.str}{little.shape}".encode()
    state = hashlib.sha256(header)
    # ascontiguousarray: a zero-dimensional or empty array has no buffer of its own to cast
    state.update(np.ascontiguousarray(little).tobytes())
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
    flat = np.frombuffer(b"".join(bytes.fromhex(h) for h in hexadecimal), dtype=np.uint8)
    return flat.reshape(len(hexadecimal), 32).copy()


def to_hex(hashes: Hash) -> list[str]:
    """An array of hashes of shape (n, 32) as n hexadecimal strings."""
    return [bytes(row).hex() for row in hashes]


NO_HASH = "0" * 64
"""Stands where a hash does not apply, such as the parent of a user's own geometry."""
