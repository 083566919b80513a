"""One call at a time in a process of its own, whatever that process does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import trial_jobs

from aldata.errors import LedgerError
from aldata.execution import Keeper


@pytest.fixture
def keeper():
    with Keeper() as keeper:
        yield keeper


def test_a_value_comes_back_from_another_process(keeper: Keeper) -> None:
    large = list(range(100_000))  # more than a pipe holds
    ending = keeper.call(trial_jobs.returned, large)
    assert (ending.how, ending.exit_code) == ("returned", 0)
    assert ending.value == large


def test_an_error_comes_back_as_it_is(keeper: Keeper) -> None:
    ending = keeper.call(trial_jobs.raised, "no room")
    assert ending.how == "raised"
    assert type(ending.value) is LedgerError
    assert ending.value.what == "no room"


def test_a_crash_is_told_from_an_exit_and_stops_nothing(keeper: Keeper) -> None:
    crash = keeper.call(trial_jobs.segfaulted, None)
    assert (crash.how, crash.exit_code) == ("died", -signal.SIGSEGV)
    left = keeper.call(trial_jobs.left, 7)
    assert (left.how, left.exit_code) == ("died", 7)
    assert keeper.call(trial_jobs.returned, 1).value == 1


def test_what_cannot_be_imported_is_an_error_not_the_end(keeper: Keeper) -> None:
    trial_jobs.returned.__module__ = "no_such_module"
    sys.modules["no_such_module"] = trial_jobs
    try:
        assert isinstance(keeper.call(trial_jobs.returned, 1).value, ModuleNotFoundError)
    finally:
        trial_jobs.returned.__module__ = "trial_jobs"
        del sys.modules["no_such_module"]
    assert keeper.call(trial_jobs.returned, 1).value == 1


def test_cpu_seconds_are_those_of_the_call(keeper: Keeper) -> None:
    assert keeper.call(trial_jobs.burnt, 0.3).cpu_seconds == pytest.approx(0.33, abs=0.06)
    assert keeper.call(trial_jobs.returned, 1).cpu_seconds < 0.1


def test_the_clock_begins_when_the_call_says_so(keeper: Keeper) -> None:
    ending = keeper.call(trial_jobs.waited_then_began, 1.0, time_limit=0.7)
    assert ending.value == "done"
    assert ending.wall_seconds < 0.7


def test_the_time_limit_ends_a_call_and_its_children(keeper: Keeper, tmp_path: Path) -> None:
    begun = time.monotonic()
    ending = keeper.call(trial_jobs.hung_with_a_child, tmp_path / "pids", time_limit=1.0)
    assert ending.how == "time_limit"
    assert 1.0 <= time.monotonic() - begun < 10.0
    assert_gone(*pids_in(tmp_path / "pids"))
    assert keeper.call(trial_jobs.returned, 1).value == 1


OWNER = """
import sys, pathlib, trial_jobs
from aldata.execution import Keeper
Keeper().call(trial_jobs.hung_with_a_child, pathlib.Path(sys.argv[1]))
"""


@pytest.mark.parametrize("victim", ["owner", "keeper"])
def test_kill_9_leaves_no_call_behind(tmp_path: Path, victim: str) -> None:
    pids = tmp_path / "pids"
    path = os.pathsep.join(p for p in sys.path if p)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(pids)], env={**os.environ, "PYTHONPATH": path}
    )
    call, child = pids_in(pids)
    keeper = psutil.Process(call).ppid()
    assert psutil.Process(keeper).ppid() == owner.pid
    os.kill(owner.pid if victim == "owner" else keeper, signal.SIGKILL)
    assert_gone(call, child, keeper)
    owner.wait(20)


def pids_in(path: Path) -> list[int]:
    """The pids in a file that is about to be written."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if path.exists() and len(path.read_text().split()) == 2:
            return [int(word) for word in path.read_text().split()]
        time.sleep(0.02)
    raise AssertionError("the call has not begun")


def assert_gone(*pids: int) -> None:
    """All these processes end within a few seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end and any(is_alive(pid) for pid in pids):
        time.sleep(0.02)
    assert [pid for pid in pids if is_alive(pid)] == []


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
