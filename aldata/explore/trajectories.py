"""One trajectory: the unit of work that runs in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from aldata.artifacts.conversion import from_atoms, to_atoms
from aldata.artifacts.frames import Configuration
from aldata.explore.checks import (
    geometry_problem,
    hottest_temperature,
    motion_problem,
    pieces_of,
)
from aldata.explore.settings import ExploreSettings

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from ase.md.langevin import Langevin

COMPLETED = "completed"


@dataclass(frozen=True, eq=False, kw_only=True)
class Trajectory:
    """A trajectory to run. `calculator` is called once, in the process that runs it."""

    start: Configuration
    temperature: float
    random_seed: int
    settings: ExploreSettings
    calculator: Callable[[], Calculator]


@dataclass(eq=False, kw_only=True)
class Walk:
    """What a trajectory gave: kept frames and their steps, steps done, and why it ended."""

    frames: list[Configuration] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    done: int = 0
    ended: str = COMPLETED


def walk(trajectory: Trajectory) -> Walk:
    """Run Langevin dynamics; keep a frame every `interval` steps after the equilibration.

    The equilibration has a friction of its own, high enough to cool a randomly displaced start,
    which may be thousands of kelvin hot. That energies, forces and positions are finite is checked
    at every step, contacts and connectivity at every `interval`, the sizes of forces and
    temperature at every step after the equilibration. The trajectory ends at the first failed
    check; the frames kept until then have each passed all of them.
    """
    from ase import units

    settings, found = trajectory.settings, Walk()
    atoms = to_atoms(trajectory.start)
    atoms.calc = trajectory.calculator()
    limits = _Limits(
        pieces=pieces_of(trajectory.start, settings.checks),
        hottest=hottest_temperature(trajectory.temperature, len(atoms), settings.checks),
    )
    try:
        motion = _motion(atoms, trajectory)
        for step in range(1, settings.steps + 1):
            if step == settings.equilibration + 1:
                motion.set_friction(settings.friction / units.fs)
            motion.step()
            problem = _problem(atoms, step, limits, settings)
            if problem is not None:
                found.ended = problem
                break
            found.done = step
            if step > settings.equilibration and step % settings.interval == 0:
                found.frames.append(from_atoms(atoms))
                found.steps.append(step)
    # a model far from its data may fail in its neighbour list or algebra: that ends this trajectory
    except (ArithmeticError, ValueError, RuntimeError) as problem:
        found.ended = f"the calculator failed ({type(problem).__name__}: {problem!s:.200})"
    return found


@dataclass(frozen=True)
class _Limits:
    """What one trajectory is measured by: pieces it began with, hottest temperature (K)."""

    pieces: int
    hottest: float


def _problem(atoms: Atoms, step: int, limits: _Limits, settings: ExploreSettings) -> str | None:
    hottest = limits.hottest if step > settings.equilibration else None
    problem = motion_problem(atoms, settings.checks, hottest)
    if problem is None and step % settings.interval == 0:
        problem = geometry_problem(from_atoms(atoms), settings.checks, limits.pieces)
    return None if problem is None else f"{problem}, at step {step}"


def _motion(atoms: Atoms, trajectory: Trajectory) -> Langevin:
    """Langevin dynamics from Maxwell-Boltzmann velocities without overall motion or rotation."""
    from ase import units
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import Stationary, ZeroRotation

    rng = np.random.default_rng(trajectory.random_seed)
    widths = np.sqrt(atoms.get_masses() * units.kB * trajectory.temperature)
    atoms.set_momenta(widths[:, None] * rng.standard_normal((len(atoms), 3)))
    if len(atoms) > 1:
        Stationary(atoms)
        if not atoms.pbc.any():
            ZeroRotation(atoms)
    return Langevin(
        atoms,
        trajectory.settings.timestep * units.fs,
        temperature_K=trajectory.temperature,
        friction=trajectory.settings.equilibration_friction / units.fs,
        fixcm=False,
        rng=rng,
    )
