"""What asking costs: farthest points, information gain, uncertainties, and pools of a million candidates.

    python benchmarks/acquisition.py [--parts NAME ...] [--peers PYTHON] [--scale 1] [--json FILE]

One process, one thread; CPU seconds, ratios within the run. --scale: share of the sizes.
--peers is a Python of an environment of its own that has skmatter and fpsample, which do not agree with our
other packages: `python -m venv DIR; DIR/bin/pip install skmatter fpsample`. Parts:

* fps: 500 farthest points of 1,000,000 x 128 float32 vectors given 10,000 training rows, by the function of
  the loop (frames of one atom). `limit`: the plain algorithm reads every vector once for each pick, at the
  bandwidth that copying them has here. `plain picking` is that algorithm in numpy, float32, without the
  distances to the training rows, which both need (`training`). Two kinds of data: `manifold`, 12 hidden
  variables in 300 clusters, as descriptors of molecular dynamics are; `isotropic`, normal vectors.
  Picks are compared with those of the plain algorithm in float64 (a tenth of the vectors).
* peers: 500 of 10,000 x 128 without a training set, beside skmatter and fpsample; same first point.
* frames: the function that the loop calls, 50 picks by atom and element against 200 training frames, of
  10,000 and 100,000 frames of 20 atoms.
* batch: a log-det batch of 50 from 10,000 candidates, the parts one by one; lazy and plain greedy.
* uncertainty: each method beside one energy and force evaluation of one model of the same architecture.
* growth: `python -m pipelines.acquire` in a real project with 10^4, 10^5, 10^6 candidates in its stores.
  Memory is the largest anonymous memory of the process: pages of mapped files, which the system takes
  back, do not count.
"""

from __future__ import annotations

import argparse
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

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from ase import Atoms
from ase.build import molecule

from aldata import store
from aldata.acquire import LastLayerBelief, Pool
from aldata.acquire.distances import nearest
from aldata.acquire.frontier import Frontier
from aldata.acquire.information import greedy, information
from aldata.acquire.screening import Energies, grams
from aldata.acquire.strategies import Picks, farthest_point
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import (
    Candidates,
    Configurations,
    Descriptors,
    Predictions,
    as_configurations,
)

Found = dict[str, Any]


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, which has one thread: waiting for other processes does not count."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def median(work: Callable[[], Any], repeats: int = 5) -> float:
    work()
    return statistics.median(seconds(work)[0] for _ in range(repeats))


# ---------------------------------------------------------------- vectors


def vectors(kind: str, count: int, features: int, seed: int) -> np.ndarray:
    """Vectors of length 1; of one kind all seeds draw from the same distribution."""
    rng, shared = np.random.default_rng(seed), np.random.default_rng(999)
    if kind == "isotropic":
        found = rng.standard_normal((count, features), dtype=np.float32)
    else:
        first, second = shared.normal(size=(12, 64)), shared.normal(size=(64, features)) / 8
        centres, widths = shared.normal(size=(300, 12)), shared.uniform(0.05, 0.4, size=(300, 1))
        found = np.empty((count, features), np.float32)
        for begin in range(0, count, 50_000):
            part = slice(begin, min(begin + 50_000, count))
            which = rng.integers(300, size=part.stop - begin)
            hidden = centres[which] + widths[which] * rng.normal(size=(len(which), 12))
            found[part] = np.tanh(hidden @ first) @ second
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def single(values: np.ndarray, seed: int) -> Descriptors:
    """Each vector a frame of one atom."""
    rng = np.random.default_rng(seed)
    return Descriptors(
        configuration_id=rng.integers(0, 256, (len(values), 32)),
        row_size=np.ones(len(values)),
        numbers=np.ones(len(values)),
        descriptor=values,
        attributes={"descriptor_id": "d"},
    )


def pool_of(values: np.ndarray, training: np.ndarray) -> Pool:
    return Pool(
        candidates=single(values, 0),
        training=single(training, 1),
        predictions=Predictions.empty({}),
    )


def chosen_of(pool: Pool, count: int) -> Picks:
    return farthest_point.pick(pool, count, np.random.default_rng(0))


def picked(frontier: Frontier, count: int) -> float:
    """So many picks, as `farthest_point.pick` takes them; the distance of the last one."""
    last = 0.0
    for _ in range(count):
        row = frontier.farthest()
        last = frontier.distance(row)
        frontier.add(row)
    return last


def plain(values: np.ndarray, distance2: np.ndarray, count: int) -> np.ndarray:
    """The plain algorithm: every pick reads every vector; in the precision of the vectors."""
    norms = np.einsum("ij,ij->i", values, values)
    rows = np.zeros(count, np.int64)
    best = distance2.astype(values.dtype)
    for k in range(count):
        row = rows[k] = int(np.argmax(best))
        product = values @ values[row]
        product *= -2
        product += norms
        product += norms[row]
        np.minimum(best, product, out=best)
    return rows


