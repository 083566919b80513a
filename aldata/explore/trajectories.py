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
from aldata.explore.settings import Checks, MolecularDynamics
from aldata.explore.watching import Watch

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from ase.md.langevin import Langevin

COMPLETED = "completed"


@dataclass(frozen=True, eq=False, kw_only=True)
class Trajectory:
    """A trajectory to run. `calculator` is called once, in the process that runs it.

    temperature : of the thermostat in K; a pair is a ramp from one to the other after the equilibration.
    """

    start: Configuration
    temperature: float | tuple[float, float]
    random_seed: int
    settings: MolecularDynamics
    calculator: Callable[[], Calculator]
    checks: Checks = field(default_factory=Checks)
    watch: Watch | None = None

    def temperature_at(self, step: int) -> float:
        """Temperature of the thermostat at a step, in K."""
        if not isinstance(self.temperature, tuple):
            return float(self.temperature)
        begin, end = self.temperature
        still = self.settings.equilibration
        passed = max(step - still, 0) / max(self.settings.steps - still, 1)
        return begin + (end - begin) * passed


@dataclass(eq=False, kw_only=True)
class Walk:
    """What a trajectory gave: kept frames and their steps, steps done, and why it ended.

    largest_sigma (eV/A), looks and looks_in_window tell what the watch saw after the equilibration.
    """

    frames: list[Configuration] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    done: int = 0
    ended: str = COMPLETED
    largest_sigma: float | None = None
    looks: int = 0
    looks_in_window: int = 0

    def keep(self, frame: Configuration, step: int) -> None:
        """One more candidate."""
        self.frames.append(frame)
        self.steps.append(step)


def walk(trajectory: Trajectory) -> Walk:
    """Run Langevin dynamics; keep a frame every `interval` steps after the equilibration.

    The equilibration has a friction of its own, high enough to cool a randomly displaced start,
    which may be thousands of kelvin hot. That energies, forces and positions are finite is checked
    at every step, contacts and connectivity at every `interval`, the sizes of forces and
    temperature at every step after the equilibration. The trajectory ends at the first failed
    check; the frames kept until then have each passed all of them.

    The watch looks every `every` steps after the equilibration. Above sigma_hi the trajectory ends, and
    the last frame that it saw below is kept; below sigma_lo no frame is kept.
    """
    found = Walk()
    atoms = to_atoms(trajectory.start)
    atoms.calc = trajectory.calculator()
    try:
        _walk(atoms, trajectory, found)
    # a model far from its data may fail in its neighbour list or algebra: that ends this trajectory
    except (ArithmeticError, ValueError, RuntimeError) as problem:
        found.ended = f"the calculator failed ({type(problem).__name__}: {problem!s:.200})"
    return found


def _walk(atoms: Atoms, trajectory: Trajectory, found: Walk) -> None:
    from ase import units

    settings, seen = trajectory.settings, _Seen()
    limits = _Limits(trajectory, len(atoms))
    motion = _motion(atoms, trajectory)
    for step in range(1, settings.steps + 1):
        if step == settings.equilibration + 1:
            motion.set_friction(settings.friction / units.fs)
        if step > settings.equilibration and isinstance(trajectory.temperature, tuple):
            motion.set_temperature(temperature_K=trajectory.temperature_at(step))
        motion.step()
        problem = limits.problem(atoms, step)
        if problem is None and step > settings.equilibration and trajectory.watch is not None:
            problem = _look(atoms, step, trajectory.watch, seen, found)
        if problem is not None:
            found.ended = f"{problem}, at step {step}"
            return
        found.done = step
        if step > settings.equilibration and step % settings.interval == 0 and not seen.known:
            found.keep(from_atoms(atoms), step)


@dataclass
class _Seen:
    """What the watch saw last: a frame below sigma_hi, its step, and whether the model knows it."""

    frame: Configuration | None = None
    step: int = 0
    known: bool = False


def _look(atoms: Atoms, step: int, watch: Watch, seen: _Seen, found: Walk) -> str | None:
    """Look at sigma, if it is time; a reason to end, the last good frame being kept then."""
    if step % watch.every:
        return None
    sigma = watch.sigma(atoms)
    found.looks += 1
    found.largest_sigma = max(sigma, found.largest_sigma or 0.0)
    if watch.is_lost(sigma):
        if seen.frame is not None and seen.step not in found.steps and not seen.known:
            found.keep(seen.frame, seen.step)
        return f"sigma {sigma:.3g} eV/A, above sigma_hi {watch.sigma_hi:.3g}"
    seen.frame, seen.step, seen.known = from_atoms(atoms), step, watch.is_known(sigma)
    found.looks_in_window += not seen.known
    return None


class _Limits:
    """What one trajectory is measured by: pieces it began with, hottest temperature (K)."""

    def __init__(self, trajectory: Trajectory, atoms: int) -> None:
        self.settings, self.checks = trajectory.settings, trajectory.checks
        self.pieces = pieces_of(trajectory.start, self.checks)
        highest = max(trajectory.temperature_at(step) for step in (0, self.settings.steps))
        self.hottest = hottest_temperature(highest, atoms, self.checks)

    def problem(self, atoms: Atoms, step: int) -> str | None:
        """What is wrong with the frame at a step."""
        hottest = self.hottest if step > self.settings.equilibration else None
        problem = motion_problem(atoms, self.checks, hottest)
        if problem is None and step % self.settings.interval == 0:
            problem = geometry_problem(from_atoms(atoms), self.checks, self.pieces)
        return problem


def _motion(atoms: Atoms, trajectory: Trajectory) -> Langevin:
    """Langevin dynamics from Maxwell-Boltzmann velocities without overall motion or rotation."""
    from ase import units
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import Stationary, ZeroRotation

    rng = np.random.default_rng(trajectory.random_seed)
    beginning = trajectory.temperature_at(0)
    widths = np.sqrt(atoms.get_masses() * units.kB * beginning)
    atoms.set_momenta(widths[:, None] * rng.standard_normal((len(atoms), 3)))
    if len(atoms) > 1:
        Stationary(atoms)
        if not atoms.pbc.any():
            ZeroRotation(atoms)
    return Langevin(
        atoms,
        trajectory.settings.timestep * units.fs,
        temperature_K=beginning,
        friction=trajectory.settings.equilibration_friction / units.fs,
        fixcm=False,
        rng=rng,
    )
