"""What a wheel holds: everything that the program reads when it runs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TEMPLATE = ("dvc.yaml", "params.yaml", "pipelines", "plots")
"""What `aldata init` copies into a project."""


def tracked(*folders: str) -> list[str]:
    done = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--", *folders],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


def test_a_wheel_holds_the_library_the_viewer_and_the_template(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the wheel is built by hatchling")
    source = tmp_path / "source"
    for name in tracked():  # without what lies around
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert set(tracked("aldata")) <= held
    assert {f"aldata/template/{name}" for name in tracked(*TEMPLATE)} <= held
    assert "aldata/template/ethanol.xyz" in held
    for part in ("vendor/3Dmol-min.js", "vendor/3Dmol-LICENSE.txt", "page/page.html"):
        assert f"aldata/report/{part}" in held
