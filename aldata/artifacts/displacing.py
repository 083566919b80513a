"""Random displacements of a configuration and, where it is periodic, random strain."""

from __future__ import annotations

import numpy as np

from aldata.artifacts.contacts import closest_contact
from aldata.artifacts.frames import Configuration, Float

ATTEMPTS = 100
"""How often a frame is drawn again before its settings are called impossible."""


def displaced(
    structure: Configuration,
    deviation: float,
    strain: float,
    least_contact: float,
    rng: np.random.Generator,
) -> Configuration | None:
    """The structure, every coordinate moved by a normal number of standard deviation `deviation` (A).

    A periodic cell is also strained by a symmetric tensor with components uniform in +-`strain`, within the
    periodic directions. Drawn again while two atoms are closer than `least_contact` (sums of covalent
    radii); None if that happens in all of `ATTEMPTS` draws.
    """
    for _ in range(ATTEMPTS):
        frame = _moved(structure, deviation, strain, rng)
        if closest_contact(frame) >= least_contact:
            return frame
    return None


def is_strained(structure: Configuration, strain: float) -> bool:
    """Whether `displaced` strains it: there is something to strain."""
    return bool(structure.pbc.any()) and strain > 0


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


def _strain_tensor(structure: Configuration, strain: float, rng: np.random.Generator) -> Float:
    """A random symmetric tensor within the span of the periodic cell vectors: shape (3, 3)."""
    upper = np.triu(rng.uniform(-strain, strain, size=(3, 3)))
    symmetric = upper + np.triu(upper, 1).T
    periodic = structure.cell[structure.pbc]
    # a slab or a chain is not stretched into its vacuum
    projector = np.linalg.pinv(periodic) @ periodic
    within: Float = projector @ symmetric @ projector
    return within
