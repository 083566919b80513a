"""Files as read-only memory, one after the other, without keeping any of them open.

`np.memmap` keeps a file descriptor per array until the array dies: a hundred open stores would meet
the usual limit of 1024. A mapping made by the C library needs none, and lets the chunks of a large
array lie side by side as one array.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.artifacts.columns import Array
from aldata.store.metadata import Piece, Shape

MAP_FIXED = 0x10
"""Linux, macOS and the BSDs agree on it; Python does not name it."""

FAILED = ctypes.c_void_p(-1).value

HUGE_PAGE = 2**21
"""Where a large file's map begins: the kernel can then show it in larger pages than 4 kB, and a random
row costs fewer look-ups of addresses (a third less time per batch of a file of 300 MB)."""


@cache
def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    ]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return libc


class Mapping:
    """Several files as one stretch of memory; unmapped when no array uses it.

    `lengths` bytes of each file; each begins at the next multiple of `step`, itself a multiple of
    a page, and `begins` says where.
    """

    def __init__(self, files: Sequence[str], lengths: Sequence[int], step: int) -> None:
        self._munmap = _libc().munmap  # kept: globals may be gone when the interpreter ends
        self._address = 0
        self.begins: list[int] = []
        self._length = 0
        for length in lengths:
            self.begins.append(self._length)
            self._length += -(-length // step) * step
        # Reserve the whole stretch first, then lay each file over its part.
        self._address = _reserved(self._length)
        for file, begin, length in zip(files, self.begins, lengths, strict=True):
            if length:
                _map_file(file, length, self._address + begin)
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (self._length,),
            "data": (self._address, True),
        }

    def __del__(self) -> None:
        if self._address:
            self._munmap(self._address, self._length)


def _reserved(length: int) -> int:
    """The address of so many bytes; a long stretch begins at a huge page."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    if length < HUGE_PAGE:
        return _map(None, length, mmap.PROT_READ, flags, -1)
    found = _map(None, length + HUGE_PAGE, mmap.PROT_READ, flags, -1)
    before = -found % HUGE_PAGE
    unused = {found: before, found + before + length: HUGE_PAGE - before}
    for address, size in unused.items():
        if size:
            _libc().munmap(address, size)
    return found + before


def _map_file(file: str, length: int, address: int) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        _map(address, length, mmap.PROT_READ, mmap.MAP_SHARED | MAP_FIXED, handle)
    finally:
        os.close(handle)


def _map(address: int | None, length: int, protection: int, flags: int, handle: int) -> int:
    found: int = _libc().mmap(address, length, protection, flags, handle, 0)
    if found == FAILED:
        problem = ctypes.get_errno()
        raise OSError(problem, os.strerror(problem))
    return found


def mapped_together(
    pieces: Sequence[Piece], row_shape: Shape, dtype: np.dtype[Any]
) -> tuple[Array, npt.NDArray[np.int64]]:
    """The rows of all pieces in one read-only array, and the row where each piece begins: (piece,).

    Between two pieces lie rows of no meaning: a file begins at a page, and at a whole row. A batch from
    a hundred stores is then one gather per column. Raises OSError when a file cannot be mapped.
    """
    row_bytes = math.prod(row_shape) * dtype.itemsize
    rows = np.array([piece.rows for piece in pieces], dtype=np.int64)
    if row_bytes == 0 or rows.sum() == 0:
        return np.zeros((int(rows.sum()), *row_shape), dtype), np.cumsum(rows) - rows
    step = math.lcm(mmap.ALLOCATIONGRANULARITY, row_bytes)
    mapping = Mapping([piece.file for piece in pieces], (rows * row_bytes).tolist(), step)
    array = np.asarray(mapping).view(dtype).reshape(-1, *row_shape)
    return array, np.array(mapping.begins, dtype=np.int64) // row_bytes


def mapped_whole(pieces: Sequence[Piece], shape: Shape, dtype: np.dtype[Any]) -> Array | None:
    """An array of this shape as a read-only map of its files.

    None where that cannot be shown without a copy: several files that do not end on a page.
    """
    if 0 in shape:
        return np.zeros(shape, dtype)
    row_bytes = math.prod(shape[1:]) * dtype.itemsize
    lengths = [piece.rows * row_bytes for piece in pieces]
    if any(length % mmap.ALLOCATIONGRANULARITY for length in lengths[:-1]):
        return None
    mapping = Mapping([piece.file for piece in pieces], lengths, mmap.ALLOCATIONGRANULARITY)
    array: Array = np.asarray(mapping)[: sum(lengths)].view(dtype).reshape(shape)
    return array
