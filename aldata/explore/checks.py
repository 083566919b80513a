"""Physical checks of a moving frame. Each returns a reason to stop, or None."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aldata.artifacts.contacts import closest_contact, fragments
from aldata.artifacts.frames import Configuration
from aldata.explore.settings import Checks

if TYPE_CHECKING:
    from ase import Atoms

RARE = 1e-6
"""Probability of a thermal fluctuation that is still called normal."""


def motion_problem(atoms: Atoms, checks: Checks, hottest: float | None) -> str | None:
    """What is not finite or, unless `hottest` (K) is None, what is too large to be thermal.

    The calculator must hold the results of these positions: an integrator's step leaves them there, and to
    ask for them again compares all of the atoms each time.
    """
    forces, energy = (atoms.calc.results[name] for name in ("forces", "energy"))
    if not (np.isfinite(atoms.positions).all() and np.isfinite(forces).all()):
        return "positions or forces are not finite"
    if not np.isfinite(energy):
        return "the energy is not finite"
    if hottest is None:
        return None
    largest = float(np.linalg.norm(forces, axis=1).max())
    if largest > checks.max_force:
        return f"a force of {largest:.1f} eV/A, above {checks.max_force:g}"
    temperature = float(atoms.get_temperature())
    if temperature > hottest:
        return f"a temperature of {temperature:.0f} K, above {hottest:.0f}"
    return None


def volume_problem(atoms: Atoms, checks: Checks, begun: float) -> str | None:
    """Whether a cell has left the volume (A^3) that it began with too far behind."""
    ratio = float(atoms.get_volume()) / begun
    if 1 / checks.max_volume_factor <= ratio <= checks.max_volume_factor:
        return None
    return f"a volume of {ratio:.2f} of the first, beyond a factor of {checks.max_volume_factor:g}"


def drift_problem(atoms: Atoms, checks: Checks, begun: float) -> str | None:
    """Whether the total energy, which began as `begun` (eV), is not conserved."""
    drift = abs(float(atoms.get_total_energy()) - begun) / len(atoms)
    if drift <= checks.max_energy_drift:
        return None
    return f"the total energy drifted by {drift:.3g} eV/atom, above {checks.max_energy_drift:g}"


def geometry_problem(frame: Configuration, checks: Checks, pieces: int) -> str | None:
    """What is wrong with a geometry that began with `pieces` connected pieces."""
    contact = closest_contact(frame)
    if contact < checks.min_distance_factor:
        return f"atoms at {contact:.2f} of their covalent distance"
    now = pieces_of(frame, checks)
    if now > pieces:
        return f"broke into {now} pieces"
    return None


def pieces_of(frame: Configuration, checks: Checks) -> int:
    """Number of connected pieces of a molecule; 1 for periodic cells and when not checked."""
    if checks.fragment_factor is None or frame.pbc.any():
        return 1
    return fragments(frame, checks.fragment_factor)


def hottest_temperature(thermostat: float, atoms: int, checks: Checks) -> float:
    """The kinetic temperature (K) above which a trajectory of so many atoms has blown up.

    The factor of the settings, or, for very few atoms, the quantile of the chi-squared distribution
    (3N degrees of freedom) that equilibrium exceeds once in 1/`RARE` independent frames: three
    atoms reach 3 T every thousand frames without anything being wrong.
    """
    from scipy.stats import chi2

    normal = float(chi2.isf(RARE, 3 * atoms)) / (3 * atoms)
    return thermostat * max(checks.max_temperature_factor, normal)
