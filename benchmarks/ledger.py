"""What the ledger costs: per call, per look-up, and for questions about all calls.

    python benchmarks/ledger.py [--calls 2000] [--objects 100000] [--workers 2] [--json FILE]

The calls: an oracle that does nothing (springs between two atoms, in microseconds) is asked through
`label` with a ledger, on a cluster of so many worker processes; beside it the bare loop, which calls
the same oracle's function in as many processes, keeps nothing, and is not protected from a crash. The
difference per call is what a call costs beside its computation: a process of its own, the claim, the
attempt, the record on the disk, the raw files' digests. Start-up of the workers is not counted in
either: both are measured from the first to the last call. CPU time is that of all processes
together, and hardly depends on what else the machine does.

The objects: a ledger of molecules of nine atoms is filled with so many records; then, from a new
process (what the system has cached stays cached): look-up of one call, `missing` for 10,000 ids (half
of them known), the first `stats` (makes the index) and the next one.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from ase.calculators.calculator import Calculator, all_changes

from aldata.artifacts.calls import Attempt, CallRecord, Geometry, RawFile
from aldata.artifacts.documents import Theory, call_id
from aldata.artifacts.frames import Configuration, as_configurations
from aldata.execution import ClusterSettings, open_cluster
from aldata.label import LabelSettings, Requests, label, resolve
from aldata.label.theories import build
from aldata.ledger import Index, Ledger

THEORY = Theory(oracle="emt", settings={}, record={"code": "made up", "version": "1"})


class Nothing(Calculator):
    """Two springs: an energy in microseconds."""

    implemented_properties = ["energy", "forces"]

    def calculate(
        self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        """E = (r - 1)^2 / 2 for the first two atoms."""
        super().calculate(atoms, properties, system_changes)
        span = atoms.positions[1] - atoms.positions[0]
        length = float(np.linalg.norm(span))
        pull = (length - 1.0) * span / length
        self.results = {"energy": (length - 1.0) ** 2 / 2, "forces": np.array([pull, -pull])}


def pair(number: int) -> Configuration:
    """Two helium atoms."""
    return Configuration(
        numbers=np.array([2, 2]),
        positions=np.array([[number / 1000, 0.0, 0.0], [number / 1000 + 1.1, 0.1, 0.0]]),
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, dtype=bool),
    )


def bare(task: tuple[Theory, Configuration]) -> float:
    """One call of the oracle's function, in the worker itself; files into a folder that is lost."""
    theory, configuration = task
    with tempfile.TemporaryDirectory() as folder:
        return build(theory).label(configuration, Path(folder)).energy


