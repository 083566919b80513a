"""The acquire stage in a real project whose stores hold ever more candidates."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from acquisition_parts.timing import Found
from aldata import store
from aldata.artifacts.frames import Candidates, Descriptors


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
