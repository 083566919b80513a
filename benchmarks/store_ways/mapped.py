"""Columns as maps of files: NumPy's, and aldata's two."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from store_data import FIELDS, add_generation

from aldata.artifacts.frames import Labels
from store_ways.way import BLOCK, Arrays, Rows, frames_with, total


class Memmap:
    """One raw file per column and nothing else: what no store can beat."""

    SHARE = 1.0

    def __init__(self, folder: Path) -> None:
        shapes = pickle.loads((folder / "g000" / "shapes").read_bytes())
        self.arrays = {
            name: np.asarray(np.memmap(folder / "g000" / name, dtype, "r", shape=shape))
            for name, (dtype, shape) in shapes.items()
        }
        self.ends = np.cumsum(self.arrays["row_size"])

    @staticmethod
    def write(folder: Path, labels: Labels, name: str = "g000") -> None:
        (folder / name).mkdir(parents=True)
        for column, array in labels.arrays.items():
            array.tofile(folder / name / column)
        shapes = {n: (a.dtype.str, a.shape) for n, a in labels.arrays.items()}
        (folder / name / "shapes").write_bytes(pickle.dumps(shapes))

    @staticmethod
    def append(folder: Path, labels: Labels) -> None:
        Memmap.write(folder, labels, "g001")

    def batch(self, rows: Rows) -> Arrays:
        sizes = self.arrays["row_size"][rows]
        ends = np.cumsum(sizes)
        atoms = np.arange(ends[-1]) + np.repeat(self.ends[rows] - ends, sizes)
        return {
            name: self.arrays[name].take(
                atoms if name in ("numbers", "positions", "forces") else rows, axis=0
            )
            for name in FIELDS
        }

    def scan(self) -> float:
        found, begin = 0.0, 0
        for row in range(0, len(self.ends), BLOCK):
            end = int(self.ends[min(row + BLOCK, len(self.ends)) - 1])
            found += total(
                {
                    name: self.arrays[name][begin:end]
                    if name in ("numbers", "positions", "forces")
                    else self.arrays[name][row : row + BLOCK]
                    for name in FIELDS
                }
            )
            begin = end
        return found

    def column(self) -> Any:
        return self.arrays["energy"] + 0.0

    def species(self, number: int) -> int:
        return frames_with(self.arrays["numbers"], self.arrays["row_size"], number)


class Archive:
    """aldata as users open it: `aldata.open` on a project with one generation."""

    SHARE = 1.0

    def __init__(self, folder: Path) -> None:
        import aldata

        self.frames = aldata.open("labels", "seed", root=folder)

    @staticmethod
    def write(folder: Path, labels: Labels) -> None:
        add_generation(folder, "seed", labels, None)

    @staticmethod
    def append(folder: Path, labels: Labels) -> None:
        from aldata import store
        from aldata.artifacts.documents import Manifest

        parent = store.read_document(folder / "generations/seed/dataset.json", Manifest)
        add_generation(folder, "g000", labels, parent)

    def batch(self, rows: Rows) -> Arrays:
        return self.frames.take(rows, FIELDS)

    def scan(self) -> float:
        return sum(total(block) for block in self.frames.batches(BLOCK, columns=FIELDS))

    def column(self) -> Any:
        return self.frames.column("energy") + 0.0

    def species(self, number: int) -> int:
        return frames_with(self.frames.column("numbers"), self.frames.column("row_size"), number)


class Store:
    """aldata's store alone, as the stages use it; a batch has all 19 columns, checked shapes too."""

    SHARE = 1.0

    def __init__(self, folder: Path) -> None:
        from aldata import store

        self.labels = store.read(folder / "g000.zarr", Labels, check=False)

    @staticmethod
    def write(folder: Path, labels: Labels, name: str = "g000.zarr") -> None:
        from aldata import store

        store.write(folder / name, labels)

    @staticmethod
    def append(folder: Path, labels: Labels) -> None:
        Store.write(folder, labels, "g001.zarr")

    def batch(self, rows: Rows) -> Arrays:
        return self.labels.take(rows).arrays

    def scan(self) -> float:
        return sum(total(block.arrays) for block in self.labels.blocks(BLOCK))

    def column(self) -> Any:
        return self.labels.energy + 0.0

    def species(self, number: int) -> int:
        return frames_with(self.labels.numbers, self.labels.row_size, number)
