"""Find frames by the hash of their content."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aldata.artifacts.columns import Array

Integer = npt.NDArray[np.int64]


def matched(hashes: Array, wanted: Array) -> Integer:
    """Row of each wanted hash (n, 32) among `hashes` (m, 32), the first of equals; -1 without one."""
    if len(hashes) == 0 or len(wanted) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    groups = grouped(np.concatenate([hashes, wanted]))
    first = np.full(int(groups.max()) + 1, -1, dtype=np.int64)
    # assigned in reverse, so that the first of equals stays
    first[groups[: len(hashes)][::-1]] = np.arange(len(hashes))[::-1]
    return first[groups[len(hashes) :]]


def grouped(hashes: Array) -> Integer:
    """A number for each hash (n, 32), the same for equal ones: shape (n,)."""
    whole = np.ascontiguousarray(hashes).view("V32").ravel()
    return np.asarray(np.unique(whole, return_inverse=True)[1], dtype=np.int64)


def beginning_with(hashes: Array, digits: str) -> Integer:
    """Rows of the hashes that begin with these hexadecimal digits; none for anything else."""
    if not 0 < len(digits) <= 64:
        return np.zeros(0, np.int64)
    try:
        whole = bytes.fromhex(digits[: len(digits) // 2 * 2])
        half = int(digits[-1], 16) if len(digits) % 2 else None
    except ValueError:
        return np.zeros(0, np.int64)
    rows = np.arange(len(hashes))
    for place, byte in enumerate(whole):
        rows = rows[hashes[rows, place] == byte]
    return rows if half is None else rows[hashes[rows, len(whole)] >> 4 == half]
