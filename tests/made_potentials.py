"""Small labelled molecules and cells with known energies, and checkpoints made without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from aldata import digest
from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Labels, geometry_columns
from aldata.potentials import Architecture
from aldata.potentials.network import Network

SMALL = Architecture(channels=4, radial_mlp=[8], readout=4, cutoff=4.0)
ISOLATED = {
    11: -1300.0,
    17: -12500.0,
    13: -2.0,
    1: -13.6,
    6: -1026.9,
    8: -2037.8,
    26: -1.5,
    29: -0.5,
}


def ethanol(seed: int, spread: float = 0.1) -> Atoms:
    """Ethanol, every atom displaced at random."""
    atoms = molecule("CH3CH2OH")
    atoms.positions += np.random.default_rng(seed).normal(scale=spread, size=(9, 3))
    return atoms


def copper(seed: int, spread: float = 0.1) -> Atoms:
    """A strained, skewed cell of four copper atoms, displaced at random."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(scale=0.03, size=(3, 3))), scale_atoms=True)
    atoms.positions += rng.normal(scale=spread, size=(4, 3))
    return atoms


def labelled(frames: Sequence[Atoms]) -> Labels:
    """Labels from EMT, E0 added; stress where the cell is periodic."""
    n, geometry = len(frames), geometry_columns([from_atoms(atoms) for atoms in frames])
    energies, forces, stresses = [], [], []
    for atoms in frames:
        atoms = atoms.copy()
        atoms.calc = EMT()
        shift = sum(ISOLATED[int(z)] for z in atoms.numbers)
        energies.append(atoms.get_potential_energy() + shift)
        forces.append(atoms.get_forces())
        stresses.append(atoms.get_stress() if atoms.pbc.all() else np.full(6, np.nan))
    ids = geometry["configuration_id"]
    zero = np.zeros(n)
    return Labels(
        **geometry,
        call_id=ids,
        result_digest=ids,
        status=zero,
        failure=zero,
        purpose=zero,
        trajectory=zero - 1,
        energy=np.array(energies),
        forces=np.concatenate(forces),
        stress=np.array(stresses),
        sigma_energy=zero,
        sigma_forces=zero,
        attributes={"theory_id": digest.of_json("EMT")},
    )


def untrained(
    members: int = 3,
    numbers: Sequence[int] = (1, 6, 8, 29),
    architecture: Architecture = SMALL,
    seed: int = 0,
) -> Checkpoint:
    """A checkpoint with random weights and shifts: as good as a trained one for what must be exact."""
    network = Network(architecture, numbers, 7.5)
    weights = np.stack([network.initial_weights(seed + m, 1.3, -0.2) for m in range(members)])
    weights[:, -len(numbers) :] += np.random.default_rng(seed).normal(size=(members, len(numbers)))
    size = architecture.features + len(numbers)
    card = {"architecture": architecture.content(), "mean_degree": 7.5, "seeds": [0] * members}
    return Checkpoint(
        weights=weights,
        information=np.zeros((members, size, size)),
        numbers=np.array(numbers),
        isolated_energies=np.array([ISOLATED[z] for z in numbers]),
        attributes={"card": card, "tensors": network.table()},
    )


def informed(checkpoint: Checkpoint, frames: Sequence[Atoms]) -> Checkpoint:
    """The checkpoint with the information that labels of these frames would hold about its layers."""
    from aldata.artifacts.frames import as_configurations
    from aldata.potentials.uncertainty.one_model import OneModel

    information = np.zeros_like(checkpoint.information)
    for rows in OneModel(checkpoint).rows(as_configurations([from_atoms(a) for a in frames])):
        forces = rows.forces.reshape(-1, rows.forces.shape[-1]) / 0.1
        energy = rows.energy / 0.01
        information += energy.T @ energy + forces.T @ forces
    return replace(checkpoint, information=information)


def in_process(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
    """A runner that runs the jobs here, one after the other."""
    return [function(job) for job in jobs]
