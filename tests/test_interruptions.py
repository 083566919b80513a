"""kill -9 of a stage and of dvc itself, in the middle of real `dvc repro`: nothing lost or repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from ase.build import bulk
from conftest import EMT_TEST
from projects import Project, made

from aldata.artifacts.frames import Labels

ORACLE = '''
import os, time
from ase.calculators.emt import EMT

class Slow(EMT):
    """EMT that takes its time, and writes down when a calculation begins and ends."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        name = f"{atoms.positions.tobytes().hex()[-40:]}{len(atoms)}"
        self.note("begin", name)
        time.sleep(0.4)
        super().calculate(atoms, properties, system_changes)
        self.note("end", name)

    @staticmethod
    def note(what, name):
        with open(os.environ["ALDATA_TEST_NOTES"], "a") as stream:
            stream.write(f"{what} {name}\\n")
'''


@pytest.fixture
def slow(tmp_path: Path) -> Project:
    atoms = bulk("Au", "fcc", a=4.0, cubic=True)
    atoms.symbols[0] = "Cu"
    atoms.write(tmp_path / "cell.xyz")
    oracle = {"name": "ase", "settings": {"calculator": "slow_oracle.Slow", "keywords": {}}}
    values = {"oracle": oracle, "seed.test": {**EMT_TEST, "frames": 2}, "acquire.batch": 16}
    project = made(tmp_path / "project", tmp_path / "cell.xyz", values, 1)
    (project.root / "slow_oracle.py").write_text(ORACLE)
    return project


def _environment(project: Project) -> dict[str, str]:
    return project.environment(
        PYTHONPATH=str(project.root), ALDATA_TEST_NOTES=str(project.root / "notes.txt")
    )


def _notes(project: Project) -> list[str]:
    path = project.root / "notes.txt"
    return path.read_text().splitlines() if path.exists() else []


def _survivors(project: Project) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) == project.root and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, what
        time.sleep(0.05)


@pytest.mark.parametrize("victim", ["dvc", "stage"])
def test_killed_and_started_again(slow: Project, victim: str) -> None:
    environment = _environment(slow)
    calls = slow.root / ".aldata" / "ledger" / "calls"
    process = subprocess.Popen(
        ["dvc", "repro", "label@g000"],
        cwd=slow.root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _wait(lambda: len(list(calls.glob("*/*.json"))) >= 8, 120, "the label stage never began")
    if victim == "dvc":
        os.kill(process.pid, signal.SIGKILL)
    else:
        stages = [p for p in _survivors(slow) if "pipelines.label" in p.cmdline()]
        assert stages
        for stage in stages:
            stage.kill()
    process.wait()
    _wait(lambda: not _survivors(slow), 15, f"orphans: {_survivors(slow)}")
    ended = {path.stem: path.stat().st_mtime_ns for path in calls.glob("*/*.json")}
    written = len(_notes(slow))
    time.sleep(1.0)
    assert len(_notes(slow)) == written, "an orphan goes on writing"
    assert len(ended) < 20, "the kill came too late to show anything"

    done = subprocess.run(
        ["dvc", "repro", "label@g000"],
        cwd=slow.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    again = {path.stem: path.stat().st_mtime_ns for path in calls.glob("*/*.json")}
    assert {call: again[call] for call in ended} == ended
    labels = slow.read(Labels, "g000")
    assert labels.accepted.all()
    assert len(labels) == 16
    ends = Counter(line.split()[1] for line in _notes(slow) if line.startswith("end"))
    # A calculation may have ended, and its process been killed before it could store the result.
    assert sum(count - 1 for count in ends.values()) <= 2
    assert len(ends) >= 16
