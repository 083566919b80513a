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
    atoms: Atoms,
    settings: Dynamics,
    temperature: float,
    pressure: float,
    rng: np.random.Generator,
    piston: float = 0.0,
    volume: float | None = None,
) -> Integrator:
    """What follows the equilibration, K and GPa; `piston`, its momentum, and the `volume` (A^3) that its
    mass is made for are those of a trajectory that goes on.
    """
    from ase import units
    from ase.md.langevin import Langevin
    from ase.md.langevinbaoab import LangevinBAOAB
    from ase.md.verlet import VelocityVerlet

    step = settings.timestep * units.fs
    if settings.ensemble == "nve":
        return VelocityVerlet(atoms, step)
    if settings.ensemble == "nvt":
        friction = settings.friction / units.fs
        return Langevin(
            atoms, step, temperature_K=temperature, friction=friction, fixcm=False, rng=rng
        )
    # V' = 3 V p / W and p' = -3 B dV: a swing of frequency sqrt(9 B V / W)
    swing = settings.barostat_time * units.fs / (2 * math.pi)
    mass = 9 * STIFFNESS * units.GPa * (volume or atoms.get_volume()) * swing**2
    motion = LangevinBAOAB(
        atoms,
        step,
        temperature_K=temperature,
        externalstress=-pressure * units.GPa,
        hydrostatic=True,
        T_tau=units.fs / settings.friction,
        P_tau=swing,
        P_mass=mass,
        rng=rng,
    )
    motion.p_eps = piston
    return motion


def advance(motion: Integrator) -> None:
    """One step. The forces of these positions are there from the step before: where the integrator takes
    them it need not ask the calculator, which would compare all of the atoms first.
    """
    if hasattr(motion, "p_eps"):
        motion.step()
    else:
        motion.step(motion.atoms.calc.results.get("forces"))


def piston_of(motion: Integrator) -> float:
    """The momentum of the piston; 0 where there is none."""
    return float(getattr(motion, "p_eps", 0.0))


def steer(motion: Integrator, ensemble: str, temperature: float, pressure: float) -> None:
    """Set the thermostat (K) and the pressure (GPa), where there are any, for the next step."""
    from ase import units

    if ensemble != "nve":
        motion.set_temperature(temperature_K=temperature)
    if ensemble == "npt":
        motion.externalstress = -pressure * units.GPa
