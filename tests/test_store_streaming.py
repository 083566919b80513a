"""Stores built in blocks: the same bytes as in one piece; opened without touching the data."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_stores import CLASSES, files_of, made, same_bits

from aldata import store
from aldata.artifacts.columns import Columns, Frames
from aldata.artifacts.frames import Configurations, Descriptors, Labels
from aldata.errors import InvalidInput
from aldata.store import metadata

FRAMES = {name: kind for name, kind in CLASSES.items() if issubclass(kind, Frames)}


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a page instead of a gigabyte, so that small arrays have several."""
    monkeypatch.setattr(metadata, "CHUNK_LIMIT", metadata.PAGE)


@pytest.mark.parametrize("kind", FRAMES)
def test_blocks_give_the_bytes_and_the_digest_of_one_piece(tmp_path: Path, kind: str) -> None:
    whole = made(FRAMES[kind], [3, 1, 0, 7, 2, 2])
    assert isinstance(whole, Frames)
    stated = store.write(tmp_path / "whole.zarr", whole)
    for cuts in ([6], [1, 2, 3, 4, 5, 6], [0, 2, 2, 5, 6]):
        path = tmp_path / "blocks.zarr"
        with store.writer(path, type(whole), whole.attributes) as out:
            for start, stop in zip([0, *cuts[:-1]], cuts, strict=True):
                out.append(whole.part(start, stop))
        assert out.digest == stated == whole.digest
        assert files_of(path) == files_of(tmp_path / "whole.zarr")


@pytest.mark.usefixtures("small_chunks")
def test_a_large_array_lies_in_several_chunks_and_is_one_map(tmp_path: Path) -> None:
    import zarr

    whole = made(Descriptors, [50] * 240, feature=16)
    with store.writer(tmp_path / "d.zarr", Descriptors, whole.attributes) as out:
        for block in whole.blocks(7):
            out.append(block)
    chunks = sorted((tmp_path / "d.zarr" / "descriptor" / "c").glob("*/0"))
    assert len(chunks) > 2
    again = store.read(tmp_path / "d.zarr", Descriptors)
    assert again.digest == out.digest == whole.digest
    assert same_bits(again, whole)
    assert not again.descriptor.flags.owndata
    assert str(chunks[-1]) in Path("/proc/self/maps").read_text()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = zarr.open_group(str(tmp_path / "d.zarr"), mode="r")["descriptor"]
    np.testing.assert_array_equal(seen[...], whole.descriptor)
    wasted = sum(chunk.stat().st_size for chunk in chunks) - whole.descriptor.nbytes
    assert 0 <= wasted < metadata.PAGE * 5


def test_chunks_of_a_gigabyte_join_on_pages_and_waste_little() -> None:
    for row_bytes in (1, 3, 4, 8, 24, 72, 48, 3420, 4004):
        for size in (2**30, 2**30 + 1, 3 * 2**30, 10**10):
            rows = size // row_bytes
            share = metadata.chunk_rows(rows, row_bytes)
            count = -(-rows // share)
            if rows * row_bytes <= 2**30:
                assert count == 1
                continue
            assert share * row_bytes % metadata.PAGE == 0
            assert share * row_bytes <= 2**30 + metadata.PAGE * row_bytes
            assert count * share * row_bytes < 1.15 * size


def test_attributes_may_be_completed_until_the_end(tmp_path: Path) -> None:
    whole = made(Configurations, [2], attributes={"late": [1, 2]})
    with store.writer(tmp_path / "c.zarr", Configurations, {}) as out:
        out.append(whole)
        out.attributes["late"] = [1, 2]
    assert out.digest == whole.digest == store.read(tmp_path / "c.zarr", Configurations).digest


def _write(path: Path, attributes: Mapping[str, Any], blocks: Iterable[Columns]) -> None:
    with store.writer(path, Descriptors, attributes) as out:
        for block in blocks:
            out.append(block)


def _broken_source() -> Iterator[Columns]:
    yield made(Descriptors, [2])
    raise FileNotFoundError("the source of the frames, not the store")


def test_what_goes_wrong_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "d.zarr"
    with pytest.raises(InvalidInput, match=r"rows of shape \(4,\)"):
        _write(path, {}, [made(Descriptors, [2], feature=3), made(Descriptors, [2], feature=4)])
    with pytest.raises(FileNotFoundError, match="the source"):
        _write(path, {}, _broken_source())
    with pytest.raises(InvalidInput, match="no block"):
        _write(path, {}, [])
    for attributes in ({"x": float("nan")}, {"x": {1, 2}}, {"x": {2: 0, 10: 0}}, {"x": "\ud800"}):
        with pytest.raises(InvalidInput, match="attributes cannot be stored"):
            _write(path, attributes, [made(Descriptors, [2])])
    assert list(tmp_path.iterdir()) == []


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_hundred_open_stores_hold_no_file_open(tmp_path: Path) -> None:
    store.write(tmp_path / "l.zarr", made(Labels, [2, 3]))
    before = _open_files()
    stores = [store.read(tmp_path / "l.zarr", Labels, check=False) for _ in range(100)]
    assert _open_files() == before
    assert len({id(each) for each in stores}) == 100


def test_opening_unchecked_reads_no_data_and_imports_no_zarr(tmp_path: Path) -> None:
    store.write(tmp_path / "l.zarr", made(Labels, [20] * 3000, seed=1))
    script = f"""
import sys
from pathlib import Path
from aldata import store
from aldata.artifacts.frames import Labels
labels = store.read(Path({str(tmp_path / "l.zarr")!r}), Labels, check=False)
assert len(labels) == 3000 and len(labels.digest) == 64
assert "zarr" not in sys.modules
smaps = Path("/proc/self/smaps").read_text().splitlines()
resident, name = dict(), ""
for line in smaps:
    if line[0].isdigit() or line[0] in "abcdef":
        name = line.split()[-1]
    if line.startswith("Rss:"):
        resident[name] = int(line.split()[1])
touched = [n.split("l.zarr/")[1] for n, kb in resident.items() if "l.zarr" in n and kb]
print(" ".join(touched))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["row_size/c/0"]


def test_parts_are_views_and_blocks_cover_all(tmp_path: Path) -> None:
    labels = made(Labels, [1, 0, 4, 2])
    assert isinstance(labels, Labels)
    assert np.shares_memory(labels.part(1, 3).forces, labels.forces)
    assert [len(block) for block in labels.blocks(3)] == [3, 1]
    assert same_bits(Labels.concatenate(list(labels.blocks(3)), labels.attributes), labels)
    assert same_bits(labels.part(2, 4), labels.take([2, 3]))
    assert same_bits(labels.part(-1, 9), labels.take([-1]))
    assert len(labels.part(3, 1)) == 0
    assert len(labels.take([])) == 0
