"""Build a large store in blocks, read it back in blocks, and print the memory that each took.

    python benchmarks/stream.py [--frames 1000000] [--atoms 30] [--folder /tmp]

Labels with random geometries, energies and forces, in blocks of 10,000 frames; a million frames of 30
atoms are about 2 GB and take minutes. The store is deleted in the end. `peak` is the largest resident
set of the process. Reading counts the pages of the mapped files as well, which the system takes back
when it needs them; so that it can be told from memory that is really needed, the read back runs under
a limit on everything else (RLIMIT_DATA).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aldata import store
from aldata.artifacts.frames import Labels

BLOCK = 10_000
DATA_LIMIT = 2**30
"""Bytes of memory besides mapped files that reading may use."""


def blocks(frames: int, atoms: int) -> Iterator[Labels]:
    """Labels of `frames` frames, a block at a time."""
    rng = np.random.default_rng(0)
    for begin in range(0, frames, BLOCK):
        count = min(BLOCK, frames - begin)
        zero, hashes = np.zeros(count), rng.integers(0, 256, (3, count, 32))
        yield Labels(
            row_size=zero + atoms,
            numbers=rng.choice([1, 6, 8], count * atoms),
            positions=rng.normal(size=(count * atoms, 3)),
            cell=np.zeros((count, 3, 3)),
            pbc=np.zeros((count, 3), bool),
            charge=zero,
            spin=zero,
            configuration_id=hashes[0],
            call_id=hashes[1],
            result_digest=hashes[2],
            status=zero,
            failure=zero,
            purpose=zero,
            trajectory=zero - 1,
            energy=rng.normal(size=count),
            forces=rng.normal(size=(count * atoms, 3)),
            stress=np.full((count, 6), np.nan),
            sigma_energy=zero,
            sigma_forces=zero,
        )


def build(path: Path, frames: int, atoms: int) -> dict[str, Any]:
    """Write the store block by block."""
    with store.writer(path, Labels, {"theory_id": "made up"}) as out:
        for block in blocks(frames, atoms):
            out.append(block)
    return {"digest": out.digest}


def read(path: Path, frames: int, atoms: int) -> dict[str, Any]:
    """Compare every byte with its digest, then add up all forces block by block."""
    resource.setrlimit(resource.RLIMIT_DATA, (DATA_LIMIT, DATA_LIMIT))
    labels = store.read(path, Labels)
    total = sum(float(block.forces.sum()) for block in labels.blocks(BLOCK))
    assert (len(labels), len(labels.forces)) == (frames, frames * atoms)
    return {"digest": labels.digest, "sum of forces": total}


def reopen(path: Path, frames: int, atoms: int) -> dict[str, Any]:
    """Open without comparing: metadata and `row_size` only."""
    began = time.perf_counter()
    labels = store.read(path, Labels, check=False)
    taken = time.perf_counter() - began
    assert len(labels) == frames
    assert int(labels.row_size[-1]) == atoms
    return {"milliseconds to open": round(1000 * taken, 2)}


STEPS = {"build": build, "read": read, "reopen": reopen}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--atoms", type=int, default=30)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        began = time.perf_counter()
        path = given.folder / "large.zarr"
        found = STEPS[given.step](path, given.frames, given.atoms)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        seconds = round(time.perf_counter() - began, 1)
        print(json.dumps({"seconds": seconds, "peak GB": round(peak, 2), **found}))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for step in STEPS:
            command = [sys.executable, __file__, "--step", step, "--folder", folder]
            command += ["--frames", str(given.frames), "--atoms", str(given.atoms)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"{step}: {done.stdout.strip()}", flush=True)
        files = [f for f in Path(folder).rglob("*") if f.is_file()]
        print(f"{sum(f.stat().st_size for f in files) / 2**30:.2f} GB in {len(files)} files")


if __name__ == "__main__":
    main()
