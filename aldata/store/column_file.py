"""One array on its way to the disk: rows appended to its chunk file, so that no array is ever whole
in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from aldata import digest
from aldata.artifacts.columns import Array
from aldata.artifacts.schema import Variable
from aldata.store.metadata import Shape, chunk_rows, row_bytes

BLOCK = 2**23
"""Bytes that are in memory at a time when a file is read back."""


class ColumnFile:
    """The rows of one variable. After `finish`: `shape`, `digest` and the chunk files are final."""

    def __init__(self, folder: Path, variable: Variable) -> None:
        self.variable = variable
        self.shape: Shape = ()
        self.digest = ""
        self._chunks = folder / variable.name / "c"
        self._dtype = np.dtype(variable.dtype).newbyteorder("<")
        self._stream: BinaryIO | None = None

    def append(self, rows: Array) -> None:
        """Append rows of the variable's type; all dimensions but the first are as before."""
        self.shape = (self.shape[0] + len(rows) if self.shape else len(rows), *rows.shape[1:])
        if rows.size == 0:
            return  # Zarr has no chunk for an array without elements
        if self._stream is None:
            first = self._chunk(0)
            first.parent.mkdir(parents=True)
            self._stream = first.open("xb")
        little = np.ascontiguousarray(rows, dtype=self._dtype)
        self._stream.write(little.reshape(-1).view(np.uint8).data)

    def finish(self) -> None:
        """Close the file, take the digest, and cut what is too large for one chunk into several."""
        self.close()
        self.digest = digest.of_blocks(self._dtype, self.shape, self._blocks())
        if self._stream is not None:
            self._split()

    def close(self) -> None:
        """Close the file; also after an error, so that the folder can be removed."""
        if self._stream is not None:
            self._stream.close()

    def _chunk(self, index: int) -> Path:
        rest = ["0"] * (len(self.variable.dims) - 1)
        return self._chunks.joinpath(str(index), *rest)

    def _blocks(self) -> Iterator[Array]:
        if self._stream is None:
            return
        with self._chunk(0).open("rb") as stream:
            while block := stream.read(BLOCK):
                yield np.frombuffer(block, dtype=self._dtype)

    def _split(self) -> None:
        """Move all but the first chunk's rows to files of their own, from the end backwards.

        How many chunks there are is known only now; cut this way they differ by less than a page,
        and the padding of the last one (Zarr's chunks are of one size) is small.
        """
        width = row_bytes(self.variable, self.shape)
        rows = chunk_rows(self.shape[0], width)
        size = rows * width
        with self._chunk(0).open("r+b") as whole:
            for index in range(-(-self.shape[0] // rows) - 1, 0, -1):
                whole.seek(index * size)
                part = self._chunk(index)
                part.parent.mkdir(parents=True, exist_ok=True)
                with part.open("xb") as stream:
                    while block := whole.read(BLOCK):
                        stream.write(block)
                    stream.truncate(size)
                whole.truncate(index * size)
