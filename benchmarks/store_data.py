"""The frames that benchmarks/stores.py stores in every way, and projects of aldata that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from aldata import digest, store
from aldata.artifacts.documents import Entry, Manifest, Parent, call_id
from aldata.artifacts.frames import Labels
from aldata.artifacts.layout import path_of

FIELDS = ("row_size", "numbers", "positions", "forces", "cell", "pbc", "energy", "stress")
"""What every way stores and every batch gives; aldata and np.memmap hold all columns of labels."""

THEORY = "made up"
RARE = 26
"""An element in one frame of fifty: what the species query looks for."""


def made_labels(frames: int, seed: int) -> Labels:
    """Labels of periodic frames of 20 to 100 atoms with random contents."""
    rng = np.random.default_rng(seed)
    row_size = rng.integers(20, 101, frames)
    atoms = int(row_size.sum())
    numbers = rng.choice([1, 6, 7, 8], atoms)
    firsts = np.cumsum(row_size) - row_size
    numbers[firsts[rng.random(frames) < 0.02]] = RARE
    zero, hashes = np.zeros(frames), rng.integers(0, 256, (2, frames, 32))
    calls = [call_id(identity, THEORY) for identity in digest.to_hex(hashes[0].astype(np.uint8))]
    return Labels(
        row_size=row_size,
        numbers=numbers,
        positions=rng.normal(size=(atoms, 3)) * 5,
        cell=np.tile(np.eye(3) * 12.0, (frames, 1, 1)) + rng.normal(size=(frames, 3, 3)) / 10,
        pbc=np.ones((frames, 3), bool),
        charge=zero,
        spin=zero,
        configuration_id=hashes[0],
        call_id=digest.to_bytes(calls),
        result_digest=hashes[1],
        status=zero,
        failure=zero,
        purpose=zero,
        trajectory=zero - 1,
        energy=rng.normal(size=frames) * 100,
        forces=rng.normal(size=(atoms, 3)),
        stress=rng.normal(size=(frames, 6)),
        sigma_energy=zero + 1e-3,
        sigma_forces=zero + 1e-2,
        attributes={"theory_id": THEORY},
    )


def as_atoms(labels: Labels) -> list[Atoms]:
    """The frames as ASE keeps them: results in a calculator."""
    frames = []
    for row in range(len(labels)):
        atoms = labels.atoms_of(row)
        frame = Atoms(
            labels.numbers[atoms],
            labels.positions[atoms],
            cell=labels.cell[row],
            pbc=labels.pbc[row],
        )
        frame.calc = SinglePointCalculator(
            frame,
            energy=float(labels.energy[row]),
            forces=labels.forces[atoms],
            stress=labels.stress[row],
        )
        frames.append(frame)
    return frames


def of_atoms(frames: Sequence[Atoms]) -> dict[str, Any]:
    """ASE's frames as the arrays of FIELDS."""
    return {
        "row_size": np.array([len(frame) for frame in frames]),
        "numbers": np.concatenate([frame.numbers for frame in frames]),
        "positions": np.concatenate([frame.positions for frame in frames]),
        "forces": np.concatenate([frame.get_forces() for frame in frames]),
        "cell": np.array([frame.cell.array for frame in frames]),
        "pbc": np.array([frame.pbc for frame in frames]),
        "energy": np.array([frame.get_potential_energy() for frame in frames]),
        "stress": np.array([frame.get_stress() for frame in frames]),
    }


def add_generation(root: Path, name: str, labels: Labels, parent: Manifest | None) -> Manifest:
    """Write a generation's labels and data set into a project; returns the data set."""
    if parent is None:
        root.mkdir(parents=True, exist_ok=True)
        (root / "params.yaml").write_text("generations: {}\n")
        (root / "dvc.yaml").write_text("stages: {}\n")
    store.write(root / path_of(name, "labels"), labels)
    results = digest.to_hex(labels.result_digest)
    entries = [
        Entry(
            call=call,
            configuration=labels.ids[row],
            result=results[row],
            status="accepted",
            role="train" if row % 8 else "probe",
            purpose="acquired" if row % 8 else "probe",
            lineage=f"{name}/trajectory-{row % 9}",
        )
        for row, call in enumerate(labels.call_ids)
    ]
    manifest = Manifest(
        generation=name,
        parent=Parent(generation=parent.generation, manifest=parent.digest) if parent else None,
        theory_id=THEORY,
        species=[1, 6, 7, 8, RARE],
        entries=entries,
        retracted=[],
    )
    store.write_document(root / path_of(name, "dataset"), manifest)
    return manifest
