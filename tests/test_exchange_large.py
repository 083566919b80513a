"""Files larger than memory: whatever the format, a block of frames is in memory at a time."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aldata import exchange, store
from aldata.artifacts.frames import Labels
from aldata.errors import InvalidInput
from aldata.exchange import ase_db, h5md, parquet, reading

ENDINGS = [kind.suffixes[0] for kind in exchange.FORMATS.values()]
BLOCK = 8
GRID = np.stack(np.meshgrid(*[np.arange(4) * 2.6] * 3), axis=-1).reshape(-1, 3)
FRAME = 64 * (4 + 24 + 24)
"""Bytes of a frame: numbers, positions, forces."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (reading, h5md, parquet, ase_db):
        monkeypatch.setattr(module, "BLOCK", BLOCK)
    monkeypatch.setattr("aldata.store.column_file.BLOCK", 2**14)


def frames(count: int) -> Iterator[exchange.Frame]:
    rng = np.random.default_rng(0)
    for _ in range(count):
        values = {"energy": rng.normal(), "forces": rng.normal(size=GRID.shape)}
        positions = GRID + rng.normal(size=GRID.shape) / 20
        numbers, nowhere = np.full(64, 29), np.zeros((3, 3))
        yield exchange.Frame(numbers, positions, nowhere, np.zeros(3, dtype=bool), values)


def written(path: Path, count: int) -> Path:
    theory = exchange.stated_theory("PBE")
    exchange.write(path, exchange.own_statement(theory, None, {}), frames(count))
    return path


def peak(path: Path, out: Path) -> int:
    """The most memory that was used while a file became a store (bytes)."""
    tracemalloc.start()
    found = exchange.Reading(path, exchange.Request())
    with store.writer(out, found.kind, {}) as stream:
        for block in found.blocks():
            stream.append(block)
            gc.collect()  # ASE's frames hold themselves in circles
        stream.attributes |= found.attributes
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_is_read_in_blocks(tmp_path: Path, ending: str) -> None:
    first, small, large = (written(tmp_path / f"{n}{ending}", n) for n in (BLOCK, 24, 96))
    peak(first, tmp_path / "first.zarr")  # what is imported now is not the file's
    least = peak(small, tmp_path / "small.zarr")
    most = peak(large, tmp_path / "large.zarr")
    assert most - least < 72 * FRAME / 4
    labels = store.read(tmp_path / "large.zarr", Labels)
    assert len(labels) == 96
    for row, frame in enumerate(frames(96)):
        np.testing.assert_array_equal(labels.positions[labels.atoms_of(row)], frame.positions)
        np.testing.assert_array_equal(labels.forces[labels.atoms_of(row)], frame.values["forces"])


def test_a_problem_at_the_end_of_a_file_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[exchange.Frame]:
        *good, last = frames(50)
        yield from good
        yield exchange.Frame(last.numbers, last.positions, last.cell, last.pbc, {"energy": 1.0})

    path = tmp_path / "a.xyz"
    exchange.write(path, exchange.own_statement(exchange.stated_theory("a"), None, {}), broken())
    with pytest.raises(InvalidInput, match="frame 49 has no forces"):
        peak(path, tmp_path / "out.zarr")
    tracemalloc.stop()
    assert [p.name for p in tmp_path.iterdir()] == ["a.xyz"]


def test_frames_that_state_something_else_than_the_first(tmp_path: Path) -> None:
    first = written(tmp_path / "a.xyz", 2).read_text()
    other = first.replace("eV/angstrom", "Hartree/bohr").replace("aldata=", "other=")
    (tmp_path / "both.xyz").write_text(first + other)
    with pytest.raises(InvalidInput, match="its frames state different units"):
        exchange.read(tmp_path / "both.xyz", exchange.Request())
