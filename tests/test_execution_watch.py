"""Nothing survives the process it works for: real processes, really killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from test_execution_keeper import assert_gone

from aldata.execution import ProcessMark
from aldata.execution.watch import _is_interactive_shell, _runs

WRITES = "from trial_jobs import writes_for_ever; from pathlib import Path; import sys\n"
STAGE = (
    "from aldata.execution import die_with_ancestors\ndie_with_ancestors('dvc')\n"
    + WRITES
    + "writes_for_ever(Path(sys.argv[1]))\n"
)
DVC = "import subprocess, sys\nsubprocess.run(' '.join(sys.argv[1:]), shell=True)\n"
DRIVER = (
    "from aldata.execution import ClusterSettings, run\n"
    + WRITES
    + "if __name__ == '__main__':\n"
    + "    run(writes_for_ever, [Path(sys.argv[1])] * 2, ClusterSettings(workers=2), title='t')\n"
)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def writers(path: Path, number: int) -> list[int]:
    """Pids of the processes that write into the file, once there are so many."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = set(path.read_text().split()) if path.exists() else set()
        if len(found) >= number:
            return [int(pid) for pid in found]
        time.sleep(0.05)
    raise AssertionError(f"fewer than {number} processes write")


def assert_still(path: Path) -> None:
    before = path.read_text()
    time.sleep(0.5)
    assert path.read_text() == before


@pytest.mark.parametrize("victim", ["dvc", "shell"])
def test_a_stage_dies_with_dvc_though_a_shell_is_in_between(tmp_path: Path, victim: str) -> None:
    (tmp_path / "dvc").write_text(DVC)
    (tmp_path / "stage.py").write_text(STAGE)
    out = tmp_path / "out"
    # the shell has something to do afterwards, so that it does not become the stage
    command = f"{sys.executable} {tmp_path / 'stage.py'} {out}; true"
    dvc = subprocess.Popen(
        [sys.executable, str(tmp_path / "dvc"), command], env=environment(), cwd=tmp_path
    )
    (stage,) = writers(out, 1)
    shell = psutil.Process(stage).ppid()
    assert psutil.Process(shell).ppid() == dvc.pid
    os.kill(dvc.pid if victim == "dvc" else shell, signal.SIGKILL)
    assert_gone(stage)
    assert_still(out)
    dvc.wait(10)


def test_without_dvc_the_direct_parent_counts(tmp_path: Path) -> None:
    (tmp_path / "stage.py").write_text(STAGE)
    (tmp_path / "parent.py").write_text(DVC)
    command = f"exec {sys.executable} {tmp_path / 'stage.py'} {tmp_path / 'out'}"
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py"), command], env=environment(), cwd=tmp_path
    )
    (stage,) = writers(tmp_path / "out", 1)
    parent.kill()
    assert_gone(stage)
    parent.wait(10)


def test_kill_9_of_the_driver_leaves_no_worker_behind(tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)
    out = tmp_path / "out"
    driver = subprocess.Popen(
        [sys.executable, str(tmp_path / "driver.py"), str(out)],
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    workers = writers(out, 2)
    family = [p.pid for p in psutil.Process(driver.pid).children(recursive=True)]
    assert set(workers) <= set(family)
    driver.kill()
    assert_gone(*family)
    assert_still(out)
    driver.wait(10)


def test_a_reused_pid_is_another_process() -> None:
    here = ProcessMark.of()
    assert here.alive
    assert not ProcessMark(here.pid, here.created - 1).alive
    child = subprocess.Popen([sys.executable, "-c", ""])
    child_mark = ProcessMark.of(child.pid)
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not child_mark.alive  # ended, though nobody has waited for it
    child.wait()
    with pytest.raises(ProcessLookupError):
        ProcessMark.of(child.pid)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["/usr/bin/python3", "/home/me/venv/bin/dvc", "repro"], True),
        (["dvc", "repro"], True),
        (["python", "-m", "dvc", "repro"], True),
        (["python", "-X", "utf8", "-m", "aldata.store.dvc", "repro"], True),
        (["python", "-m", "pytest", "dvc"], False),
        (["python", "-m"], False),
        (["/bin/sh", "-c", "python -m pipelines.label g000"], False),
        (["/home/me/dvc/bin/python", "-m", "pytest"], False),
        (["vim", "dvc.yaml"], False),
        ([], False),
    ],
)
def test_a_program_is_told_from_a_path(command: list[str], expected: bool) -> None:
    assert _runs(command, "dvc") is expected


def test_a_shell_with_a_task_is_not_interactive() -> None:
    assert _is_interactive_shell(["-bash"])
    assert _is_interactive_shell(["/bin/zsh", "-i"])
    assert not _is_interactive_shell(["sh", "-c", "python stage.py"])
    assert not _is_interactive_shell(["bash", "run.sh"])
    assert not _is_interactive_shell(["python", "driver.py"])
