"""What machine learning keeps its samples in: LMDB with pickles, and Lance."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from store_data import FIELDS

from aldata.artifacts.frames import Labels
from store_ways.way import BLOCK, Arrays, Rows, total


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
        return sum(total(frame) for frame in self._frames(range(self.count)))

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
        return sum(total(self._arrays(block)) for block in batches)

    def column(self) -> Any:
        return self.dataset.to_table(columns=["energy"]).column("energy").to_numpy()

    def species(self, number: int) -> int:
        return int(self.dataset.count_rows(filter=f"array_has(numbers, {number})"))
