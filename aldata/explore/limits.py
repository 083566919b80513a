"""What one trajectory is measured by, from its first step to its last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aldata.artifacts.conversion import from_atoms
from aldata.explore.checks import (
    drift_problem,
    geometry_problem,
    hottest_temperature,
    motion_problem,
    pieces_of,
    volume_problem,
)

if TYPE_CHECKING:
    from ase import Atoms

    from aldata.explore.trajectories import Trajectory


class Limits:
    """Pieces that it began with, hottest temperature (K), and, once the equilibration is over, the volume
    (A^3) and the total energy (eV) that the sampling began with.
    """

    def __init__(self, trajectory: Trajectory, atoms: int) -> None:
        self.settings, self.checks = trajectory.settings, trajectory.checks
        self.pieces = pieces_of(trajectory.start, self.checks)
        highest = max(trajectory.temperature_at(step) for step in (0, self.settings.steps))
        self.hottest = hottest_temperature(highest, atoms, self.checks)
        self.volume = self.energy = 0.0

    def begin(self, atoms: Atoms, volume: float | None = None) -> None:
        """Where the sampling begins, or goes on by another model: with the volume of the first time."""
        if self.settings.ensemble == "npt":
            self.volume = float(atoms.get_volume()) if volume is None else volume
        if self.settings.ensemble == "nve":
            self.energy = float(atoms.get_total_energy())

    def problem(self, atoms: Atoms, step: int) -> str | None:
        """What is wrong with the frame at a step."""
        sampled = step > self.settings.equilibration
        problem = motion_problem(atoms, self.checks, self.hottest if sampled else None)
        if problem is None and sampled and self.settings.ensemble == "npt":
            problem = volume_problem(atoms, self.checks, self.volume)
        if problem is None and sampled and self.settings.ensemble == "nve":
            problem = drift_problem(atoms, self.checks, self.energy)
        if problem is None and step % self.settings.interval == 0:
            problem = self.shape_problem(atoms)
        return problem

    def shape_problem(self, atoms: Atoms) -> str | None:
        """What is wrong with its geometry."""
        return geometry_problem(from_atoms(atoms), self.checks, self.pieces)
