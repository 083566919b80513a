"""A cluster of six copper and two gold atoms with EMT: every label with Gaussian noise of known size.

The pool is biased: 540 frames of molecular dynamics at 300 K, 60 at 1200 K; the model begins with 12
labels at 300 K. Tests: 100 frames at each temperature of other trajectories, without noise.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.emt import EMT
from ase.cluster import Octahedron
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.documents import Noise
from aldata.artifacts.frames import Labels, geometry_columns
from aldata.artifacts.schema import PURPOSES
from aldata.potentials import Architecture
from aldata.train import TrainSettings
from study.worlds import System, World

COLD, HOT = 300.0, 1200.0
POOL = {COLD: 540, HOT: 60}
TEST = 100
FIRST = 12
NOISE = Noise(theory_id="EMT", sigma_energy=4e-3, sigma_forces=1e-2, source="made")


def cluster(rng: np.random.Generator) -> Atoms:
    """Eight atoms of a face-centred cubic crystal, two of them gold."""
    copper = Octahedron("Cu", 3, cutoff=1)
    atoms = Atoms(copper.numbers[:8], copper.positions[:8])
    atoms.numbers[rng.choice(8, 2, replace=False)] = 79
    return atoms


def trajectory(temperature: float, frames: int, seed: int) -> list[Atoms]:
    """Frames of Langevin dynamics, 100 fs apart, after 2 ps; a cluster that evaporates starts anew."""
    rng = np.random.default_rng(seed)
    found: list[Atoms] = []
    while len(found) < frames:
        atoms = cluster(rng)
        atoms.calc = EMT()
        MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
        motion = Langevin(atoms, 4 * units.fs, temperature_K=temperature, friction=0.05, rng=rng)
        motion.run(500)
        while len(found) < frames and atoms.get_all_distances().max() < 9.0:
            motion.run(25)
            found.append(Atoms(atoms.numbers, atoms.positions.copy()))
    return found


def labelled(frames: Sequence[Atoms], seed: int | None, purpose: str = "acquired") -> Labels:
    """EMT's energies and forces; with a seed, the noise of the frame added: the same whenever asked."""
    geometry = geometry_columns([from_atoms(atoms) for atoms in frames])
    energies, forces = [], []
    for atoms, identity in zip(frames, geometry["configuration_id"], strict=True):
        copy = atoms.copy()
        copy.calc = EMT()
        energy, force = copy.get_potential_energy(), copy.get_forces()
        if seed is not None:
            rng = np.random.default_rng([seed, *identity[:8].tolist()])
            energy += NOISE.sigma_energy * rng.normal()
            force = force + NOISE.sigma_forces * rng.normal(size=force.shape)
        energies.append(energy)
        forces.append(force)
    n = len(frames)
    return Labels(
        **geometry,
        call_id=geometry["configuration_id"],
        result_digest=geometry["configuration_id"],
        status=np.zeros(n),
        failure=np.zeros(n),
        purpose=np.full(n, PURPOSES.index(purpose)),
        trajectory=np.full(n, -1),
        energy=np.array(energies),
        forces=np.concatenate(forces),
        stress=np.full((n, 6), np.nan),
        sigma_energy=np.full(n, NOISE.sigma_energy),
        sigma_forces=np.full(n, NOISE.sigma_forces),
        attributes={"theory_id": "EMT"},
    )


def world(seed: int, _data: Path | None = None) -> World:
    """The world of a seed: pool, first labels and tests are trajectories of their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ASE on Langevin's fixcm: nothing here depends on it
        frames = [
            atoms
            for place, (temperature, count) in enumerate(POOL.items())
            for atoms in trajectory(temperature, count, 10 * seed + place)
        ]
        first = trajectory(COLD, FIRST, 10 * seed + 5)
        tests = {
            name: labelled(trajectory(temperature, TEST, 10 * seed + place), None)
            for name, temperature, place in (("300K", COLD, 7), ("1200K", HOT, 8))
        }
    kinds = [f"{temperature:.0f} K" for temperature, count in POOL.items() for _ in range(count)]
    return World(
        seed, labelled(frames, seed), kinds, labelled(first, seed), tests, isolated=[0.0, 0.0]
    )


SYSTEM = System(
    title="Cu6Au2 with EMT: a biased pool (540 frames at 300 K, 60 at 1200 K)",
    species=[29, 79],
    training=TrainSettings(
        members=1,
        steps=400,
        validate_every=100,
        architecture=Architecture(channels=8, radial_mlp=[32, 32]),
    ),
    noise=NOISE,
    batch=12,
    probe=2,
    rounds=3,
    rare=("1200 K",),
    measures={
        "forces_1200K": "forces, 1200 K (meV/A)",
        "forces_300K": "forces, 300 K (meV/A)",
        "max_1200K": "largest force error, 1200 K (meV/A)",
    },
    make=world,
)
