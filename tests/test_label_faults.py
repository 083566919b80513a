"""Labelling under `kill -9`: no ended call repeated, none lost, no orphan."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import psutil
import pytest
from label_driver import pairs, theory_of
from test_execution_keeper import assert_gone

from aldata.artifacts.documents import call_id
from aldata.errors import LedgerError
from aldata.execution import ClusterSettings, open_cluster
from aldata.label import LabelSettings, Requests, label
from aldata.ledger import Ledger

NUMBER = 18
SECONDS = 0.15


class Bench:
    """One ledger, the note file of the computations, and drivers that work on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")
        self.side = folder / "side"
        self.theory = theory_of(self.side, SECONDS)

    def driver(self) -> subprocess.Popen[str]:
        script = Path(__file__).with_name("label_driver.py")
        path = os.pathsep.join([str(script.parent), *(p for p in sys.path if p)])
        return subprocess.Popen(
            [sys.executable, script, self.ledger.folder, self.side, str(NUMBER), str(SECONDS)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def result(self, driver: subprocess.Popen[str]) -> dict[str, int]:
        out, _ = driver.communicate(timeout=120)
        assert driver.returncode == 0
        found: dict[str, int] = json.loads(out)
        return found

    def ended(self) -> set[str]:
        return {path.stem for path in self.ledger.folder.glob("calls/*/*.json")}

    def wait_for(self, calls: int) -> None:
        end = time.monotonic() + 60
        while len(self.ended()) < calls:
            assert time.monotonic() < end, "the driver does not come on"
            time.sleep(0.02)

    def times_computed(self) -> Counter[str]:
        """How often each call was begun."""
        starts = [float(line.split()[1]) for line in self.side.read_text().splitlines()]
        ids = {s: pairs(s).ids[0] for s in set(starts)}
        return Counter(call_id(ids[start], self.theory.id) for start in starts)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Energies of a run that nobody disturbs."""
    bench = Bench(tmp_path_factory.mktemp("undisturbed"))
    result = bench.result(bench.driver())
    assert (result["accepted"], result["new"]) == (NUMBER, NUMBER)
    assert set(bench.times_computed().values()) == {1}
    return energies(bench)


def energies(bench: Bench) -> list[float]:
    """Energies of all calls, in the order of the requests."""
    ids = [call_id(identity, bench.theory.id) for identity in starts().ids]
    records = [bench.ledger.find(identity) for identity in ids]
    return [record.energy for record in records if record and record.energy is not None]


def starts():
    return pairs(*(i / 8 for i in range(NUMBER)))


def test_kill_9_of_the_driver_repeats_and_loses_nothing(
    bench: Bench, undisturbed: list[float]
) -> None:
    driver = bench.driver()
    bench.wait_for(4)
    family = [p.pid for p in psutil.Process(driver.pid).children(recursive=True)]
    assert len(family) >= 4  # workers and keepers at least
    driver.kill()
    driver.communicate()
    assert_gone(*family)
    ended = bench.ended()
    assert 4 <= len(ended) < NUMBER
    noted = bench.side.read_text()
    time.sleep(2 * SECONDS)
    assert bench.side.read_text() == noted
    assert bench.ended() == ended
    result = bench.result(bench.driver())
    assert result["new"] == NUMBER - len(ended)
    assert result["accepted"] == NUMBER
    times = bench.times_computed()
    assert {times[identity] for identity in ended} == {1}
    assert max(times.values()) <= 2
    assert times.total() <= NUMBER + 2  # two were in flight
    assert energies(bench) == undisturbed


def test_kill_9_of_workers_and_keepers_stops_nothing(
    bench: Bench, undisturbed: list[float]
) -> None:
    driver = bench.driver()
    for calls, kind in ((3, "spawn_main"), (7, "execution.keeping"), (11, "spawn_main")):
        bench.wait_for(calls)
        victim_in(driver.pid, kind).kill()
    result = bench.result(driver)
    assert result["accepted"] == NUMBER
    assert max(bench.times_computed().values()) <= 3
    assert bench.times_computed().total() <= NUMBER + 3
    assert energies(bench) == undisturbed


def victim_in(driver: int, kind: str) -> psutil.Process:
    """A worker ("spawn_main") or a keeper ("execution.keeping") of the driver."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for process in psutil.Process(driver).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if kind in " ".join(process.cmdline()):
                    return process
    raise AssertionError(f"no {kind} in the driver's family")


def test_two_drivers_at_once_compute_each_call_once(bench: Bench, undisturbed: list[float]) -> None:
    drivers = [bench.driver(), bench.driver()]
    results = [bench.result(driver) for driver in drivers]
    assert sum(result["new"] for result in results) == NUMBER
    assert results[0]["digest"] == results[1]["digest"]
    assert set(bench.times_computed().values()) == {1}
    assert energies(bench) == undisturbed


def test_a_disk_that_fills_up_stops_the_run_and_keeps_what_is_stored(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        ledger, side = Ledger(folder / "ledger", minimum_free_bytes=0), tmp_path / "side"
        requests = Requests.of(pairs(*range(40)), "acquired")
        with open_cluster(ClusterSettings(workers=2)) as runner:
            run = partial(runner, title="label")
            with pytest.raises(LedgerError, match="No space left on device"):
                label(requests, theory_of(side), ledger, LabelSettings(), run)
            ended = {path.stem for path in folder.glob("ledger/calls/*/*.json")}
            assert 0 < len(ended) < 40
            assert ledger.missing(ended) == []
            subprocess.run(["mount", "-o", "remount,size=20m", str(folder)], check=True)
            labels, facts = label(requests, theory_of(side), ledger, LabelSettings(), run)
        assert labels.accepted.all()
        assert sum(fact["new"] for fact in facts) <= 40 - len(ended)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
