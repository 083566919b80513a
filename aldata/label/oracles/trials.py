"""For every oracle that needs no file of the user a level of theory and a system of a few seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from aldata.artifacts.frames import Configuration

HALF = 2.715
"""Half the lattice constant of silicon (A)."""

SILICON = Configuration(
    numbers=np.array([14, 14], dtype=np.int32),
    positions=np.array([[0.0, 0.0, 0.0], [1.32, 1.38, 1.35]]),
    cell=np.array([[0.0, HALF, HALF], [HALF, 0.0, HALF], [HALF, HALF, 0.0]]),
    pbc=np.ones(3, dtype=bool),
)
WATER = Configuration(
    numbers=np.array([8, 1, 1], dtype=np.int32),
    positions=np.array([[0.0, 0.0, 0.12], [0.0, 0.77, -0.48], [0.0, -0.75, -0.47]]),
    cell=np.zeros((3, 3)),
    pbc=np.zeros(3, dtype=bool),
)
COPPER = Configuration(
    numbers=np.array([29], dtype=np.int32),
    positions=np.zeros((1, 3)),
    cell=np.array([[0.0, 1.8, 1.8], [1.8, 0.0, 1.8], [1.8, 1.8, 0.0]]),
    pbc=np.ones(3, dtype=bool),
)

HYDROGEN = Configuration(
    numbers=np.array([1, 1], dtype=np.int32),
    positions=np.array([[0.02, 0.05, 0.0], [0.55, 0.48, 0.42]]),
    cell=np.array([[0.1, 2.2, 2.3], [2.4, 0.0, 2.1], [2.2, 2.3, 0.1]]),
    pbc=np.ones(3, dtype=bool),
)

SHIFTED = {"grid": [2, 2, 2], "shift": [0.5, 0.5, 0.5]}

TRIALS: dict[str, tuple[dict[str, Any], Configuration]] = {
    "pyscf": ({"basis": "sto-3g"}, WATER),
    "pyscf_cells": ({"ke_cutoff": 50.0, "kpoints": SHIFTED, "basis": "gth-szv"}, HYDROGEN),
    "tblite": ({}, WATER),
    "emt": ({}, COPPER),
    "espresso": (
        {"ecutwfc": 20.0, "kpoints": SHIFTED, "pseudopotentials": {"Si": "gth-pbe"}},
        SILICON,
    ),
    "cp2k": (
        {
            "cutoff": 200.0,
            "kpoints": SHIFTED,
            "basis": {"Si": "SZV-MOLOPT-SR-GTH"},
            "potentials": {"Si": "GTH-PBE-q4"},
        },
        SILICON,
    ),
    "gpaw": ({"cutoff": 250.0, "kpoints": SHIFTED, "setups": {"Si": "paw"}}, SILICON),
    "abinit": (
        {"ecut": 10.0, "kpoints": SHIFTED, "pseudopotentials": {"Si": "gth-pbe"}},
        SILICON,
    ),
}
"""Settings, and a configuration that shows forces; not meant to be accurate."""
