"""What the loop itself costs: no-op `dvc repro`, one more generation, and where its time goes.

    python benchmarks/loop.py [--generations 10 50] [--computed] [--json FILE]

The project is a four-atom metal cell with EMT, two members trained for a few steps: next to nothing is
computed, so what a generation takes is overhead (start-up, imports, worker processes, hashing, DVC).
For each length it makes a planned chain of so many generations and prints, in wall seconds and CPU
seconds of all processes (another program on the machine changes the first, hardly the second),

* `computing one`: a generation by `dvc repro` (with `--computed` the mean over the whole chain);
* `dvc repro`, `dvc status` and `aldata status` when there is nothing to do;
* `aldata advance`: one more generation; `not computing` is what of it was spent around the stages' own
  work (DVC, Python's start, imports): the whole minus `started` to `ended` of every activity.

Without `--computed` only the first two generations are computed. The others are copies of the second,
entered into dvc.lock by `dvc commit`: DVC sees the same stages, files and bytes as in a computed chain
and looks at all of them, but no generation was run. The new generation then has the computed one as
its parent. With `--computed` every generation is run by `dvc repro`, about half a minute each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from ase.build import bulk

from aldata import params
from aldata.cli.main import main as aldata

SETTINGS = {
    "oracle": {"name": "emt", "settings": {}},
    "seed.test": None,
    "seed.candidates": 20,
    "explore.samplers.0.steps": 30,
    "explore.samplers.0.equilibration": 10,
    "explore.samplers.0.interval": 5,
    "explore.samplers.0.decorrelate": False,
    "explore.samplers.0.replicas": 1,
    "explore.checks": {"max_temperature_factor": 20.0},
    "acquire.batch": 3,
    "train.members": 2,
    "train.steps": 10,
}


def environment() -> dict[str, str]:
    """The environment of child programs: this Python's programs first, one thread each."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Spent:
    """Wall seconds, and CPU seconds of a program and everything that it started and waited for."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:7.1f} s wall {self.cpu:7.1f} s CPU"


def timed(*command: str, folder: Path) -> Spent:
    """What a program costs that must succeed."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def inside(folder: Path, generation: str) -> dict[str, float]:
    """Seconds from `started` to `ended` of every stage of a generation."""
    found = {}
    for verb in params.VERBS:
        path = folder / "generations" / generation / f"{verb}.activity.json"
        activity = json.loads(path.read_text())
        started, ended = (datetime.fromisoformat(activity[key]) for key in ("started", "ended"))
        found[verb] = (ended - started).total_seconds()
    return found


def chain(length: int) -> dict[str, object]:
    """A plan of this many generations that differ in nothing from the defaults."""
    nothing = {verb: {} for verb in params.VERBS}
    parents = ["seed", *(f"g{k:03d}" for k in range(length - 1))]
    return {f"g{k:03d}": {"parent": parent, **nothing} for k, parent in enumerate(parents)}


def compute(folder: Path, length: int) -> Spent:
    """Compute a planned chain of this length; what one generation took."""
    params.set_values(folder / "params.yaml", {"generations": chain(length)})
    missing = length - len(list((folder / "generations").glob("g*/record")))
    whole = timed("dvc", "repro", folder=folder)
    return Spent(whole.wall / missing, whole.cpu / missing)


def copy(folder: Path, length: int) -> None:
    """Make the chain this long with copies of g001 that DVC takes for computed."""
    for k in range(2, length):
        target = folder / "generations" / f"g{k:03d}"
        if not target.exists():
            shutil.copytree(folder / "generations" / "g001", target)
    params.set_values(folder / "params.yaml", {"generations": chain(length)})
    timed("dvc", "commit", "--force", folder=folder)


def measured(folder: Path, length: int, one: Spent, parent: str) -> dict[str, object]:
    """Print and return what the project costs at this length; it is then one generation longer."""
    idle = [("dvc", "repro"), ("dvc", "status"), ("aldata", "status")]
    spent = {"computing one": one}
    for command in idle:
        spent[f"{' '.join(command)}, nothing to do"] = timed(*command, folder=folder)
    new = f"after{length}"
    advance = ("aldata", "advance", "--parent", parent, "--name", new)
    spent["aldata advance"] = timed(*advance, folder=folder)
    stages = inside(folder, new)
    around = spent["aldata advance"].wall - sum(stages.values())
    files = sum(p.is_file() for p in (folder / "generations" / new).rglob("*"))
    print(f"{length} generations, {files} files each")
    for name, cost in spent.items():
        print(f"  {name:32}{cost}", flush=True)
    print(f"  {'  of it not computing':32}{around:7.1f} s wall", flush=True)
    print(
        "  inside its stages: " + ", ".join(f"{v} {s:.1f}" for v, s in stages.items()), flush=True
    )
    costs = {name: asdict(cost) for name, cost in spent.items()}
    return {"generations": length, "files": files, "not_computing": around, **costs, **stages}


def main() -> None:
    """Build the chains, shortest first, and print what each costs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--generations", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--computed", action="store_true", help="compute every generation")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if min(options.generations) < 2:
        parser.error("a chain has at least 2 generations")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "project"
        cell = Path(scratch) / "cell.xyz"
        bulk("Au", "fcc", a=4.0, cubic=True).write(cell)
        aldata(["init", str(folder), "--structures", str(cell)])
        params.set_values(folder / "params.yaml", {**SETTINGS, "generations": {}})
        timed("dvc", "repro", folder=folder)  # the seed
        one = None if options.computed else compute(folder, 2)
        for length in sorted(options.generations):
            if one is None:
                one_here, parent = compute(folder, length), f"g{length - 1:03d}"
            else:
                copy(folder, length)
                one_here, parent = one, "g001"
                print(f"{length - 2} of the {length} generations are copies of a computed one.")
            rows.append(measured(folder, length, one_here, parent))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
