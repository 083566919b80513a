"""One trajectory, by itself or beside others: see `groups`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from aldata.artifacts.conversion import from_atoms, to_atoms
from aldata.artifacts.frames import Configuration
from aldata.explore.autocorrelation import autocorrelation_time, detrended
from aldata.explore.biasing import gauge, settle
from aldata.explore.integrators import advance, equilibrating, piston_of, sampling, steer
from aldata.explore.limits import Limits
from aldata.explore.lockstep import PROBLEMS
from aldata.explore.settings import Checks, Dynamics
from aldata.explore.watching import Watch, Watched

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from ase.md.md import MolecularDynamics as Integrator

Ramp = float | tuple[float, float]
COMPLETED = "completed"


@dataclass(frozen=True, eq=False, kw_only=True)
class Trajectory:
    """A trajectory to run. `calculator` is called once, in the process that runs it.

    temperature (K) and pressure (GPa, of `npt`): a pair is a ramp from one to the other after the
    equilibration. waits: above sigma_hi it waits for a label instead of ending; resumed: where it waited.
    """

    start: Configuration
    temperature: Ramp
    random_seed: int
    settings: Dynamics
    calculator: Callable[[], Calculator]
    pressure: Ramp = 0.0
    checks: Checks = field(default_factory=Checks)
    watch: Watch | None = None
    waits: bool = False
    resumed: Walk | None = None

    @property
    def is_ramp(self) -> bool:
        """Whether temperature or pressure change on the way."""
        return isinstance(self.temperature, tuple) or isinstance(self.pressure, tuple)

    def temperature_at(self, step: int) -> float:
        """Temperature of the thermostat at a step, in K."""
        return self._at(self.temperature, step)

    def pressure_at(self, step: int) -> float:
        """External pressure at a step, in GPa."""
        return self._at(self.pressure, step)

    def _at(self, ramp: Ramp, step: int) -> float:
        if not isinstance(ramp, tuple):
            return float(ramp)
        begin, end = ramp
        still = self.settings.equilibration
        passed = max(step - still, 0) / max(self.settings.steps - still, 1)
        return begin + (end - begin) * passed


@dataclass
class Seen:
    """What the watch saw last: a frame below sigma_hi, its step and sigma, whether the model knows it, and
    whether it was lost after that, with which sigma above.
    """

    frame: Configuration | None = None
    step: int = 0
    sigma: float = math.nan
    known: bool = False
    lost: bool = False
    above: float = math.nan


@dataclass(frozen=True, eq=False, kw_only=True)
class Pause:
    """Where a trajectory waits for a label: atoms with momenta and without a calculator, random numbers,
    momentum of the piston, and the volume (A^3) that the sampling began with.
    """

    atoms: Atoms
    step: int
    sigma: float
    rng: np.random.Generator
    piston: float
    volume: float


@dataclass(eq=False, kw_only=True)
class Walk(Watched):
    """What a trajectory gave: kept frames with their steps and sigmas, steps done, and why it ended.

    energies (eV) of every step after the equilibration, and spacing: the least number of steps between two
    kept frames that follows from them. bias: its strength, None without one. seen: what the watch saw
    last. pause: where it waits for a label.
    """

    frames: list[Configuration] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    sigmas: list[float] = field(default_factory=list)
    done: int = 0
    ended: str = COMPLETED
    energies: list[float] = field(default_factory=list)
    autocorrelation: float | None = None
    spacing: int = 1
    bias: float | None = None
    seen: Seen = field(default_factory=Seen)
    pause: Pause | None = None

    def keep(self, frame: Configuration, step: int, sigma: float) -> None:
        """One more candidate; sigma (eV/A) is NaN where nobody looked."""
        self.frames.append(frame)
        self.steps.append(step)
        self.sigmas.append(sigma)

    def thin(self, spacing: int) -> None:
        """Leave out frames that are closer than `spacing` steps to the one before."""
        kept: list[int] = []
        for row, step in enumerate(self.steps):
            if not kept or step - self.steps[kept[-1]] >= spacing:
                kept.append(row)
        self.frames = [self.frames[row] for row in kept]
        self.steps = [self.steps[row] for row in kept]
        self.sigmas = [self.sigmas[row] for row in kept]
        self.spacing = spacing


def walk(trajectory: Trajectory) -> Walk:
    """Run the dynamics; keep frames at least `interval` steps apart after the equilibration.

    The equilibration, at constant volume, has a friction of its own, high enough to cool a randomly
    displaced start, which may be thousands of kelvin hot. That energies, forces and positions are finite is
    checked at every step, contacts and connectivity at every `interval`, the sizes of forces, temperature,
    volume and the drift of the energy at every step after the equilibration. The trajectory ends at the
    first failed check; the frames kept until then have each passed all of them.

    With `decorrelate` the frames are farther apart where the potential energy says that they are alike, see
    `autocorrelation_time`; on a ramp its straight line is taken off first.

    The watch looks every `every` steps after the equilibration. Above sigma_hi the trajectory ends, and
    the last frame that it saw below is kept, however close; below sigma_lo no frame is kept. One that
    `waits` has a `pause` then, and goes on from there when it is `resumed`, by whatever model it has now.
    """
    found = trajectory.resumed or Walk()
    atoms = to_atoms(trajectory.start) if found.pause is None else found.pause.atoms
    atoms.calc = trajectory.calculator()
    try:
        _walk(atoms, trajectory, found)
    except PROBLEMS as problem:  # that ends this trajectory
        found.ended = f"the calculator failed ({type(problem).__name__}: {problem!s:.200})"
    return found if found.pause else closed(trajectory, found)


def closed(trajectory: Trajectory, found: Walk) -> Walk:
    """A trajectory that goes no further: thinned, and with the last frame before it was lost."""
    found.pause, seen = None, found.seen
    _decorrelate(found, trajectory)
    if seen.lost and seen.frame is not None and seen.step not in found.steps and not seen.known:
        found.keep(seen.frame, seen.step, seen.sigma)
    return found


def _walk(atoms: Atoms, trajectory: Trajectory, found: Walk) -> None:
    settings, begun = trajectory.settings, trajectory.settings.equilibration
    limits = Limits(trajectory, len(atoms))
    motion, before = _set_in_motion(atoms, trajectory, found, limits)
    if before is None:
        return
    for step in range(before + 1, settings.steps + 1):
        now = trajectory.temperature_at(step), trajectory.pressure_at(step)
        if step == begun + 1:
            found.bias = settle(atoms, settings)
            limits.begin(atoms)
            motion = sampling(atoms, settings, *now, motion.rng)
        if step > begun and trajectory.is_ramp:
            steer(motion, settings.ensemble, *now)
        advance(motion)
        if step <= begun:
            gauge(atoms, settings, step)
        problem = limits.problem(atoms, step)
        if problem is None and step > begun and trajectory.watch is not None:
            problem = _look(atoms, step, trajectory.watch, found)
        if problem is not None:
            found.ended = f"{problem}, at step {step}"
            if found.seen.lost and trajectory.waits and limits.shape_problem(atoms) is None:
                found.pause = _pause(atoms, step, motion, limits, found)
            return
        found.done = step
        if step > begun:
            found.energies.append(float(atoms.calc.results["energy"]))
        if step > begun and step % settings.interval == 0 and not found.seen.known:
            seen = found.seen
            found.keep(from_atoms(atoms), step, seen.sigma if seen.step == step else math.nan)


def _set_in_motion(
    atoms: Atoms, trajectory: Trajectory, found: Walk, limits: Limits
) -> tuple[Integrator, int | None]:
    """The integrator, and the step that was done last; None where the label was of no help."""
    settings, pause = trajectory.settings, found.pause
    if pause is None:
        rng = np.random.default_rng(trajectory.random_seed)
        return equilibrating(atoms, settings, trajectory.temperature_at(0), rng), 0
    found.pause, found.ended, found.seen.lost = None, COMPLETED, False
    if found.bias is not None:
        atoms.calc.strength = found.bias
    limits.begin(atoms, pause.volume)
    now = trajectory.temperature_at(pause.step), trajectory.pressure_at(pause.step)
    motion = sampling(atoms, settings, *now, pause.rng, pause.piston, limits.volume)
    if trajectory.watch is not None:
        sigma = trajectory.watch.sigma(atoms)
        if trajectory.watch.is_lost(sigma):
            high = trajectory.watch.sigma_hi
            found.seen.lost = True
            words = f"sigma {sigma:.3g} eV/A, above sigma_hi {high:.3g} in spite of its label"
            found.ended = f"{words}, at step {pause.step}"
            return motion, None
    found.done = pause.step
    return motion, pause.step


def _pause(atoms: Atoms, step: int, motion: Integrator, limits: Limits, found: Walk) -> Pause:
    still = atoms.copy()  # without a calculator
    rng = getattr(motion, "rng", None) or np.random.default_rng(step)
    return Pause(
        atoms=still,
        step=step,
        sigma=found.seen.above,
        rng=rng,
        piston=piston_of(motion),
        volume=limits.volume,
    )


def _decorrelate(found: Walk, trajectory: Trajectory) -> None:
    """Measure the autocorrelation time, if that is wanted and there is anything to measure."""
    settings, energies = trajectory.settings, np.array(found.energies)
    found.spacing = settings.interval
    if not settings.decorrelate or len(energies) < 2:
        return
    found.autocorrelation = autocorrelation_time(
        detrended(energies) if trajectory.is_ramp else energies
    )
    found.thin(max(settings.interval, math.ceil(found.autocorrelation)))


def _look(atoms: Atoms, step: int, watch: Watch, found: Walk) -> str | None:
    """Look at sigma, if it is time; a reason to end."""
    if step % watch.every:
        return None
    sigma, seen = watch.sigma(atoms), found.seen
    found.note(sigma, watch)
    if watch.is_lost(sigma):
        seen.lost, seen.above = True, sigma
        return f"sigma {sigma:.3g} eV/A, above sigma_hi {watch.sigma_hi:.3g}"
    seen.frame, seen.step, seen.sigma = from_atoms(atoms), step, sigma
    seen.known = watch.is_known(sigma)
    return None
