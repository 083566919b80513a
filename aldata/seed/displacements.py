"""The first candidates: the given structures, displaced at random and, if periodic, strained."""

from __future__ import annotations

import numpy as np

from aldata.artifacts.contacts import closest_contact
from aldata.artifacts.frames import Candidates, Configuration, Configurations, geometry_columns
from aldata.artifacts.schema import SAMPLERS
from aldata.digest import NO_HASH, to_bytes
from aldata.errors import InvalidParameters
from aldata.seed.settings import SeedSettings

ATTEMPTS = 100
"""How often one candidate is drawn again before its settings are called impossible."""


def displaced(structures: Configurations, settings: SeedSettings, seed: int) -> Candidates:
    """The given structures and random displacements of them, `settings.candidates` in all.

    All structures come first, even if there are more of them than candidates were asked for. Every
    further candidate takes the next structure in turn and, after each round, the next standard
    deviation of `settings.displacement`: positions move by independent normal numbers. A periodic
    cell is also strained by a symmetric tensor with components uniform in +-`settings.strain`,
    within the periodic directions. Candidate k depends on (`seed`, k) only.

    Raises InvalidParameters when displacements keep pushing atoms closer than
    `settings.min_distance_factor`.
    """
    n = len(structures)
    frames = list(structures)
    samplers = ["given"] * n
    parents = [NO_HASH] * n
    for k in range(n, settings.candidates):
        row, turn = k % n, (k - n) // n
        deviation = settings.displacement[turn % len(settings.displacement)]
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
        frame = _drawn(structures[row], deviation, settings, rng)
        strained = structures.pbc[row].any() and settings.strain > 0
        frames.append(frame)
        samplers.append("strain" if strained else "displacement")
        parents.append(structures.ids[row])
    return Candidates(
        **geometry_columns(frames),
        sampler=np.array([SAMPLERS.index(s) for s in samplers]),
        trajectory=np.full(len(frames), -1),
        step=np.zeros(len(frames)),
        temperature=np.zeros(len(frames)),
        parent_configuration=to_bytes(parents),
        attributes={"checkpoint": NO_HASH, "random_seed": seed, "trajectories": []},
    )


def _drawn(
    structure: Configuration, deviation: float, settings: SeedSettings, rng: np.random.Generator
) -> Configuration:
    for _ in range(ATTEMPTS):
        frame = _moved(structure, deviation, settings.strain, rng)
        if closest_contact(frame) >= settings.min_distance_factor:
            return frame
    raise InvalidParameters(
        f"displacements of {deviation} A leave atoms too close in {ATTEMPTS} of {ATTEMPTS} draws",
        where=f"seed.displacement, structure {structure.id[:8]}",
        expected=f"contacts above {settings.min_distance_factor} sums of covalent radii",
        next_step="lower seed.displacement or seed.strain, or check the structure",
    )


def _moved(
    structure: Configuration, deviation: float, strain: float, rng: np.random.Generator
) -> Configuration:
    deformation = np.eye(3)
    if structure.pbc.any():
        deformation += _strain_tensor(structure, strain, rng)
    positions = structure.positions @ deformation
    return Configuration(
        numbers=structure.numbers,
        positions=positions + deviation * rng.standard_normal(positions.shape),
        cell=structure.cell @ deformation,
        pbc=structure.pbc,
        charge=structure.charge,
        spin=structure.spin,
    )


def _strain_tensor(
    structure: Configuration, strain: float, rng: np.random.Generator
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A random symmetric tensor within the span of the periodic cell vectors: shape (3, 3)."""
    upper = np.triu(rng.uniform(-strain, strain, size=(3, 3)))
    symmetric = upper + np.triu(upper, 1).T
    periodic = structure.cell[structure.pbc]
    # a slab or a chain is not stretched into its vacuum
    projector = np.linalg.pinv(periodic) @ periodic
    within: np.ndarray[tuple[int, int], np.dtype[np.float64]] = projector @ symmetric @ projector
    return within
