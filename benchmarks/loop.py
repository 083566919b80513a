"""What the loop itself costs: no-op `dvc repro`, one more generation, and where its time goes.

    python benchmarks/loop.py [--generations 10 50] [--json FILE]

Builds one chain of generations of a four-atom metal cell with EMT, two members trained for a few
steps: next to nothing is computed, so what a generation takes is overhead (start-up, imports, worker
processes, hashing, DVC). At each requested length it measures, on an otherwise idle machine,

* the computing of the planned generations by one `dvc repro`, per generation,
* a no-op `dvc repro`,
* `aldata advance`: one more generation, by stage: inside the stage (from its activity: `started` to
  `ended`), and around it (DVC, Python's start, imports).

The chain is computed by the same `dvc repro` that users run: 50 generations take about a quarter of
an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from ase.build import bulk

from aldata import params
from aldata.cli.main import main as aldata

SETTINGS = {
    "oracle": {"name": "emt", "settings": {}},
    "seed.test": None,
    "seed.candidates": 20,
    "explore.steps": 30,
    "explore.equilibration": 10,
    "explore.interval": 5,
    "explore.replicas": 1,
    "explore.checks": {"max_temperature_factor": 20.0},
    "acquire.batch": 3,
    "train.members": 2,
    "train.steps": 10,
}


def environment() -> dict[str, str]:
    """The environment of child programs: this Python's programs first, one thread each."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}


def timed(*command: str, folder: Path) -> float:
    """Wall seconds of a program that must succeed."""
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def inside(folder: Path, generation: str) -> dict[str, float]:
    """Seconds from `started` to `ended` of every stage of a generation."""
    found = {}
    for verb in params.VERBS:
        path = folder / "generations" / generation / f"{verb}.activity.json"
        activity = json.loads(path.read_text())
        started, ended = (datetime.fromisoformat(activity[key]) for key in ("started", "ended"))
        found[verb] = (ended - started).total_seconds()
    return found


def entry(parent: str) -> dict[str, object]:
    """A generation of the plan that differs in nothing from the defaults."""
    return {"parent": parent, **{verb: {} for verb in params.VERBS}}


def measured(folder: Path, length: int) -> dict[str, object]:
    """Compute the planned chain of this length, then the numbers; the chain grows by one."""
    plan = {f"g{k:03d}": entry(f"g{k - 1:03d}" if k else "seed") for k in range(length)}
    params.set_values(folder / "params.yaml", {"generations": plan})
    computed = len(list((folder / "generations").glob("g*/record")))
    building = timed("dvc", "repro", folder=folder)
    noop = min(timed("dvc", "repro", folder=folder) for _ in range(2))
    total = timed("aldata", "advance", folder=folder)
    stages = inside(folder, f"g{length:03d}")
    return {
        "generations": length,
        "per_generation_seconds": round(building / (length - computed), 1),
        "noop_seconds": round(noop, 1),
        "one_more_seconds": round(total, 1),
        "inside_stages_seconds": {verb: round(seconds, 1) for verb, seconds in stages.items()},
        "around_stages_seconds": round(total - sum(stages.values()), 1),
        "files": sum(p.is_file() for p in (folder / "generations" / "g000").rglob("*")),
    }


def main() -> None:
    """Build the chain and print one line per requested length."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--generations", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "project"
        cell = Path(scratch) / "cell.xyz"
        bulk("Au", "fcc", a=4.0, cubic=True).write(cell)
        aldata(["init", str(folder), "--structures", str(cell)])
        params.set_values(folder / "params.yaml", {**SETTINGS, "generations": {}})
        for target in sorted(options.generations):
            rows.append(measured(folder, target))
            print(json.dumps(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
