"""Labelling under `kill -9`: no ended call repeated, none lost, no orphan."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
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
from aldata.ledger import DamagedObject, Ledger, verify

NUMBER = 18
SECONDS = 0.15


class Bench:
    """One ledger, the note file of the computations, and drivers that work on them.

    The note file's name is a setting of the oracle, and relative: labels of two benches are equal.
    """

    def __init__(
        self,
        folder: Path,
        number: int = NUMBER,
        seconds: float = SECONDS,
        ledger: Path | None = None,
    ) -> None:
        self.folder = folder
        self.number, self.seconds = number, seconds
        self.ledger = Ledger(ledger or folder / "ledger")
        self.side = folder / "side"
        self.theory = theory_of(Path("side"), seconds)

    def driver(self, path: Sequence[Path] = ()) -> subprocess.Popen[str]:
        """A driver that labels all pairs; `path` goes before all other places of modules."""
        script = Path(__file__).with_name("label_driver.py")
        places = os.pathsep.join([*map(str, path), str(script.parent), *(p for p in sys.path if p)])
        task = [self.ledger.folder, "side", str(self.number), str(self.seconds)]
        return subprocess.Popen(
            [sys.executable, script, *task],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": places},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def result(self, driver: subprocess.Popen[str]) -> dict[str, int]:
        out, _ = driver.communicate(timeout=600)
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

    def begun(self) -> list[str]:
        """Calls in the order in which their computations were begun; again each time."""
        if not self.side.exists():
            return []
        starts = [float(line.split()[1]) for line in self.side.read_text().splitlines()]
        ids = {s: pairs(s).ids[0] for s in set(starts)}
        return [call_id(ids[start], self.theory.id) for start in starts]

    def times_computed(self) -> Counter[str]:
        """How often each call was begun."""
        return Counter(self.begun())


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


def test_two_projects_that_share_a_ledger_compute_each_call_once(
    tmp_path: Path, undisturbed: list[float]
) -> None:
    benches = []
    for name in ("one", "two"):
        (tmp_path / name / ".aldata").mkdir(parents=True)
        (tmp_path / name / ".aldata" / "config.yaml").write_text("ledger: {folder: ../shared}\n")
        shared = Ledger.of_project(tmp_path / name).folder.resolve()
        benches.append(Bench(tmp_path / name, ledger=shared))
    drivers = [bench.driver() for bench in benches]
    results = [bench.result(driver) for bench, driver in zip(benches, drivers, strict=True)]
    assert sum(result["new"] for result in results) == NUMBER
    assert results[0]["digest"] == results[1]["digest"]
    computed = benches[0].times_computed() + benches[1].times_computed()
    assert set(computed.values()) == {1}
    assert energies(benches[0]) == energies(benches[1]) == undisturbed


SHIM = '''
"""The clock of every process that is started is an hour behind that of the one before."""
import datetime, os, time

path = os.environ["ALDATA_TEST_CLOCK"]
with open(path, "a") as stream:
    stream.write("x")
behind = 3600.0 * os.path.getsize(path)
real = time.time
time.time = lambda: real() - behind


class Behind(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)


datetime.datetime = Behind
'''


def test_a_clock_that_goes_backwards_changes_nothing(
    bench: Bench, undisturbed: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.folder / "shim").mkdir()
    (bench.folder / "shim" / "sitecustomize.py").write_text(SHIM)
    monkeypatch.setenv("ALDATA_TEST_CLOCK", str(bench.folder / "clock"))
    driver = bench.driver([bench.folder / "shim"])
    bench.wait_for(6)
    driver.kill()
    driver.communicate()
    ended = bench.ended()
    assert bench.result(bench.driver([bench.folder / "shim"]))["new"] == NUMBER - len(ended)
    starts = {i: bench.ledger.find(i).attempts[-1].start for i in bench.ended()}  # type: ignore[union-attr]
    later = [start for identity, start in starts.items() if identity not in ended]
    assert max(later) < min(starts[identity] for identity in ended)  # the clock did go backwards
    assert {bench.times_computed()[identity] for identity in ended} == {1}
    assert energies(bench) == undisturbed
    assert verify(bench.ledger).damages == []


def test_a_read_only_ledger_answers_what_it_knows(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        ledger, side = Ledger(folder / "ledger", minimum_free_bytes=0), tmp_path / "side"
        known = Requests.of(pairs(0.0, 1.0), "acquired")
        with open_cluster(ClusterSettings(workers=1)) as runner:
            run = partial(runner, title="label")
            first, _ = label(known, theory_of(side), ledger, LabelSettings(), run)
            damaged = next(folder.glob("ledger/calls/*/*.json"))
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
            again, facts = label(known, theory_of(side), ledger, LabelSettings(), run)
            assert (again.digest, [fact["new"] for fact in facts]) == (first.digest, [False] * 2)
            assert verify(ledger).damages == []
            noted = side.read_text()
            more = Requests.of(pairs(0.0, 2.0), "acquired")
            with pytest.raises(LedgerError, match="cannot be written"):
                label(more, theory_of(side), ledger, LabelSettings(), run)
            assert side.read_text() == noted
            subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
            damaged.write_text(damaged.read_text().replace("accepted", "rejected"))
            with pytest.warns(DamagedObject):
                repaired, facts = label(known, theory_of(side), ledger, LabelSettings(), run)
        assert repaired.digest == first.digest
        assert [fact["call_id"] for fact in facts if fact["new"]] == [damaged.stem]
        assert verify(ledger).damages == []
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


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
