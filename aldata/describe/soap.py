"""Smooth overlap of atomic positions (Bartok, Kondor and Csanyi, Phys. Rev. B 87, 184115, 2013)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from aldata.artifacts.conversion import to_atoms
from aldata.artifacts.frames import Configuration, Configurations

if TYPE_CHECKING:
    from ase import Atoms


class SoapSettings(Protocol):
    """What SOAP needs to know; lengths in A."""

    @property
    def cutoff(self) -> float:
        """Radius of an environment."""
        ...

    @property
    def n_max(self) -> int:
        """Number of radial functions per element."""
        ...

    @property
    def l_max(self) -> int:
        """Highest angular momentum."""
        ...

    @property
    def sigma(self) -> float:
        """Width of the Gaussian on a neighbour."""
        ...


def soap(
    configurations: Configurations, settings: SoapSettings, species: list[int]
) -> npt.NDArray[np.float64]:
    """SOAP power spectra: shape (atom, feature), not normalised.

    Gaussian-type radial functions, all pairs of species: S n_max (S n_max + 1) / 2 (l_max + 1)
    features for S species. Molecules and periodic cells have the same features.
    """
    from dscribe.descriptors import SOAP

    ways = {
        periodic: SOAP(
            species=species,
            r_cut=settings.cutoff,
            n_max=settings.n_max,
            l_max=settings.l_max,
            sigma=settings.sigma,
            periodic=periodic,
        )
        for periodic in (False, True)
    }
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