def fps(scale: float) -> list[Found]:
    count, picks, training = int(1e6 * scale), 500, int(1e4 * scale)
    found = []
    for kind in ("manifold", "isotropic"):
        values, known = vectors(kind, count, 128, 0), vectors(kind, training, 128, 1)
        buffer = (
            values.copy()
        )  # pages that exist: the first touch of new ones costs more than a copy
        copy = median(lambda b=buffer, v=values: np.copyto(b, v), 5)
        bandwidth = 2 * values.nbytes / copy
        limit = (picks + 1) * values.nbytes / bandwidth
        pool = pool_of(values, known)
        alone, frontier = seconds(lambda p=pool: Frontier(p))
        distance = frontier.distances()
        picking, last = seconds(lambda f=frontier: picked(f, picks))
        total = alone + picking
        slow, _ = seconds(lambda v=values, d=distance: plain(v, d**2, picks))
        few = values[: count // 10].astype(np.float64)
        exact = plain(few, nearest(few, known) ** 2, picks)
        ours = chosen_of(pool_of(values[: count // 10], known), picks).rows
        found.append(
            {
                "data": kind,
                "vectors": count,
                "picks": picks,
                "training rows": training,
                "copy GB/s": bandwidth / 1e9,
                "limit": limit,
                "total": total,
                "training": alone,
                "picking": picking,
                "plain picking": slow,
                "picking over limit": picking / limit,
                "total over limit": total / limit,
                "total over plain": total / (slow + alone),
                "identical picks": bool(np.array_equal(ours, exact)),
                "last distance": last,
            }
        )
    return found


PEER = """
import sys, time, json
import numpy as np
values, count = np.load(sys.argv[1]), int(sys.argv[2])
found = {}
try:
    from skmatter.sample_selection import FPS
    began = time.process_time()
    model = FPS(n_to_select=count, initialize=0).fit(values.astype(np.float64))
    found["skmatter"] = (time.process_time() - began, np.asarray(model.selected_idx_).tolist())
except ImportError:
    pass
try:
    import fpsample
    for name, work in (
        ("fpsample", lambda: fpsample.fps_sampling(values, count, start_idx=0)),
        ("fpsample, npdu kd-tree", lambda: fpsample.fps_npdu_kdtree_sampling(values, count, start_idx=0)),
    ):
        began = time.process_time()
        rows = work()
        found[name] = (time.process_time() - began, np.asarray(rows).tolist())
except ImportError:
    pass
print(json.dumps(found))
"""


def peers(scale: float, python: str | None) -> list[Found]:
    """Without a training set: the first point is given to all, to ours as the one known environment."""
    count, picks = max(1000, int(1e4 * scale)), 500
    values = vectors("manifold", count, 128, 0)
    rest = np.arange(1, count)
    taken, chosen = seconds(lambda: chosen_of(pool_of(values[1:], values[:1]), picks - 1))
    ours = [0, *rest[chosen.rows].tolist()]
    found = [{"way": "aldata", "vectors": count, "picks": picks, "seconds": taken}]
    if python is None:
        return [*found, {"way": "skmatter, fpsample", "seconds": None}]
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "values.npy", values)
        command = [python, "-c", PEER, str(Path(folder) / "values.npy"), str(picks)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    for name, (time_taken, rows) in json.loads(done.stdout.splitlines()[-1]).items():
        same = sum(a == b for a, b in zip(rows, ours, strict=True))
        found.append(
            {
                "way": name,
                "vectors": count,
                "picks": picks,
                "seconds": time_taken,
                "over aldata": time_taken / taken,
                "same picks": f"{same} of {picks}",
            }
        )
    return found


def frames(scale: float) -> list[Found]:
    found, atoms = [], 20
    for count in (int(1e4 * scale), int(1e5 * scale)):
        pool = Pool(
            candidates=made_descriptors(vectors("manifold", count * atoms, 128, 0), atoms, 0),
            training=made_descriptors(vectors("manifold", 200 * atoms, 128, 1), atoms, 1),
            predictions=Predictions.empty({}),
        )
        taken, _ = seconds(lambda p=pool: chosen_of(p, 50))
        found.append({"frames": count, "atoms": atoms, "picks": 50, "seconds": taken})
    return found


def made_descriptors(values: np.ndarray, atoms: int, seed: int) -> Descriptors:
    """Frames of `atoms` atoms, two elements in turn."""
    count = len(values) // atoms
    rng = np.random.default_rng(seed)
    return Descriptors(
        configuration_id=rng.integers(0, 256, (count, 32)),
        row_size=np.full(count, atoms),
        numbers=np.tile(np.arange(atoms) % 2 * 28 + 1, count),
        descriptor=values,
        attributes={"descriptor_id": "d"},
    )


# ---------------------------------------------------------------- models


def ethanols(count: int, seed: int, spread: float = 0.1) -> list[Atoms]:
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        atoms = molecule("CH3CH2OH")
        atoms.positions += rng.normal(scale=spread, size=(9, 3))
        found.append(atoms)
    return found


def columns(atoms: list[Atoms]) -> Configurations:
    return as_configurations([from_atoms(a) for a in atoms])


def trained(members: int) -> tuple[Any, Configurations]:
    """A short training of the default architecture on 40 frames, labels by EMT."""
    from study.emt import labelled

    from aldata.train import TrainingFrames, TrainSettings, train

    labels = labelled(ethanols(40, 0), None)
    roles = ["valid" if k % 6 == 5 else "train" for k in range(40)]
    data = TrainingFrames(labels, roles, np.array([1, 6, 8]), np.zeros(3), "00" * 32)
    settings = TrainSettings(members=members, steps=30)
    here: Callable[[Any, Any], Any] = lambda function, jobs: [function(job) for job in jobs]  # noqa: E731
    return train(data, settings, list(range(members)), here).checkpoint, labels


def batch(scale: float) -> list[Found]:
    from aldata.describe import DescribeSettings, describe

    count, size, screen = max(100, int(1e4 * scale)), 50, 300
    checkpoint, labels = trained(1)
    candidates = columns(ethanols(count, 1, 0.15))
    described = describe(candidates, DescribeSettings(soap={"n_max": 2, "l_max": 1}), [1, 6, 8])
    belief = LastLayerBelief(checkpoint, candidates, labels, 1e-6)
    pool = Pool(
        candidates=described,
        training=described.take([]),
        predictions=Predictions.empty({}),
        belief=belief,
        target=(1e-3, 2e-2),
    )
    screening, energies = seconds(lambda: Energies.of(pool))
    best = energies.best(pool, screen)
    jacobians, (found, _) = seconds(lambda: grams(pool.take(best), energies.scale))
    lazy, (rows, _) = seconds(lambda: greedy(found, size))
    slow, others = seconds(lambda: plain_greedy(found, size))
    return [
        {
            "candidates": count,
            "atoms": 9,
            "parameters": found.shape[-1],
            "screened": len(best),
            "energies": screening,
            "jacobians": jacobians,
            "lazy greedy": lazy,
            "plain greedy": slow,
            "batch": size,
            "same picks": rows.tolist() == others,
            "nats": information(found[rows]),
        }
    ]


def plain_greedy(found: np.ndarray, count: int) -> list[int]:
    """Every gain of every candidate anew for every pick."""
    known, rows = np.eye(found.shape[-1]), []
    for _ in range(min(count, len(found))):
        gains = np.linalg.slogdet(known + found)[1]
        gains[rows] = -np.inf
        rows.append(int(np.argmax(gains)))
        known = known + found[rows[-1]]
    return rows


def uncertainty(scale: float) -> list[Found]:
    from dataclasses import replace

    import torch

    from aldata.potentials import Committee, UncertaintySettings, predict
    from aldata.potentials.uncertainty.one_model import OneModel

    torch.set_num_threads(1)
    count = max(8, int(64 * scale))
    checkpoint, _ = trained(5)
    asked = columns(ethanols(count, 2))
    first = replace(
        checkpoint, weights=checkpoint.weights[:1], information=checkpoint.information[:1]
    )
    one = Committee.from_checkpoint(first)
    double = Committee.from_checkpoint(first, "float64")
    model = OneModel(checkpoint)
    posterior = model.posterior(1e-6)
    base = median(lambda: one.predict(asked))
    ways: dict[str, Callable[[], Any]] = {
        "energy and forces, one model, float32": lambda: one.predict(asked),
        "energy and forces, one model, float64": lambda: double.predict(asked),
        "last layer, energy alone (float64)": lambda: posterior.variances(model.energy_rows(asked)),
    }
    for name in ("committee", "last_layer", "shallow", "dropout"):
        settings = UncertaintySettings(method=name)
        label = "committee of 5" if name == "committee" else f"{name}, energy and forces (float64)"
        ways[label] = lambda s=settings: predict(checkpoint, asked, s)
    taken = {name: median(work, 3) for name, work in ways.items()}
    exact = taken["energy and forces, one model, float64"]
    return [
        {
            "way": name,
            "ms per frame": 1000 * value / count,
            "over float32": value / base,
            "over float64": value / exact,
        }
        for name, value in taken.items()
    ]


# ---------------------------------------------------------------- growth


def growth(scale: float) -> list[Found]:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        project = prepared(Path(folder) / "project")
        for count in (int(1e4 * scale), int(1e5 * scale), int(1e6 * scale)):
            fill(project, count)
            for strategy, block in (("farthest_point", 16384), ("farthest_point", 131072)):
                set_acquire(project, strategy, block)
                found.append(
                    {"candidates": count, "strategy": strategy, "block": block, **measured(project)}
                )
    return found


def prepared(project: Path) -> Path:
    """A project whose first generation is at its acquire stage, with 200 imported labels."""
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    from aldata import params
    from aldata.cli.main import main as aldata_main

    cell = bulk("Cu", cubic=True)
    project.parent.mkdir(parents=True, exist_ok=True)
    cell.write(project.parent / "cell.xyz")
    aldata_main(["init", str(project), "--structures", str(project.parent / "cell.xyz")])
    rng, frames_ = np.random.default_rng(0), []
    for _ in range(200):
        atoms = cell.copy()
        atoms.positions += rng.normal(scale=0.1, size=(4, 3))
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        frames_.append(atoms)
    write(project / "structures" / "labels.xyz", frames_)
    params.set_values(
        project / "params.yaml",
        {
            "oracle": {"name": "emt", "settings": {}},
            "seed.test": None,
            "seed.labels": "structures/labels.xyz",
            "describe.soap": {"n_max": 4, "l_max": 2},
        },
    )
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for stage in (["seed"], ["noise", "g000"], ["explore", "g000"], ["describe", "g000"]):
        subprocess.run(
            [sys.executable, "-m", f"pipelines.{stage[0]}", *stage[1:]],
            cwd=project,
            env=environment,
            check=True,
            capture_output=True,
        )
    shutil.copytree(project / "generations" / "g000", project / "first")
    return project


def fill(project: Path, count: int, block: int = 20_000) -> None:
    """Candidates and descriptors of the generation, multiplied: small changes of the real ones."""
    here, first = project / "generations" / "g000", project / "first"
    candidates = store.read(first / "candidates.zarr", Candidates)
    described = store.read(first / "descriptors.zarr", Descriptors)
    real = int(described.attributes["candidates"])
    rng = np.random.default_rng(0)
    with (
        store.writer(here / "candidates.zarr", Candidates, candidates.attributes) as geometries,
        store.writer(
            here / "descriptors.zarr", Descriptors, {**described.attributes, "candidates": count}
        ) as out,
    ):
        for begin in range(0, count, block):
            rows = rng.integers(real, size=min(block, count - begin))
            ids = rng.integers(0, 256, (len(rows), 32)).astype(np.uint8)
            taken = candidates.take(rows)
            geometries.append(Candidates.from_arrays({**taken.arrays, "configuration_id": ids}, {}))
            values = described.take(rows)
            moved = values.descriptor + 0.02 * rng.standard_normal(
                values.descriptor.shape, dtype=np.float32
            )
            moved /= np.linalg.norm(moved, axis=1, keepdims=True)
            out.append(
                Descriptors.from_arrays(
                    {**values.arrays, "configuration_id": ids, "descriptor": moved}, {}
                )
            )
        out.append(described.part(real, len(described)))


def set_acquire(project: Path, strategy: str, block: int) -> None:
    from aldata import params

    changes = {"acquire.strategy": strategy, "acquire.block": block, "acquire.batch": 50}
    params.set_values(project / "params.yaml", changes)


def measured(project: Path) -> Found:
    """Run the stage and look at its memory twenty times a second."""
    began = children()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.acquire", "g000"], cwd=project, stdout=subprocess.DEVNULL
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, anonymous(process.pid))
        time.sleep(0.05)
    assert process.returncode == 0, "the stage failed"
    folder = project / "generations" / "g000" / "descriptors.zarr"
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    return {
        "seconds": children() - began,
        "memory MB": peak / 1024,
        "descriptors MB": size / 2**20,
    }


def children() -> float:
    """CPU seconds of the processes that were started from here and have ended."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def anonymous(process: int) -> int:
    """Memory in kB that is no page of a file."""
    try:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1])
    except OSError:
        return 0
    return 0


PARTS = ("fps", "peers", "frames", "batch", "uncertainty", "growth")


def shown(rows: list[Found]) -> str:
    """A Markdown table; numbers to three digits."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def cell(value: Any) -> str:
        return f"{value:.3g}" if isinstance(value, float) else "-" if value is None else str(value)

    lines = [names, ["---"] * len(names), *([cell(row.get(n)) for n in names] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--peers", help="a Python that has skmatter and fpsample")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the sizes below")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    scale = given.scale
    found: dict[str, list[Found]] = {}
    for part in given.parts:
        work = globals()[part]
        found[part] = work(scale, given.peers) if part == "peers" else work(scale)
        print(f"\n### {part}\n\n{shown(found[part])}", flush=True)
        if given.json:
            given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
