"""Keep the same labelled frames in every way, side by side: time, size, memory, and what DVC stores anew.

    python benchmarks/stores.py [--frames 20000] [--ways NAME ...] [--json FILE]

Every way writes and is read in processes of its own, one thread each, on the same frames of 20 to 100
atoms (random numbers; numbers, positions, forces, cell, periodicity, energy, stress; aldata and
np.memmap hold all columns of labels, ids included). Slow ways get a share of the frames (of 20,000 at
most), stated in the table; their scan, column and query are over those. Files lie in the page cache. What
reads is measured in CPU time of the process and its threads, so that other work on the machine does not
count; what writes, in time that passes:

* write: seconds from arrays in memory, frames as ASE objects where the way wants them, to the disk (aldata:
  synced and hashed too). size: bytes over the raw bytes of what the way stores.
* batch: 64 random frames as joined arrays, median milliseconds. A wrong number ends the benchmark.
* scan: all frames, every field. column: the energies. species: which frames contain iron (one of 50).
* append: a tenth more frames, a new generation, and `dvc add`, whose cache then grows by `new bytes` over
  the raw bytes of the new frames. same: whether the earlier files are what they were. For `aldata` this
  is the whole project, the data set's JSON manifest included; for `aldata store` the store alone.
* memory: the largest resident set of the reading process over what it had before it opened the store
  (of mapped files it counts the pages that were touched, which the system may take back).

Then the same frames in 100 generations: time to open (the first time, when every data set is read whole,
and later), to take a batch and to scan, over those of one.
Targets are ratios within the run.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from store_data import FIELDS, RARE, add_generation, made_labels
from store_ways import WAYS
from store_ways.way import BLOCK, total

BATCH = 64
GENERATIONS = 100
COLUMNS = (
    "frames",
    "write",
    "size",
    "batch",
    "scan",
    "column",
    "species",
    "append",
    "new bytes",
    "same",
    "memory",
)


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median(work: Callable[[], Any], budget: float = 2.0, least: int = 3, most: int = 400) -> float:
    """Median CPU seconds of a call, repeated until the budget is used."""
    work()
    times: list[float] = []
    while len(times) < least or (sum(times) < budget and len(times) < most):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def raw_bytes(labels: Any, names: Any) -> int:
    return sum(labels.arrays[name].nbytes for name in names)


def count_of(way: Any, frames: int) -> int:
    """How many frames a way gets: all, or of a slow one a share of 20,000 at most."""
    return frames if way.SHARE == 1 else max(2 * BATCH, int(min(frames, 20_000) * way.SHARE))


def step_write(name: str, frames: int, folder: Path) -> dict[str, Any]:
    """Write the frames, note what a reader must find, append a generation under DVC."""
    way = WAYS[name][0]
    count = count_of(way, frames)
    labels, more = made_labels(count, 1), made_labels(max(1, count // 10), 2)
    stored = labels.names() if name in ("np.memmap", "aldata", "aldata store") else FIELDS
    written = seconds(lambda: way.write(folder / "data", labels))
    size = sum(f.stat().st_size for f in (folder / "data").rglob("*") if f.is_file())
    frame_of_atom = labels.frame_of_atom
    expected = {
        "scan": float(labels.energy.sum() + labels.forces.sum()),
        "column": float(labels.energy.sum()),
        "species": len(np.unique(frame_of_atom[labels.numbers == RARE])),
        "batch": {
            str(row): float(labels.forces[labels.atoms_of(row)].sum()) for row in range(BATCH)
        },
    }
    (folder / "expected.json").write_text(json.dumps(expected))
    return {
        "frames": count,
        "write": written,
        "size": size / raw_bytes(labels, stored),
        **appended(way, folder, more, raw_bytes(more, stored)),
    }


def appended(way: Any, folder: Path, more: Any, raw: int) -> dict[str, Any]:
    """Append a generation to a copy of the data in a scratch repository; what DVC stores anew."""
    repository = folder / "repository"
    repository.mkdir()
    shutil.copytree(folder / "data", repository / "data")
    run = lambda *command: subprocess.run(command, cwd=repository, check=True, capture_output=True)  # noqa: E731
    run("git", "init", "-q")
    dvc = (sys.executable, "-m", "dvc")
    run(*dvc, "init", "-q")
    run(*dvc, "add", "-q", "data")
    before, files = cache_bytes(repository), digests_of(repository / "data")

    def append() -> None:
        way.append(repository / "data", more)
        run(*dvc, "add", "-q", "data")

    taken = seconds(append)
    after = digests_of(repository / "data")
    return {
        "append": taken,
        "new bytes": (cache_bytes(repository) - before) / raw,
        "same": all(after.get(name) == value for name, value in files.items()),
    }


def cache_bytes(repository: Path) -> int:
    return sum(f.stat().st_size for f in (repository / ".dvc/cache").rglob("*") if f.is_file())


def digests_of(folder: Path) -> dict[str, str]:
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in folder.rglob("*")
        if f.is_file()
    }


def step_read(name: str, frames: int, folder: Path) -> dict[str, Any]:
    """Read what `step_write` wrote; every answer is compared with what was noted."""
    way = WAYS[name][0]
    count = count_of(way, frames)
    expected = json.loads((folder / "expected.json").read_text())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    opened = way(folder / "data")
    found = opened.batch(np.arange(BATCH)[::-1])
    sums = np.add.reduceat(found["forces"].sum(axis=1), np.cumsum([0, *found["row_size"][:-1]]))
    wanted = [expected["batch"][str(row)] for row in range(BATCH)][::-1]
    np.testing.assert_allclose(sums, wanted, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(opened.scan(), expected["scan"], rtol=1e-6, atol=1e-2)
    np.testing.assert_allclose(opened.column().sum(), expected["column"], rtol=1e-6)
    assert opened.species(RARE) == expected["species"]
    rng = np.random.default_rng(0)
    result = {
        "batch": median(lambda: opened.batch(rng.choice(count, BATCH, replace=False))),
        "scan": median(opened.scan, least=2),
        "column": median(opened.column),
        "species": median(lambda: opened.species(RARE), least=2),
    }
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {**result, "memory": memory / 2**10}


def step_union(name: str, frames: int, folder: Path) -> dict[str, Any]:
    """The same frames in one and in many generations: time to open, to take a batch, to scan."""
    del name
    import aldata

    labels, result = made_labels(frames, 1), {}
    for generations in (1, GENERATIONS):
        root, parent = folder / str(generations), None
        size = -(-frames // generations)
        for index, block in enumerate(labels.blocks(size)):
            last = "seed" if index == 0 else f"g{index - 1:03d}"
            parent = add_generation(root, last, block, parent)
        lines = [
            f"  g{i:03d}: {{parent: {f'g{i - 1:03d}' if i else 'seed'}}}\n"
            for i in range(generations - 1)
        ]
        (root / "params.yaml").write_text(
            "generations:\n" + "".join(lines) if lines else "generations: {}\n"
        )
        opening = lambda root=root, last=last: aldata.open("labels", last, root=root)  # noqa: E731
        began = time.process_time()
        rng, opened = np.random.default_rng(0), opening()
        result[f"first {generations}"] = time.process_time() - began
        assert len(opened) == frames
        result[f"open {generations}"] = median(opening)
        result[f"batch {generations}"] = median(
            lambda opened=opened, rng=rng: opened.take(
                rng.choice(frames, BATCH, replace=False), FIELDS
            )
        )
        result[f"scan {generations}"] = median(
            lambda opened=opened: sum(map(total, opened.batches(BLOCK, columns=FIELDS)))
        )
    return result


STEPS = {"write": step_write, "read": step_read, "union": step_union}


def in_a_process(step: str, name: str, frames: int, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--step", step, "--ways", name]
    command += ["--frames", str(frames), "--folder", str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        sys.exit(f"{name}, {step}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def missing(name: str) -> list[str]:
    return [package for package in WAYS[name][1] if importlib.util.find_spec(package) is None]


def formatted(column: str, row: dict[str, Any]) -> str:
    value = row[column]
    if column == "same":
        return "yes" if value else "no"
    if column == "frames":
        return str(value)
    if column in ("size", "new bytes"):
        return f"{value:.3f}"
    if column in ("write", "append"):
        return f"{value:.2f} s"
    return f"{value:.0f} MB" if column == "memory" else f"{1000 * value:.3g} ms"


def table(results: dict[str, dict[str, Any]]) -> str:
    lines = ["| way | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, row in results.items():
        cells = (
            [f"not installed: {', '.join(row['missing'])}"]
            if "missing" in row
            else [formatted(c, row) for c in COLUMNS]
        )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def targets(
    results: dict[str, dict[str, Any]], union: dict[str, Any]
) -> list[tuple[str, float, str, float]]:
    """What is promised: a ratio, its bound, and whether it holds."""
    found = []
    mine, alone, limit = (results.get(n) for n in ("aldata", "aldata store", "np.memmap"))
    if mine and limit:
        found += [
            (f"{c}, over np.memmap's", mine[c] / limit[c], "<=", 1.5) for c in ("batch", "scan")
        ]
    for peer in ("aselmdb", "H5MD", "H5MD plain"):
        if mine and "batch" in results.get(peer, {}):
            found.append(
                (f"batch of {peer} over aldata's", results[peer]["batch"] / mine["batch"], ">=", 50)
            )
    if alone:
        found.append(("new bytes per generation over raw (store)", alone["new bytes"], "<=", 1.05))
    if mine:
        found.append(("the same with the data set's manifest", mine["new bytes"], "<=", 1.05))
        found.append(("earlier files changed", float(not mine["same"]), "<=", 0))
    many = GENERATIONS
    found.append(
        (
            f"open {many} generations, seconds more than one",
            union[f"open {many}"] - union["open 1"],
            "<=",
            0.3,
        )
    )
    found.append(
        (
            f"batch from {many} generations over one's",
            union[f"batch {many}"] / union["batch 1"],
            "<=",
            3,
        )
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        print(json.dumps(STEPS[given.step](given.ways[0], given.frames, given.folder)))
        return
    results: dict[str, dict[str, Any]] = {}
    for name in given.ways:
        if missing(name):
            results[name] = {"missing": missing(name)}
            continue
        with tempfile.TemporaryDirectory() as folder:
            written = in_a_process("write", name, given.frames, Path(folder))
            results[name] = written | in_a_process("read", name, given.frames, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        union = in_a_process("union", "aldata", given.frames, Path(folder))
    print(table(results), end="\n\n")
    print(", ".join(f"{name}: {1000 * value:.3g} ms" for name, value in union.items()), end="\n\n")
    checked = targets(results, union)
    for what, value, sign, bound in checked:
        holds = value <= bound if sign == "<=" else value >= bound
        print(f"{'pass' if holds else 'FAIL'}  {what}: {value:.3g} ({sign} {bound:g})")
    if given.json:
        content = {"frames": given.frames, "ways": results, "union": union, "targets": checked}
        given.json.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
