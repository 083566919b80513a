"""One trajectory of a ring polymer: the unit of work, with a process of its own inside the worker."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from aldata.artifacts.conversion import from_atoms, to_atoms
from aldata.artifacts.frames import Configuration
from aldata.explore.checks import (
    geometry_problem,
    hottest_temperature,
    motion_problem,
    pieces_of,
)
from aldata.explore.ipi import Conditions, Ring
from aldata.explore.settings import Checks, PathIntegral
from aldata.explore.trajectories import COMPLETED
from aldata.explore.watching import Watch, Watched

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


@dataclass(frozen=True, eq=False, kw_only=True)
class Polymer:
    """A ring polymer to follow. `calculator` is called once, in the process that runs it."""

    start: Configuration
    temperature: float
    random_seed: int
    settings: PathIntegral
    calculator: Callable[[], Calculator]
    checks: Checks = field(default_factory=Checks)
    watch: Watch | None = None


@dataclass(eq=False, kw_only=True)
class Round(Watched):
    """What a ring polymer gave: kept frames with step, bead and sigma (eV/A), steps done, why it ended.

    potential and kinetic (eV) : of every step after the equilibration, the mean of the beads and the
    centroid virial. The watch sees all beads.
    """

    frames: list[Configuration] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    beads: list[int] = field(default_factory=list)
    sigmas: list[float] = field(default_factory=list)
    done: int = 0
    ended: str = COMPLETED
    potential: list[float] = field(default_factory=list)
    kinetic: list[float] = field(default_factory=list)

    def keep(self, atoms: Atoms, step: int, bead: int, sigma: float) -> None:
        """One more candidate."""
        self.frames.append(from_atoms(atoms))
        self.steps.append(step)
        self.beads.append(bead)
        self.sigmas.append(sigma)


def follow(polymer: Polymer) -> Round:
    """Follow a ring polymer in a process and a folder of its own; both end with this one.

    Every `interval` steps after the equilibration some beads are kept. The checks are those of molecular
    dynamics, of every bead; the temperature is that of all beads together. The watch looks at every
    bead: the largest sigma decides. A process that dies ends the trajectory, and says so.
    """
    from aldata.execution import Keeper

    with tempfile.TemporaryDirectory(prefix="aldata-ring-") as folder, Keeper() as keeper:
        ending = keeper.call(_in_folder, (polymer, folder))
    if ending.how == "returned" and isinstance(ending.value, Round):
        return ending.value
    if ending.how == "raised" and isinstance(ending.value, BaseException):
        raise ending.value
    return Round(ended=f"the process of i-PI died (exit code {ending.exit_code})")


def _in_folder(argument: tuple[Polymer, str], begin: Callable[[], None]) -> Round:
    polymer, folder = argument
    os.chdir(folder)
    begin()
    return followed(polymer)


def followed(polymer: Polymer) -> Round:
    """The same in this process and the current folder."""
    found = Round()
    try:
        _follow(polymer, found)
    # a model far from its data may fail in its neighbour list or algebra: that ends this trajectory
    except (ArithmeticError, ValueError, RuntimeError) as problem:
        found.ended = f"the calculator failed ({type(problem).__name__}: {problem!s:.200})"
    return found


def _follow(polymer: Polymer, found: Round) -> None:
    settings = polymer.settings
    conditions = Conditions(
        beads=settings.beads,
        temperature=polymer.temperature,
        timestep=settings.timestep,
        friction=settings.friction,
        random_seed=polymer.random_seed,
    )
    ring = Ring(to_atoms(polymer.start), polymer.calculator(), conditions)
    limits, seen = _Limits(polymer), _Seen(np.full(settings.beads, math.nan))
    for step in range(1, settings.steps + 1):
        ring.step()
        beads, sampled = ring.beads(), step > settings.equilibration
        problem = limits.problem(beads, ring.temperature, step)
        if problem is None and sampled and polymer.watch is not None:
            problem = _look(beads, step, polymer.watch, seen, found)
        if problem is not None:
            found.ended = f"{problem}, at step {step}"
            return
        found.done = step
        if not sampled:
            continue
        found.potential.append(float(np.mean([bead.calc.results["energy"] for bead in beads])))
        found.kinetic.append(ring.kinetic_energy)
        if step % settings.interval == 0:
            _keep_some(beads, step, polymer, seen, found)


def _keep_some(beads: list[Atoms], step: int, polymer: Polymer, seen: _Seen, found: Round) -> None:
    """Keep beads that are evenly spaced around the ring; the next time, their neighbours."""
    count, kept = len(beads), polymer.settings.kept_beads
    for k in range(kept):
        bead = (step // polymer.settings.interval + k * count // kept) % count
        sigma = float(seen.sigmas[bead])
        if polymer.watch is None or not polymer.watch.is_known(sigma):
            found.keep(beads[bead], step, bead, sigma if seen.step == step else math.nan)


@dataclass
class _Seen:
    """What the watch saw last: sigma of every bead, at which step, and the most uncertain bead."""

    sigmas: np.ndarray[Any, np.dtype[np.float64]]
    step: int = 0
    atoms: Atoms | None = None


def _look(beads: list[Atoms], step: int, watch: Watch, seen: _Seen, found: Round) -> str | None:
    """Look at all beads, if it is time; a reason to end, the last good look's worst bead being kept."""
    if step % watch.every:
        return None
    sigmas = np.array([watch.sigma(bead) for bead in beads])
    # a sigma that is not a number is the largest of all
    worst = int(np.argmax(np.nan_to_num(sigmas, nan=np.inf)))
    sigma = float(sigmas[worst])
    found.note(sigma, watch)
    if watch.is_lost(sigma):
        _go_back(watch, seen, found)
        return f"sigma {sigma:.3g} eV/A of bead {worst}, above sigma_hi {watch.sigma_hi:.3g}"
    seen.sigmas, seen.step, seen.atoms = sigmas, step, beads[worst]
    return None


def _go_back(watch: Watch, seen: _Seen, found: Round) -> None:
    """Keep the most uncertain bead of the last look below sigma_hi, unless it is known or there already."""
    if seen.atoms is None:
        return
    bead = int(np.argmax(seen.sigmas))
    sigma = float(seen.sigmas[bead])
    there = (seen.step, bead) in zip(found.steps, found.beads, strict=True)
    if not watch.is_known(sigma) and not there:
        found.keep(seen.atoms, seen.step, bead, sigma)


class _Limits:
    """What one ring polymer is measured by: pieces it began with, hottest temperature (K)."""

    def __init__(self, polymer: Polymer) -> None:
        self.settings, self.checks = polymer.settings, polymer.checks
        self.pieces = pieces_of(polymer.start, self.checks)
        moving = len(polymer.start) * self.settings.beads
        self.hottest = hottest_temperature(polymer.temperature, moving, self.checks)

    def problem(self, beads: list[Atoms], temperature: float, step: int) -> str | None:
        """What is wrong with the beads at a step."""
        sampled = step > self.settings.equilibration
        for number, bead in enumerate(beads):
            # the beads have no velocities here: their temperature is that of the ring, below
            problem = motion_problem(bead, self.checks, self.hottest if sampled else None)
            if problem is None and step % self.settings.interval == 0:
                problem = geometry_problem(from_atoms(bead), self.checks, self.pieces)
            if problem is not None:
                return f"bead {number}: {problem}"
        if sampled and not temperature <= self.hottest:
            return f"a temperature of {temperature:.0f} K, above {self.hottest:.0f}"
        return None
