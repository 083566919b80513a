"""This zarr and the newest one on a newer Python read each other's stores, bit for bit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DRIVER = Path(__file__).with_name("zarr_driver.py")
NEEDED = ("zarr", "numpy>=2", "pydantic>=2.10", "pyyaml")
"""What aldata's store needs of its dependencies; the others need not exist for the newest Python."""


def _interpreters() -> Iterator[Path]:
    """Where other Pythons may be: on PATH, and those of pyenv and uv."""
    here = sys.version_info.minor
    for minor in range(here + 5, here, -1):
        if found := shutil.which(f"python3.{minor}"):
            yield Path(found)
        root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
        yield from sorted(root.glob(f"versions/3.{minor}.*/bin/python"), reverse=True)
        if shutil.which("uv"):
            command = ["uv", "python", "find", f"3.{minor}"]
            found = subprocess.run(command, capture_output=True, text=True).stdout.strip()
            yield from [Path(found)] if found else []


def _is_newer(python: Path) -> bool:
    """Whether it runs (pyenv's shims may not) and is newer than this one."""
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    found = tuple(map(int, done.stdout.split())) if done.returncode == 0 else (0, 0)
    return found > sys.version_info[:2]


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newer Python with the newest zarr that it takes, in an environment of its own."""
    python = next((path for path in _interpreters() if _is_newer(path)), None)
    if python is None:
        pytest.skip("no Python newer than this one: not on PATH, nor of pyenv or uv")
    folder = tmp_path_factory.mktemp("newer")
    subprocess.run([python, "-m", "venv", folder], check=True)
    inside = folder / "bin" / "python"
    command = [inside, "-m", "pip", "install", "--quiet", "--upgrade", *NEEDED]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"zarr cannot be installed for {python}: {done.stderr.strip()[-300:]}")
    return inside


def _driven(python: Path, step: str, folder: Path) -> dict[str, Any]:
    path = os.pathsep.join([str(ROOT), str(DRIVER.parent)])
    done = subprocess.run(
        [python, DRIVER, step, folder],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("newer_writes", [False, True])
def test_two_versions_of_zarr_read_each_other(
    newer: Path, tmp_path: Path, newer_writes: bool
) -> None:
    pythons = (newer, Path(sys.executable)) if newer_writes else (Path(sys.executable), newer)
    written = _driven(pythons[0], "write", tmp_path)
    read = _driven(pythons[1], "read", tmp_path)
    for step, found in (("written", written), ("read", read)):
        print(f"{step} by zarr {found['zarr']}, Python {found['python']}")
    assert written["python"] != read["python"]
    assert set(read["stores"]) == set(written["stores"])
    for name, readers in read["stores"].items():
        for reader, found in readers.items():
            assert found == written["stores"][name], f"{name} read by {reader}"
