"""What ASE writes: its databases and extended XYZ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from store_data import as_atoms, of_atoms

from aldata.artifacts.frames import Labels
from store_ways.way import Arrays, Rows, total


class AseDatabase:
    """ASE's database: one row of JSON and blobs per frame."""

    SHARE = 0.1
    NAME = "frames.db"

    def __init__(self, folder: Path) -> None:
        self.database = self._connect(folder, readonly=True)

    @classmethod
    def _connect(cls, folder: Path, **options: Any) -> Any:
        from ase.db import connect

        folder.mkdir(exist_ok=True)
        return connect(folder / cls.NAME, **(options if cls.NAME.endswith("lmdb") else {}))

    @classmethod
    def write(cls, folder: Path, labels: Labels) -> None:
        with cls._connect(folder) as database:
            for frame in as_atoms(labels):
                database.write(frame)

    @classmethod
    def append(cls, folder: Path, labels: Labels) -> None:
        cls.write(folder, labels)

    def _row(self, row: int) -> Any:
        return self.database.get(id=row + 1)

    def batch(self, rows: Rows) -> Arrays:
        return of_atoms([self._row(int(row)).toatoms() for row in rows])

    def scan(self) -> float:
        return sum(total(of_atoms([row.toatoms()])) for row in self.database.select())

    def column(self) -> Any:
        return np.array([row.energy for row in self.database.select()])

    def species(self, number: int) -> int:
        from ase.data import chemical_symbols

        return int(self.database.count(chemical_symbols[number]))


class Aselmdb(AseDatabase):
    """ASE's database in LMDB, which fairchem reads by row number."""

    NAME = "frames.aselmdb"

    def _row(self, row: int) -> Any:
        return self.database._get_row(row + 1)


class Extxyz:
    """Extended XYZ: text without an index, so a batch reads the file."""

    SHARE = 0.02

    def __init__(self, folder: Path) -> None:
        self.path = folder / "frames.xyz"

    @staticmethod
    def write(folder: Path, labels: Labels) -> None:
        from ase.io import write

        folder.mkdir(exist_ok=True)
        write(folder / "frames.xyz", as_atoms(labels), format="extxyz", append=True)

    append = write

    def _frames(self) -> Iterator[Any]:
        from ase.io import iread

        return iread(self.path, ":", format="extxyz")

    def batch(self, rows: Rows) -> Arrays:
        frames = list(self._frames())
        return of_atoms([frames[row] for row in rows])

    def scan(self) -> float:
        return sum(total(of_atoms([frame])) for frame in self._frames())

    def column(self) -> Any:
        return np.array([frame.get_potential_energy() for frame in self._frames()])

    def species(self, number: int) -> int:
        return sum((frame.numbers == number).any() for frame in self._frames())
