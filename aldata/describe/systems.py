"""Molecules and periodic cells, as dscribe wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aldata.artifacts.conversion import to_atoms
from aldata.artifacts.frames import Configuration, Configurations

if TYPE_CHECKING:
    from ase import Atoms


def created(made: Callable[[bool], Any], configurations: Configurations) -> npt.NDArray[np.float64]:
    """Vectors of all atoms, (atom, feature), from a dscribe descriptor `made(periodic)`."""
    ways = {periodic: made(periodic) for periodic in (False, True)}
    rows = [
        ways[bool(frame.pbc.any())].create(_described(frame)).reshape(len(frame), -1)
        for frame in configurations
    ]
    return np.concatenate(rows) if rows else np.zeros((0, ways[False].get_number_of_features()))


def _described(frame: Configuration) -> Atoms:
    """The atoms; a periodic system gets unit vectors along its open directions, if it has any."""
    atoms = to_atoms(frame)
    if frame.pbc.any():
        atoms.set_cell(atoms.cell.complete())
    return atoms
