"""Ways to keep labelled frames on disk, each used as its own documentation recommends.

A way is a class with the same six verbs: `write` and `append` make files below a folder; an instance
is the opened store and answers `batch` (arrays of FIELDS of some rows), `scan` (the sum of all
energies and force components, everything read), `column` (the energies of all frames) and `species`
(how many frames contain an element).
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from store_data import FIELDS, add_generation, as_atoms, of_atoms

from aldata.artifacts.frames import Labels

Rows = npt.NDArray[np.int64]
Arrays = dict[str, Any]
BLOCK = 1000


class Way(Protocol):
    """An opened store."""

    SHARE: float
    """Share of the frames that this way gets: below 1 for the slow ones."""

    def __init__(self, folder: Path) -> None: ...

    @staticmethod
    def write(folder: Path, labels: Labels) -> None: ...

    @staticmethod
    def append(folder: Path, labels: Labels) -> None: ...

    def batch(self, rows: Rows) -> Arrays: ...

    def scan(self) -> float: ...

    def column(self) -> Any: ...

    def species(self, number: int) -> int: ...


def _total(block: Arrays) -> float:
    return float(
        block["energy"].sum()
        + block["forces"].sum()
        + 0.0 * sum(block[name].sum() for name in FIELDS if name not in ("energy", "forces"))
    )


def _frames_with(numbers: Any, row_size: Any, number: int) -> int:
    frame_of_atom = np.repeat(np.arange(len(row_size)), row_size)
    return len(np.unique(frame_of_atom[np.flatnonzero(numbers == number)]))


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
        total, begin = 0.0, 0
        for row in range(0, len(self.ends), BLOCK):
            end = int(self.ends[min(row + BLOCK, len(self.ends)) - 1])
            total += _total(
                {
                    name: self.arrays[name][begin:end]
                    if name in ("numbers", "positions", "forces")
                    else self.arrays[name][row : row + BLOCK]
                    for name in FIELDS
                }
            )
            begin = end
        return total

    def column(self) -> Any:
        return self.arrays["energy"] + 0.0

    def species(self, number: int) -> int:
        return _frames_with(self.arrays["numbers"], self.arrays["row_size"], number)


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
        return sum(_total(block) for block in self.frames.batches(BLOCK, columns=FIELDS))

    def column(self) -> Any:
        return self.frames.column("energy") + 0.0

    def species(self, number: int) -> int:
        return _frames_with(self.frames.column("numbers"), self.frames.column("row_size"), number)


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
        return sum(_total(block.arrays) for block in self.labels.blocks(BLOCK))

    def column(self) -> Any:
        return self.labels.energy + 0.0

    def species(self, number: int) -> int:
        return _frames_with(self.labels.numbers, self.labels.row_size, number)


class Lmdb:
    """A pickled dictionary of arrays per frame in LMDB, as many machine-learning data sets are kept."""

    SHARE = 1.0

    def __init__(self, folder: Path) -> None:
        import lmdb

        self.environment = lmdb.open(
            str(folder / "frames.lmdb"), subdir=False, readonly=True, lock=False, readahead=False
        )
        self.count = self.environment.stat()["entries"]

    @staticmethod
    def write(folder: Path, labels: Labels, first: int = 0) -> None:
        import lmdb

        folder.mkdir(exist_ok=True)
        environment = lmdb.open(
            str(folder / "frames.lmdb"), subdir=False, map_size=2**40, lock=False
        )
        with environment.begin(write=True) as transaction:
            for row in range(len(labels)):
                frame = {
                    name: values[0] if name in ("cell", "pbc", "energy", "stress") else values
                    for name, values in labels.part(row, row + 1).arrays.items()
                    if name in FIELDS
                }
                transaction.put(b"%09d" % (first + row), pickle.dumps(frame, protocol=5))
        environment.close()

    @staticmethod
    def append(folder: Path, labels: Labels) -> None:
        Lmdb.write(folder, labels, Lmdb(folder).count)

    def _frames(self, rows: Any) -> Iterator[Arrays]:
        with self.environment.begin(buffers=True) as transaction:
            for row in rows:
                yield pickle.loads(transaction.get(b"%09d" % row))

    def batch(self, rows: Rows) -> Arrays:
        frames = list(self._frames(rows))
        joined = {
            name: np.concatenate([f[name] for f in frames])
            for name in ("row_size", "numbers", "positions", "forces")
        }
        return joined | {
            name: np.array([f[name] for f in frames])
            for name in ("cell", "pbc", "energy", "stress")
        }

    def scan(self) -> float:
        return sum(_total(frame) for frame in self._frames(range(self.count)))

    def column(self) -> Any:
        return np.array([frame["energy"] for frame in self._frames(range(self.count))])

    def species(self, number: int) -> int:
        return sum((f["numbers"] == number).any() for f in self._frames(range(self.count)))


class Lance:
    """Lance, a columnar format made for random access: per-atom quantities are lists."""

    SHARE = 1.0

    def __init__(self, folder: Path) -> None:
        import lance

        self.dataset = lance.dataset(str(folder / "frames.lance"))

    @staticmethod
    def write(folder: Path, labels: Labels, mode: str = "create") -> None:
        import lance
        import pyarrow as pa

        def ragged(values: Any, width: int) -> Any:
            return pa.ListArray.from_arrays(
                pa.array(labels.offsets * width, pa.int32()), pa.array(values.reshape(-1))
            )

        def fixed(values: Any) -> Any:
            flat = values.reshape(len(labels), -1)
            return pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])

        table = pa.table(
            {
                "row_size": labels.row_size,
                "numbers": ragged(labels.numbers, 1),
                "positions": ragged(labels.positions, 3),
                "forces": ragged(labels.forces, 3),
                "cell": fixed(labels.cell),
                "pbc": fixed(labels.pbc),
                "energy": labels.energy,
                "stress": fixed(labels.stress),
            }
        )
        lance.write_dataset(table, str(folder / "frames.lance"), mode=mode)

    @staticmethod
    def append(folder: Path, labels: Labels) -> None:
        Lance.write(folder, labels, "append")

    @staticmethod
    def _arrays(table: Any) -> Arrays:
        shapes = {
            "positions": (-1, 3),
            "forces": (-1, 3),
            "cell": (-1, 3, 3),
            "pbc": (-1, 3),
            "stress": (-1, 6),
        }
        found = {}
        for name in FIELDS:
            column = table.column(name)
            column = column.combine_chunks() if hasattr(column, "combine_chunks") else column
            if name in ("row_size", "energy"):
                found[name] = column.to_numpy()
            else:
                flat = column.flatten().to_numpy(zero_copy_only=False)
                found[name] = flat.reshape(shapes.get(name, (-1,)))
        return found

    def batch(self, rows: Rows) -> Arrays:
        return self._arrays(self.dataset.take(rows, columns=list(FIELDS)))

    def scan(self) -> float:
        batches = self.dataset.to_batches(columns=list(FIELDS), batch_size=BLOCK)
        return sum(_total(self._arrays(block)) for block in batches)

    def column(self) -> Any:
        return self.dataset.to_table(columns=["energy"]).column("energy").to_numpy()

    def species(self, number: int) -> int:
        return int(self.dataset.count_rows(filter=f"array_has(numbers, {number})"))


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
        return sum(_total(of_atoms([row.toatoms()])) for row in self.database.select())

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
        return sum(_total(of_atoms(block)) for block in self._blocks())

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
        return sum(_total(of_atoms([frame])) for frame in self._frames())

    def column(self) -> Any:
        return np.array([frame.get_potential_energy() for frame in self._frames()])

    def species(self, number: int) -> int:
        return sum((frame.numbers == number).any() for frame in self._frames())


WAYS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "np.memmap": (Memmap, ()),
    "aldata": (Archive, ()),
    "aldata store": (Store, ()),
    "LMDB+pickle": (Lmdb, ("lmdb",)),
    "Lance": (Lance, ("lance",)),
    "aselmdb": (Aselmdb, ("ase_db_backends", "lmdb")),
    "H5MD": (H5md, ("znh5md",)),
    "H5MD plain": (H5mdPlain, ("znh5md",)),
    "ASE sqlite": (AseDatabase, ()),
    "extxyz": (Extxyz, ()),
}
"""Every way and the packages that it needs beside aldata's own."""
