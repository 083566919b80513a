"""What happens to stores when processes are killed, disks refuse, and bytes change."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_stores import CLASSES, made

from aldata import store
from aldata.artifacts.frames import Labels
from aldata.artifacts.schema import SCHEMA_VERSION
from aldata.errors import DamagedArtifact
from aldata.store import sealing

DRIVER = Path(__file__).with_name("store_driver.py")


def _driven(trial: str, folder: Path, how: str = "-") -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, str(DRIVER), trial, str(folder), how], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, int] = json.loads(done.stdout)
    return outcomes


@pytest.mark.parametrize("way", ["write", "writer", "write_json"])
def test_killed_at_any_time_leaves_the_old_or_the_new(tmp_path: Path, way: str) -> None:
    outcomes = _driven("kill_at_random", tmp_path, way)
    assert sum(outcomes.values()) >= 50
    assert set(outcomes) == {"old", "new"}


@pytest.mark.parametrize("way", ["write", "write_json"])
def test_killed_at_every_step_leaves_the_old_or_the_new(tmp_path: Path, way: str) -> None:
    outcomes = _driven("kill_at_every_step", tmp_path, way)
    assert outcomes["old"] > (50 if way == "write" else 4)
    assert outcomes["new"] >= 2


def test_two_writers_of_one_path_and_a_reader_see_whole_stores(tmp_path: Path) -> None:
    outcomes = _driven("race", tmp_path)
    assert outcomes["first"] > 0
    assert outcomes["second"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["labels.zarr"]


def test_two_writers_of_one_generation_do_not_meet(tmp_path: Path) -> None:
    assert _driven("neighbours", tmp_path) == {"whole": 2}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr"]


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    def leave(name: str, age: float) -> Path:
        left = tmp_path / f".labels.zarr.{name}.tmp"
        (left / "forces").mkdir(parents=True)
        (left / "forces" / "half").write_text("x")
        changed = left.stat().st_mtime - age
        os.utime(left, (changed, changed))
        return left

    dead, young = leave("dead", 2 * sealing.ABANDONED_AFTER), leave("young", 0.0)
    busy, other = leave("busy", 2 * sealing.ABANDONED_AFTER), tmp_path / ".other.zarr.x.tmp"
    other.mkdir()
    os.utime(other, (0, 0))
    handle = os.open(busy, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    store.write(tmp_path / "labels.zarr", made(Labels, [1]))
    os.close(handle)
    assert not dead.exists()
    assert young.exists()
    assert busy.exists()
    assert other.exists()


def _mounted(trial: str, folder: Path, options: str) -> dict[str, int]:
    """Run a trial in a small file system of its own, which ends with the process."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    mount = f"mount -t tmpfs -o {options} tmpfs {folder}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("this user may not mount file systems")
    command = f"{mount} && exec {sys.executable} {DRIVER} {trial} {folder} -"
    done = subprocess.run(["unshare", "-m", "sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, int] = json.loads(done.stdout)
    return outcomes


@pytest.mark.parametrize(
    ("options", "message"),
    [("size=200k", "No space left on device"), ("ro", "Read-only file system")],
)
def test_full_and_read_only_disks_give_one_error_and_keep_nothing(
    tmp_path: Path, options: str, message: str
) -> None:
    outcomes = _mounted("refused", tmp_path, options)
    (error,) = (text for text in outcomes if text != "left")
    assert f"{tmp_path / 'labels.zarr'}: could not be written: {message}" in error
    assert "free disk space or make the folder writable" in error
    assert outcomes["left"] == 0


def test_a_file_that_may_not_grow_gives_the_same_error(tmp_path: Path) -> None:
    outcomes = _driven("refused", tmp_path, "limit")
    assert any("could not be written: File too large" in text for text in outcomes)
    assert outcomes["left"] == 0


@pytest.mark.parametrize("kind", CLASSES)
def test_a_changed_byte_in_any_array_is_found_and_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.zarr"
    store.write(path, made(CLASSES[kind], [3, 1, 2]))
    for name in CLASSES[kind].names():
        (chunk,) = (file for file in (path / name / "c").rglob("*") if file.is_file())
        sealed = chunk.read_bytes()
        for place in (0, len(sealed) // 2, len(sealed) - 1):
            changed = bytearray(sealed)
            changed[place] ^= 1
            chunk.write_bytes(changed)
            with pytest.raises(DamagedArtifact, match="not what was sealed") as caught:
                store.read(path, CLASSES[kind])
            assert str(path) in str(caught.value)
            assert f" {name} " in caught.value.what
        for truncated in (sealed[:-1], sealed + b"x", b""):
            chunk.write_bytes(truncated)
            with pytest.raises(DamagedArtifact, match="bytes long") as caught:
                store.read(path, CLASSES[kind], check=False)
            assert f"'{name}'" in str(caught.value)
        chunk.write_bytes(sealed)
    store.read(path, CLASSES[kind])


def test_a_changed_bit_in_any_metadata_is_found(tmp_path: Path) -> None:
    path = tmp_path / "labels.zarr"
    store.write(path, made(Labels, [3, 1, 2], attributes={"theory_id": "é"}))
    files = [path / "zarr.json", path / "forces" / "zarr.json"]
    for file in files:
        sealed = file.read_bytes()
        for place in range(0, len(sealed), 23):
            changed = bytearray(sealed)
            changed[place] ^= 1 << (place % 8)
            file.write_bytes(changed)
            with pytest.raises(DamagedArtifact) as caught:
                store.read(path, Labels)
            assert str(path) in str(caught.value)
        file.unlink()
        with pytest.raises(DamagedArtifact):
            store.read(path, Labels)
        file.write_bytes(sealed)
    store.read(path, Labels)


def test_swapped_files_are_found_and_both_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.zarr"
    store.write(path, made(Labels, [3, 1, 2]))
    one, two = path / "forces" / "c" / "0" / "0", path / "positions" / "c" / "0" / "0"
    forces, positions = one.read_bytes(), two.read_bytes()
    one.write_bytes(positions)
    two.write_bytes(forces)
    with pytest.raises(DamagedArtifact, match="positions, forces differ"):
        store.read(path, Labels)


def test_a_newer_schema_is_refused_with_its_version_checked_or_not(tmp_path: Path) -> None:
    path = tmp_path / "labels.zarr"
    store.write(path, made(Labels, [1]))
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"]["aldata_schema"] = SCHEMA_VERSION + 1
    root["consolidated_metadata"] = {"kind": "of a later version"}
    (path / "zarr.json").write_text(json.dumps(root))
    for check in (True, False):
        with pytest.raises(DamagedArtifact, match=f"schema version {SCHEMA_VERSION + 1}") as caught:
            store.read(path, Labels, check=check)
        assert "pip install --upgrade aldata" in str(caught.value)
