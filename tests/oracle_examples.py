"""For every oracle a level of theory, something it can compute, and something that it must refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import codes
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from aldata.artifacts.conversion import from_atoms, to_atoms
from aldata.artifacts.frames import Configuration
from aldata.label.oracles.trials import HYDROGEN

WATER = from_atoms(molecule("H2O"))
HYDROXYL = Configuration(
    numbers=np.array([8, 1]),
    positions=np.array([[0.0, 0, 0], [0.02, 0.03, 0.98]]),
    cell=np.zeros((3, 3)),
    pbc=np.zeros(3, dtype=bool),
    spin=1,
)


def rattled(atoms: Atoms, seed: int = 1) -> Configuration:
    """The atoms, displaced by 0.08 A."""
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).normal(0, 0.08, moved.positions.shape)
    return from_atoms(moved)


COPPER = rattled(bulk("Cu", cubic=True))
SHEAR = np.array([[0.05, 0.02, 0.0], [0.02, 0.01, 0.03], [0.0, 0.03, -0.02]])


def sheared(atoms: Atoms) -> Atoms:
    """The crystal with strains that give it stresses well above any tolerance."""
    changed = atoms.copy()
    changed.set_cell(atoms.cell.array @ (np.eye(3) + SHEAR), scale_atoms=True)
    return changed


SILICON = rattled(sheared(bulk("Si")))

STEP = 2e-3
STRAIN = 1e-3
"""Steps of the finite differences: in A, along `direction_of`, and of the strain."""


def direction_of(configuration: Configuration) -> Any:
    """The direction along which the energy is differentiated."""
    return np.random.default_rng(2).normal(size=configuration.positions.shape)


def turn() -> Any:
    """A rotation (with a reflection) of everything."""
    return np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]


def moved(configuration: Configuration, sign: int) -> Configuration:
    step = sign * STEP * direction_of(configuration)
    return replace(configuration, positions=configuration.positions + step)


def rotated(configuration: Configuration) -> Configuration:
    return _deformed(configuration, turn().T)


def strained(configuration: Configuration, component: tuple[int, int], sign: int) -> Configuration:
    strain = np.eye(3)
    strain[component] += sign * STRAIN / 2
    strain[component[::-1]] += sign * STRAIN / 2
    return _deformed(configuration, strain)


def _deformed(configuration: Configuration, by: Any) -> Configuration:
    return replace(
        configuration, positions=configuration.positions @ by, cell=configuration.cell @ by
    )


STRESSES = {0: (0, 0), 3: (1, 2)}
"""Components of the stress that are checked: Voigt index, and the two directions."""


@dataclass(frozen=True)
class Example:
    """What the contract asks of one oracle at one level of theory.

    `noise`: numerical noise of forces (eV/A). `stress`: tolerance of the stress against finite
    differences (eV/A^3): at a finite cutoff the basis changes with the cell. `starved`: settings
    with which its iterations cannot end, or None where it has none. `prepare` makes what it needs
    in a folder, changes the environment, and returns more settings; it may skip.
    """

    name: str
    settings: dict[str, Any]
    good: Configuration
    nonsense: Configuration
    noise: float
    stress: float = 1e-6
    starved: dict[str, Any] | None = None
    prepare: Callable[[pytest.MonkeyPatch, Path], dict[str, Any]] = field(
        default=lambda patch, folder: {}
    )
    slow: bool = False


def _with_pw_x(patch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    patch.setenv("ALDATA_ESPRESSO", codes.pw_x())
    return {}


def _with_abinit(patch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    patch.setenv("ALDATA_ABINIT", codes.program("abinit", "abinit"))
    return {}


def _with_cp2k(patch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    patch.setenv("ALDATA_CP2K", codes.program("cp2k", "cp2k.psmp", "cp2k"))
    return {}


def _with_gpaw(patch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    patch.setenv("ALDATA_GPAW", codes.gpaw())
    return {}


def _recorded(patch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    """EMT's labels of all that the contract asks, in a file that keeps every digit."""
    questions = [COPPER, rotated(COPPER)]
    for sign in (1, -1):
        questions += [moved(COPPER, sign)]
        questions += [strained(COPPER, directions, sign) for directions in STRESSES.values()]
    frames = [to_atoms(question) for question in questions]
    for atoms in frames:
        atoms.calc = EMT()
        results = {
            k: getattr(atoms, f"get_{k}")() for k in ("potential_energy", "forces", "stress")
        }
        atoms.calc = SinglePointCalculator(atoms, energy=results.pop("potential_energy"), **results)
    write(folder / "labelled.traj", frames)
    return {"file": str(folder / "labelled.traj")}


