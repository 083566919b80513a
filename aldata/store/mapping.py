"""Files as read-only memory, one after the other, without keeping any of them open.

`np.memmap` keeps a file descriptor per array until the array dies: a hundred open stores would meet
the usual limit of 1024. A mapping made by the C library needs none, and lets the chunks of a large
array lie side by side as one array.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MAP_FIXED = 0x10
"""Linux, macOS and the BSDs agree on it; Python does not name it."""

FAILED = ctypes.c_void_p(-1).value


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
    """Several files of `each` bytes as one stretch of memory; unmapped when no array uses it."""

    def __init__(self, files: Sequence[Path], each: int) -> None:
        self._munmap = _libc().munmap  # kept: globals may be gone when the interpreter ends
        self._address = 0
        self._length = each * len(files)
        if len(files) == 1:
            self._address = _map_file(files[0], each, None)
        else:
            # Reserve the whole stretch first, then lay each file over its part.
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            self._address = _map(None, self._length, mmap.PROT_READ, flags, -1)
            for index, file in enumerate(files):
                _map_file(file, each, self._address + index * each)
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (self._length,),
            "data": (self._address, True),
        }

    def __del__(self) -> None:
        if self._address:
            self._munmap(self._address, self._length)


def _map_file(file: Path, length: int, address: int | None) -> int:
    handle = os.open(file, os.O_RDONLY)
    try:
        fixed = 0 if address is None else MAP_FIXED
        return _map(address, length, mmap.PROT_READ, mmap.MAP_SHARED | fixed, handle)
    finally:
        os.close(handle)


def _map(address: int | None, length: int, protection: int, flags: int, handle: int) -> int:
    found: int = _libc().mmap(address, length, protection, flags, handle, 0)
    if found == FAILED:
        problem = ctypes.get_errno()
        raise OSError(problem, os.strerror(problem))
    return found


def bytes_of(files: Sequence[Path], each: int) -> npt.NDArray[np.uint8] | None:
    """The bytes of files of `each` > 0 bytes as one read-only array.

    None where that cannot be shown without a copy: several files that do not end on a page.
    """
    if len(files) > 1 and each % mmap.ALLOCATIONGRANULARITY:
        return None
    return np.asarray(Mapping(files, each))
