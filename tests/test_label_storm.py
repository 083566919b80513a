"""Random kill -9 of workers, keepers, calls and drivers, counted: nothing lost, nothing repeated."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from test_execution_keeper import assert_gone
from test_label_faults import Bench

from aldata.ledger import verify

SECONDS = 0.05
"""What a computation takes: long beside what surrounds it, so that a kill meets one in flight."""

SHARES = {"worker": 3, "keeper": 3, "call": 3, "driver": 2}
"""How often each kind of process is the victim."""


@dataclass
class Storm:
    """Drivers that label one set of calls while processes of their families are killed."""

    bench: Bench
    seed: int
    killed: Counter[str] = field(default_factory=Counter)
    drivers: int = 0
    gave_up: int = 0
    snapshots: list[tuple[set[str], int]] = field(default_factory=list)

    def rage(self, kills: int) -> None:
        """Kill at random moments spread over the calls; start another driver where there is none."""
        chance = random.Random(self.seed)
        # the last calls are left for the driver that finishes
        moments = sorted(chance.sample(range(1, 9 * self.bench.number // 10), kills))
        kinds = chance.choices(list(SHARES), list(SHARES.values()), k=kills)
        driver = self.start()
        for moment, kind in zip(moments, kinds, strict=True):
            driver = self.wait_for(moment, driver)
            time.sleep(chance.uniform(0.0, 0.05))
            while (victim := self.victim(driver, kind, chance)) is None:
                driver = self.wait_for(moment, driver)
                time.sleep(0.01)
            self.snapshots.append((self.bench.ended(), self.lines()))
            if kind == "driver":
                self.kill_driver(driver)
                driver = self.start()
            else:
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.kill()
            self.killed[kind] += 1
        driver.communicate(timeout=600)

    def start(self) -> subprocess.Popen[str]:
        self.drivers += 1
        return self.bench.driver()

    def wait_for(self, moment: int, driver: subprocess.Popen[str]) -> subprocess.Popen[str]:
        """The driver that runs when so many calls have been begun; one that gave up is replaced."""
        end = time.monotonic() + 300
        while self.lines() < moment or driver.poll() is not None:
            assert time.monotonic() < end, "the driver does not come on"
            if driver.poll() is not None:
                driver.communicate()
                self.gave_up += 1
                assert self.gave_up <= 5, "drivers do not survive"
                driver = self.start()
            time.sleep(0.01)
        return driver

    def lines(self) -> int:
        return self.bench.side.read_bytes().count(b"\n") if self.bench.side.exists() else 0

    def victim(
        self, driver: subprocess.Popen[str], kind: str, chance: random.Random
    ) -> psutil.Process | None:
        """A process of this kind in the driver's family; keepers are workers' children, calls theirs."""
        if kind == "driver":
            return psutil.Process(driver.pid) if driver.poll() is None else None
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for worker in psutil.Process(driver.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "spawn_main" not in " ".join(worker.cmdline()):
                        continue
                    keepers = worker.children()
                    found += {
                        "worker": lambda worker=worker: [worker],
                        "keeper": lambda keepers=keepers: keepers,
                        "call": lambda keepers=keepers: [c for k in keepers for c in k.children()],
                    }[kind]()
        return chance.choice(found) if found else None

    def kill_driver(self, driver: subprocess.Popen[str]) -> None:
        """Kill it; its family ends with it, and writes nothing any more."""
        family = [p.pid for p in psutil.Process(driver.pid).children(recursive=True)]
        driver.kill()
        driver.communicate()
        assert_gone(*family)
        before = self.bench.ended(), self.lines()
        time.sleep(3 * self.bench.seconds)
        assert (self.bench.ended(), self.lines()) == before, "an orphan went on writing"

    def repeated(self) -> int:
        """Computations that were begun after their call had ended."""
        begun = self.bench.begun()
        return sum(len(ended & set(begun[lines:])) for ended, lines in self.snapshots)


def weather(folder: Path, number: int, kills: int, seed: int) -> tuple[Storm, dict[str, int]]:
    """A storm over a bench, then drivers that nobody disturbs until every call is accepted."""
    bench = Bench(folder, number, seconds=SECONDS)
    storm = Storm(bench, seed)
    storm.rage(kills)
    lost = set(storm.snapshots[-1][0]) - bench.ended()
    assert not lost, "calls that had ended are gone"
    for _ in range(3):
        result = bench.result(bench.driver())
        if result["accepted"] == number:
            break
    return storm, result


@pytest.mark.parametrize(
    ("number", "kills"),
    [(200, 10), pytest.param(2000, 100, marks=pytest.mark.slow)],
)
def test_nothing_is_lost_or_repeated(tmp_path: Path, number: int, kills: int) -> None:
    (tmp_path / "calm").mkdir()
    (tmp_path / "storm").mkdir()
    calm = Bench(tmp_path / "calm", number, seconds=SECONDS)
    undisturbed = calm.result(calm.driver())
    assert (undisturbed["accepted"], undisturbed["new"]) == (number, number)

    storm, result = weather(tmp_path / "storm", number, kills, seed=kills)
    begun = storm.bench.begun()
    counts = {
        "calls": number,
        "killed": dict(storm.killed),
        "drivers": storm.drivers,
        "gave up": storm.gave_up,
        "computations begun": len(begun),
        "begun again after a kill in flight": len(begun) - len(set(begun)),
        "begun again after they had ended": storm.repeated(),
    }
    print(counts)  # shown with pytest -s, and when the test fails
    assert storm.killed.total() == kills
    assert storm.repeated() == 0
    in_flight = sum(count * (2 if kind == "driver" else 1) for kind, count in storm.killed.items())
    assert len(begun) <= number + in_flight
    assert set(begun) == storm.bench.ended()
    assert result["digest"] == undisturbed["digest"]
    assert (result["accepted"], result["new"]) == (number, 0)
    found = verify(storm.bench.ledger)
    assert (found.calls, found.damages) == (number, [])
