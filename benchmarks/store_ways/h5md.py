"""H5MD by znh5md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from store_data import as_atoms, of_atoms

from aldata.artifacts.frames import Labels
from store_ways.way import BLOCK, Arrays, Rows, total


class H5md:
    """H5MD by znh5md as it comes: gzip, chunks of 64 frames by 64 atoms, frames padded to the largest."""

    SHARE = 0.1
    OPTIONS: dict[str, Any] = {}

    def __init__(self, folder: Path) -> None:
        import znh5md

        self.io = znh5md.IO(folder / "frames.h5", **self.OPTIONS)

    @classmethod
    def write(cls, folder: Path, labels: Labels) -> None:
        import znh5md

        folder.mkdir(exist_ok=True)
        znh5md.IO(folder / "frames.h5", **cls.OPTIONS).extend(as_atoms(labels))

    @classmethod
    def append(cls, folder: Path, labels: Labels) -> None:
        cls.write(folder, labels)

    def batch(self, rows: Rows) -> Arrays:
        order = np.argsort(rows)  # HDF5 reads ascending rows only
        frames = dict(zip(order.tolist(), self.io[rows[order].tolist()], strict=True))
        return of_atoms([frames[place] for place in range(len(rows))])

    def _blocks(self) -> Iterator[list[Any]]:
        return (self.io[begin : begin + BLOCK] for begin in range(0, len(self.io), BLOCK))

    def scan(self) -> float:
        return sum(total(of_atoms(block)) for block in self._blocks())

    def column(self) -> Any:
        import h5py

        with h5py.File(self.io.filename) as file:
            found: list[Any] = []
            file.visititems(
                lambda name, item: found.append(item[:]) if name.endswith("energy/value") else None
            )
        return found[0]

    def species(self, number: int) -> int:
        import h5py

        with h5py.File(self.io.filename) as file:
            return int((file["particles/atoms/species/value"][:] == number).any(axis=1).sum())


class H5mdPlain(H5md):
    """H5MD by znh5md with what suits random frames: no compression, a frame per chunk."""

    OPTIONS = {"compression": None, "chunk_size": (1, 100)}
