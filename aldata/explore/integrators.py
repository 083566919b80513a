"""The equations of motion: an equilibration at constant volume, then the ensemble that was asked for.

All are ASE's. `nvt`: Langevin (Vanden-Eijnden and Ciccotti, Chem. Phys. Lett. 429, 310, 2006). `npt`: a
Langevin piston on the volume, the shape of the cell kept (Quigley and Probert, J. Chem. Phys. 120, 11432,
2004), whose temperature and pressure may change on the way. `nve`: velocity Verlet.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from aldata.explore.settings import Dynamics

if TYPE_CHECKING:
    from ase import Atoms
    from ase.md.langevin import Langevin
    from ase.md.md import MolecularDynamics as Integrator

STIFFNESS = 100.0
"""Bulk modulus (GPa) for which `barostat_time` is the period of the volume. It sets the mass of the piston,
which no average depends on.
"""


def equilibrating(
    atoms: Atoms, settings: Dynamics, temperature: float, rng: np.random.Generator
) -> Langevin:
    """Langevin dynamics with the friction of the equilibration, from Maxwell-Boltzmann velocities at
    `temperature` (K) without overall motion or rotation.
    """
    from ase import units
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import Stationary, ZeroRotation

    widths = np.sqrt(atoms.get_masses() * units.kB * temperature)
    atoms.set_momenta(widths[:, None] * rng.standard_normal((len(atoms), 3)))
    if len(atoms) > 1:
        Stationary(atoms)
        if not atoms.pbc.any():
            ZeroRotation(atoms)
    return Langevin(
        atoms,
        settings.timestep * units.fs,
        temperature_K=temperature,
        friction=settings.equilibration_friction / units.fs,
        fixcm=False,
        rng=rng,
    )


def sampling(
    before: Langevin, settings: Dynamics, temperature: float, pressure: float
) -> Integrator:
    """What follows the equilibration, with the same atoms and random numbers; GPa."""
    from ase import units
    from ase.md.langevinbaoab import LangevinBAOAB
    from ase.md.verlet import VelocityVerlet

    atoms = before.atoms
    if settings.ensemble == "nve":
        return VelocityVerlet(atoms, settings.timestep * units.fs)
    if settings.ensemble == "npt":
        # V' = 3 V p / W and p' = -3 B dV: a swing of frequency sqrt(9 B V / W)
        swing = settings.barostat_time * units.fs / (2 * math.pi)
        mass = 9 * STIFFNESS * units.GPa * atoms.get_volume() * swing**2
        return LangevinBAOAB(
            atoms,
            settings.timestep * units.fs,
            temperature_K=temperature,
            externalstress=-pressure * units.GPa,
            hydrostatic=True,
            T_tau=units.fs / settings.friction,
            P_tau=swing,
            P_mass=mass,
            rng=before.rng,
        )
    before.set_friction(settings.friction / units.fs)
    return before


def steer(motion: Integrator, ensemble: str, temperature: float, pressure: float) -> None:
    """Set the thermostat (K) and the pressure (GPa), where there are any, for the next step."""
    from ase import units

    if ensemble != "nve":
        motion.set_temperature(temperature_K=temperature)
    if ensemble == "npt":
        motion.externalstress = -pressure * units.GPa
