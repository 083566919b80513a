"""Workers and their nannies that end, do not start or do not come back: replaced, or one error."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import trial_jobs

from aldata.errors import ClusterFailed
from aldata.execution import ClusterSettings, Needs, run
from aldata.execution.kinds import KINDS, local

TWO = ClusterSettings(workers=2)


@pytest.fixture
def sites(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The local sites that are opened during the test."""
    opened: list[Any] = []

    @contextlib.contextmanager
    def opening(settings: ClusterSettings, needs: Needs, jobs: int) -> Iterator[Any]:
        with local.open_local(settings, needs, jobs) as site:
            opened.append(site)
            yield site

    monkeypatch.setitem(KINDS, "local", opening)
    return opened


@contextlib.contextmanager
def killing(most: int, how: int = signal.SIGKILL) -> Iterator[set[int]]:
    """Kill workers that this process starts meanwhile, as early as they are seen; their pids."""
    others = {process.pid for process in psutil.Process().children()}
    killed: set[int] = set()
    over = threading.Event()

    def kill() -> None:
        while len(killed) < most and not over.wait(0.02):
            for process in psutil.Process().children():
                with contextlib.suppress(psutil.Error):
                    if process.pid in others | killed or "spawn_main" not in str(process.cmdline()):
                        continue
                    if len(killed) < most:
                        process.send_signal(how)
                        killed.add(process.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        over.set()
        killer.join()


def test_workers_that_are_killed_while_they_start_are_started_again() -> None:
    with killing(4) as killed:
        results = run(trial_jobs.doubled, list(range(4)), TWO, title="t")
    assert len(killed) == 4
    assert [r[0] for r in results] == [0, 2, 4, 6]


@pytest.mark.parametrize("forgotten", [False, True], ids=["given up", "forgotten"])
def test_workers_whose_nannies_are_gone_are_replaced(sites: list[Any], forgotten: bool) -> None:
    """Dask starts nothing in place of a nanny that gave up, nor of one it forgot."""

    async def end_all(cluster: Any) -> None:
        for name, nanny in list(cluster.workers.items()):
            await nanny.close(timeout=1)
            if forgotten:
                del cluster.workers[name]

    def end_all_once(position: int, result: object) -> None:
        if not before:
            before.update(nanny.pid for nanny in sites[0]._cluster.workers.values())
            sites[0]._cluster.sync(end_all, sites[0]._cluster)
            assert sites[0].workers() == 0

    before: set[int] = set()
    results = run(trial_jobs.doubled_slowly, range(12), TWO, title="t", on_result=end_all_once)
    assert [value for value, _ in results] == [2 * x for x in range(12)]
    assert len(before) == 2
    assert {pid for _, pid in results} - before


def test_a_worker_that_does_not_come_is_replaced(
    sites: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is stopped while it starts does not end: its nanny would wait for ever."""
    monkeypatch.setattr(local, "STARTING", 10.0)
    one = ClusterSettings(workers=1)
    with contextlib.ExitStack() as stack:
        stopped: list[set[int]] = []

        def end_once(position: int, result: object) -> None:
            if not stopped:
                stopped.append(stack.enter_context(killing(1, signal.SIGSTOP)))
                for nanny in sites[0]._cluster.workers.values():
                    os.kill(nanny.pid, signal.SIGKILL)

        results = run(trial_jobs.doubled_slowly, range(4), one, title="t", on_result=end_once)
    assert [value for value, _ in results] == [0, 2, 4, 6]
    (pid,) = stopped[0]
    assert not psutil.pid_exists(pid)


def test_workers_that_never_start_are_one_clear_error() -> None:
    impatient = ClusterSettings(workers=2, patience=3)
    with killing(10_000), pytest.raises(ClusterFailed, match="this machine") as caught:
        run(trial_jobs.doubled, [1, 2], impatient, title="t")
    assert "what ended is kept" in str(caught.value)


def test_workers_that_do_not_come_back_are_one_clear_error(sites: list[Any]) -> None:
    impatient = ClusterSettings(workers=2, patience=3)
    first: dict[str, int] = {}
    with contextlib.ExitStack() as stack:

        def end_all(position: int, result: object) -> None:
            if position == first.setdefault("position", position):
                stack.enter_context(killing(10_000))
                for nanny in sites[0]._cluster.workers.values():
                    os.kill(nanny.pid, signal.SIGKILL)

        with pytest.raises(ClusterFailed, match="there has been no worker for 3 s"):
            run(trial_jobs.doubled_slowly, range(40), impatient, title="t", on_result=end_all)
