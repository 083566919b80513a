"""The generated test set: frames of a hotter trajectory, driven by a cheap method."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from aldata.artifacts.contacts import closest_contact
from aldata.artifacts.conversion import from_atoms, to_atoms
from aldata.artifacts.frames import Configuration, Configurations, as_configurations
from aldata.artifacts.geometry_files import OVERLAP
from aldata.errors import InvalidInput, InvalidParameters, OracleUnavailable
from aldata.seed.settings import TestSettings

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from ase.md.langevin import Langevin

DISTRIBUTIONS = {"mace": "mace-torch", "dftd4": "dftd4", "xtb": "xtb"}
"""What to install where the distribution's name is not the package's."""


def test_trajectory(
    structures: Configurations, settings: TestSettings, seed: int
) -> Configurations:
    """`settings.frames` frames from Langevin trajectories, one trajectory per structure.

    The frames are shared out equally over the first structures (at most one trajectory per frame).
    The first `settings.equilibration` steps of each trajectory are dropped; then one frame is kept
    every `settings.steps_between` steps. Charge and number of unpaired electrons reach the
    calculator as the sums of initial charges and magnetic moments.

    Raises OracleUnavailable if the calculator's package is missing, InvalidParameters if it cannot
    be made from its keywords, InvalidInput if a trajectory fails.
    """
    shares = _shares(settings.frames, len(structures))
    frames: list[Configuration] = []
    for row, share in enumerate(shares):
        # a stream of its own: candidates use the spawn keys (k,) of the same seed
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(row, 1)))
        frames += _frames_of(structures[row], share, settings, rng)
    return as_configurations(frames)


# pytest would collect a name that begins with "test"
test_trajectory.__test__ = False  # type: ignore[attr-defined]


def _shares(frames: int, structures: int) -> list[int]:
    used = min(frames, structures)
    return [frames // used + (row < frames % used) for row in range(used)]


def _frames_of(
    start: Configuration, count: int, settings: TestSettings, rng: np.random.Generator
) -> list[Configuration]:
    atoms = to_atoms(start)
    if start.charge:
        atoms.set_initial_charges(_spread(start.charge, len(start)))
    if start.spin:
        # some calculators turn spin polarisation on as soon as there are moments
        atoms.set_initial_magnetic_moments(_spread(start.spin, len(start)))
    atoms.calc = calculator_of(settings)
    motion = _motion(atoms, settings, rng)
    frames = []
    try:
        motion.run(settings.equilibration)
        for _ in range(count):
            motion.run(settings.steps_between)
            frames.append(_checked(from_atoms(atoms)))
    except (ArithmeticError, ValueError, RuntimeError) as problem:
        raise InvalidInput(
            f"the test trajectory of structure {start.id[:8]} failed after {motion.nsteps} steps "
            f"({problem})",
            where="seed.test",
            next_step="lower seed.test.timestep or temperature, or check charge and spin",
        ) from problem
    return frames


def _spread(total: int, atoms: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.full(atoms, total / atoms)


def _motion(atoms: Atoms, settings: TestSettings, rng: np.random.Generator) -> Langevin:
    from ase import units
    from ase.md.langevin import Langevin

    widths = np.sqrt(atoms.get_masses() * units.kB * settings.temperature)
    atoms.set_momenta(widths[:, None] * rng.standard_normal((len(atoms), 3)))
    return Langevin(
        atoms,
        settings.timestep * units.fs,
        temperature_K=settings.temperature,
        friction=settings.friction / units.fs,
        fixcm=False,
        rng=rng,
    )


def _checked(frame: Configuration) -> Configuration:
    if not np.isfinite(frame.positions).all():
        raise ArithmeticError("positions are not finite")
    if closest_contact(frame, OVERLAP) < OVERLAP:
        raise ArithmeticError("atoms overlap")
    return frame


def calculator_of(settings: TestSettings) -> Calculator:
    """The calculator that the import path and the keywords name."""
    module, _, name = settings.calculator.rpartition(".")
    package = module.partition(".")[0]
    try:
        kind = getattr(import_module(module), name)
    except ModuleNotFoundError as problem:
        missing = (problem.name or package).partition(".")[0]
        if missing == package and find_spec(package):
            raise InvalidParameters(
                f"there is no module '{problem.name}'", where="seed.test.calculator"
            ) from None
        raise OracleUnavailable(
            f"{settings.calculator} needs the package '{missing}', which is not installed",
            where="seed.test.calculator",
            next_step=f"pip install {DISTRIBUTIONS.get(missing, missing)}",
        ) from None
    except AttributeError:
        raise InvalidParameters(
            f"module '{module}' has no '{name}'", where="seed.test.calculator"
        ) from None
    try:
        made: Calculator = kind(**settings.keywords)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise InvalidParameters(
            f"{settings.calculator} refuses its keywords ({problem})", where="seed.test.keywords"
        ) from problem
    return made