EXAMPLES = {
    "pyscf": Example(
        "pyscf",
        {"basis": "sto-3g"},
        rattled(molecule("H2O")),
        replace(WATER, spin=1),
        4e-3,
        starved={"max_cycle": 2},
    ),
    "pyscf radical": Example(
        "pyscf",
        {"basis": "sto-3g", "density_fit": False},
        HYDROXYL,
        COPPER,
        4e-3,
        starved={"max_cycle": 2},
    ),
    "pyscf_cells": Example(
        "pyscf_cells",
        {
            "ke_cutoff": 70.0,
            "kpoints": {"grid": [2, 2, 2], "shift": [0.5, 0.5, 0.5]},
            "basis": "gth-szv",
        },
        HYDROGEN,
        replace(HYDROGEN, charge=1),
        4e-3,
        stress=1e-4,
        starved={"max_cycle": 1},
        slow=True,  # ten seconds per label
    ),
    "espresso": Example(
        "espresso",
        {
            "ecutwfc": 28.0,
            "kpoints": {"grid": [2, 2, 2], "shift": [0.5, 0.5, 0.5]},
            "pseudopotentials": {"Si": "gth-pbe"},
        },
        SILICON,
        replace(SILICON, charge=1),
        1e-3,
        stress=5e-3,
        starved={"electron_maxstep": 2},
        prepare=_with_pw_x,
    ),
    "abinit": Example(
        "abinit",
        {
            "ecut": 14.0,
            "kpoints": {"grid": [2, 2, 2], "shift": [0.5, 0.5, 0.5]},
            "pseudopotentials": {"Si": "gth-pbe"},
        },
        SILICON,
        replace(SILICON, charge=1),
        1e-3,
        stress=5e-3,
        starved={"nstep": 2},
        prepare=_with_abinit,
    ),
    "gpaw": Example(
        "gpaw",
        {
            "cutoff": 300.0,
            "kpoints": {"grid": [2, 2, 2], "shift": [0.5, 0.5, 0.5]},
            "setups": {"Si": "paw"},
        },
        SILICON,
        replace(SILICON, charge=1),
        2e-3,
        stress=5e-3,
        starved={"max_steps": 2},
        prepare=_with_gpaw,
        slow=True,
    ),
    "cp2k": Example(
        "cp2k",
        {
            "cutoff": 200.0,
            "kpoints": {"grid": [2, 2, 2], "shift": [0.5, 0.5, 0.5]},
            "basis": {"Si": "SZV-MOLOPT-SR-GTH"},
            "potentials": {"Si": "GTH-PBE-q4"},
        },
        SILICON,
        replace(SILICON, charge=1),
        4e-3,
        stress=1e-3,
        starved={"max_scf": 2},
        prepare=_with_cp2k,
        slow=True,  # half a minute per label
    ),
    "ase": Example(
        "ase",
        {
            "calculator": "ase.calculators.lj.LennardJones",
            "keywords": {"sigma": 2.3, "rc": 8.0},
            "tighter": {},
        },
        rattled(bulk("Cu", cubic=True) * (2, 1, 1)),
        replace(COPPER, charge=1),
        1e-9,
    ),
    "tblite": Example(
        "tblite",
        {},
        rattled(molecule("CH3OH")),
        replace(WATER, spin=1),
        1e-4,
        starved={"max_iterations": 2},
    ),
    "tblite cell": Example(
        "tblite",
        {"allow_periodic": True},
        rattled(sheared(bulk("Si", cubic=True))),
        replace(WATER, charge=1),
        1e-4,
        stress=1e-4,
        starved={"max_iterations": 2},
    ),
    "replay": Example(
        "replay", {"source": "EMT of ASE"}, COPPER, HYDROXYL, 1e-9, prepare=_recorded
    ),
    "emt": Example("emt", {}, COPPER, from_atoms(molecule("SiH4")), 1e-9),
}