def cpu_seconds() -> float:
    """CPU time of this process and of all its descendants, those that have ended included."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(process.cpu_times()[:4]) for process in family)


def per_call(calls: int, workers: int, folder: Path) -> dict[str, float]:
    """Milliseconds per call and worker, through the ledger and in the bare loop; CPU time per call."""
    theory = resolve("ase", {"calculator": "ledger.Nothing", "keywords": {}})
    pairs = as_configurations([pair(number) for number in range(calls)])
    warm = Requests.of(as_configurations([pair(-1 - n) for n in range(4 * workers)]), "acquired")
    seconds: dict[str, float] = {}
    cpu: dict[str, float] = {}
    with open_cluster(ClusterSettings(workers=workers)) as runner:

        def run(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
            return runner(function, jobs, title="calls")

        ledger = Ledger(folder / "ledger")
        label(warm, theory, ledger, LabelSettings(), run)
        for name, act in (
            ("bare_loop", lambda: run(bare, [(theory, c) for c in pairs])),
            (
                "ledger",
                lambda: label(Requests.of(pairs, "acquired"), theory, ledger, LabelSettings(), run),
            ),
            (
                "known",
                lambda: label(Requests.of(pairs, "acquired"), theory, ledger, LabelSettings(), run),
            ),
        ):
            start, spent = time.perf_counter(), cpu_seconds()
            act()
            seconds[name] = time.perf_counter() - start
            cpu[name] = cpu_seconds() - spent
    found = {f"{name}_ms": 1000 * s * workers / calls for name, s in seconds.items()}
    found["known_ms"] /= workers  # the driver looks these up alone
    found["overhead_ms"] = found["ledger_ms"] - found["bare_loop_ms"]
    found |= {f"{name}_cpu_ms": 1000 * s / calls for name, s in cpu.items()}
    found["overhead_cpu_ms"] = found["ledger_cpu_ms"] - found["bare_loop_cpu_ms"]
    return {name: round(value, 2) for name, value in found.items()}


def molecule(number: int) -> CallRecord:
    """The record of a made-up call about nine atoms."""
    random_numbers = np.random.default_rng(number)
    configuration = Configuration(
        numbers=np.array([6, 6, 8, 1, 1, 1, 1, 1, 1]),
        positions=random_numbers.normal(size=(9, 3)),
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, dtype=bool),
    )
    file = RawFile(name="input.json", part="input", bytes=1000, sha256="0" * 64)
    attempt = Attempt(
        id=f"20260101T000000-{number:012x}",
        start="2026-01-01T00:00:00.000+00:00",
        end="2026-01-01T00:00:05.000+00:00",
        wall_seconds=5.0,
        cpu_seconds=4.9,
        memory_peak_bytes=10**8,
        host="node1",
        pid=1,
        cores=1,
        version="made up 1.0",
        python="3.11",
        outcome="conclusive",
        exit_code=0,
        files=[file],
    )
    return CallRecord(
        call_id=call_id(configuration.id, THEORY.id),
        configuration_id=configuration.id,
        theory_id=THEORY.id,
        configuration=Geometry.of(configuration),
        theory=THEORY,
        status="accepted" if number % 20 else "failed",
        failure="none" if number % 20 else "not_converged",
        energy=float(random_numbers.normal()),
        forces=random_numbers.normal(size=(9, 3)).tolist(),
        net_force=0.0,
        converged={"by": "made up"},
        scf_steps=11,
        attempts=[attempt],
    )


def fill(folder: Path, number: int) -> list[str]:
    """A ledger with so many records, in the files that `store` writes but without waiting for disks."""
    from aldata.ledger import objects

    ledger, ids = Ledger(folder), []
    for k in range(number):
        record = molecule(k)
        objects.write(ledger.path_of(record.call_id), record.content(), durable=False)
        ids.append(record.call_id)
    return ids


def look_up(folder: Path) -> dict[str, float]:
    """Times of look-ups and of questions about all calls; in a process that has seen none of it."""
    ledger = Ledger(folder)
    ids = json.loads((folder / "ids.json").read_text())
    random.Random(1).shuffle(ids)
    sample, found = ids[:1000], {}
    start = time.perf_counter()
    assert all(ledger.find(identity) is not None for identity in sample)
    found["find_ms"] = 1000 * (time.perf_counter() - start) / len(sample)
    strangers = [f"{k:064x}" for k in range(1000)]
    start = time.perf_counter()
    assert not any(ledger.find(identity) for identity in strangers)
    found["find_unknown_ms"] = 1000 * (time.perf_counter() - start) / len(strangers)
    asked = ids[:5000] + [f"{k:064x}" for k in range(5000)]
    start = time.perf_counter()
    assert len(ledger.missing(asked)) == len(asked) - len(ids[:5000])
    found["missing_10000_s"] = time.perf_counter() - start
    for name in ("first_stats_s", "stats_s"):
        start = time.perf_counter()
        with Index(ledger) as index:
            assert sum(1 for _ in index.rows()) == len(ids)
        found[name] = time.perf_counter() - start
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--look-up", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look_up:
        print(json.dumps(look_up(options.look_up)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        result: dict[str, Any] = {"calls": options.calls, "workers": options.workers}
        result |= per_call(options.calls, options.workers, folder)
        ids = fill(folder / "many", options.objects)
        (folder / "many" / "ids.json").write_text(json.dumps(ids))
        done = subprocess.run(
            [sys.executable, __file__, "--look-up", str(folder / "many")],
            capture_output=True,
            text=True,
            check=True,
        )
        result |= {"objects": options.objects, **json.loads(done.stdout)}
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
