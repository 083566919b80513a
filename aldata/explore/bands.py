"""One nudged elastic band: the unit of work that runs in a process of its own.

Improved tangents (Henkelman and Jonsson, J. Chem. Phys. 113, 9978 (2000)), a climbing image (Henkelman,
Uberuaga and Jonsson, ibid. 9901), a start by the image-dependent pair potential (Smidstrup et al.,
J. Chem. Phys. 140, 214106 (2014)): all of ASE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aldata.artifacts.conversion import from_atoms, to_atoms
from aldata.artifacts.frames import Configuration, Float
from aldata.explore.settings import ReactionPath
from aldata.explore.trajectories import COMPLETED

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from ase.mep import NEB

NEAR = 4.0
"""The highest image climbs once the force on the band is below so many times `fmax`..."""
SHARE = 0.5
"""...or after this share of the steps."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Band:
    """A path to find. `calculator` is called once, in the process that runs it."""

    start: Configuration
    end: Configuration
    settings: ReactionPath
    calculator: Callable[[], Calculator]


@dataclass(eq=False, kw_only=True)
class Path:
    """What a band came to.

    images : from start to end. energies (image,) in eV, empty where nothing was computed. largest_force :
    on an atom of the band, in eV/A. steps : of the optimiser.
    """

    images: list[Configuration]
    energies: Float
    largest_force: float = float("nan")
    steps: int = 0
    converged: bool = False
    ended: str = COMPLETED

    @property
    def along(self) -> Float:
        """Length of the path from the start to each image, (image,) in A, all atoms together."""
        places = np.array([image.positions for image in self.images])
        steps = np.linalg.norm(np.diff(places, axis=0), axis=(1, 2))
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def barrier(self) -> float | None:
        """Energy of the highest image above the start's, in eV."""
        return float(self.energies.max() - self.energies[0]) if len(self.energies) else None

    @property
    def reaction_energy(self) -> float | None:
        """Energy of the end above the start's, in eV."""
        return float(self.energies[-1] - self.energies[0]) if len(self.energies) else None


def relaxed(band: Band) -> Path:
    """Relax a band between fixed ends, for at most `steps` steps.

    The end of a molecule is first laid over the start as well as it can be; of a periodic
    configuration every atom takes the shortest way. A band that does not converge, or whose calculator
    fails, says so in `ended` and keeps the images it had.
    """
    from ase.mep import NEB

    from aldata.explore.remembering import Remembering

    settings = band.settings
    images = _interpolated(band)
    neb = NEB(images, k=settings.spring, method="improvedtangent")
    found = Path(images=[], energies=np.zeros(0))
    try:
        neb.interpolate("idpp", mic=bool(images[0].pbc.any()))
        shared = band.calculator()
        for image in images:
            image.calc = Remembering(shared)
        _relax(neb, settings, found)
    # a model far from its data may fail in its neighbour list or algebra: that ends this band
    except (ArithmeticError, ValueError, RuntimeError) as problem:
        found.ended = f"the calculator failed ({type(problem).__name__}: {problem!s:.200})"
    found.images = [band.start, *(from_atoms(image) for image in images[1:-1]), _end(images, band)]
    return found


def _end(images: list[Atoms], band: Band) -> Configuration:
    """The end as it was given, unless a molecule was turned or an atom moved to another cell."""
    moved = np.abs(images[-1].positions - band.end.positions).max()
    return band.end if moved < 1e-9 else from_atoms(images[-1])


def _interpolated(band: Band) -> list[Atoms]:
    """As many copies of the start as there are images, the last one the end laid over the start."""
    from ase.build import minimize_rotation_and_translation
    from ase.geometry import find_mic

    start, end = to_atoms(band.start), to_atoms(band.end)
    if start.pbc.any():
        shortest = find_mic(end.positions - start.positions, start.cell, start.pbc)[0]
        end.positions = start.positions + shortest
    elif len(start) > 1:
        minimize_rotation_and_translation(start, end)
    return [start, *(start.copy() for _ in range(band.settings.images - 2)), end]


def _relax(neb: NEB, settings: ReactionPath, found: Path) -> None:
    """Relax, at first without climbing: an image that climbs from a bad start goes astray."""
    first = max(1, int(SHARE * settings.steps)) if settings.climb else settings.steps
    goal = NEAR * settings.fmax if settings.climb else settings.fmax
    _optimised(neb, goal, first, found)
    if settings.climb and not found.ended.startswith("not finite"):
        neb.climb = True
        _optimised(neb, settings.fmax, settings.steps - found.steps, found)
    found.energies = np.array(neb.energies, dtype=np.float64)
    if found.ended != COMPLETED:
        found.energies = np.zeros(0)
    elif not found.converged:
        found.ended = (
            f"not converged in {found.steps} steps: a force of {found.largest_force:.3g} eV/A, "
            f"wanted {settings.fmax:g}"
        )


def _optimised(neb: NEB, fmax: float, steps: int, found: Path) -> None:
    """Go on until the largest force is below `fmax`, so many steps are done, or it is not finite."""
    from ase.optimize import FIRE

    before = found.steps
    with FIRE(neb, logfile=None) as optimiser:
        for converged in optimiser.irun(fmax=fmax, steps=steps):
            found.steps = before + optimiser.nsteps
            found.largest_force = largest(neb.get_forces())
            found.converged = bool(converged)
            if not np.isfinite(found.largest_force):
                found.ended = f"not finite: forces on the band, at step {found.steps}"
                return


def largest(forces: Any) -> float:
    """The largest length of a force: in eV/A of forces (atom, 3) in eV/A."""
    return float(np.linalg.norm(forces, axis=1).max())
