"""The committee as an ASE calculator."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from ase.calculators.calculator import Calculator, all_changes

from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Configuration
from aldata.potentials.derivatives import forces_from, per_frame, stress_from
from aldata.potentials.graphs import refuse_unknown
from aldata.potentials.pullback import Pullback
from aldata.potentials.questions import Ask, alone

if TYPE_CHECKING:
    from ase import Atoms

    from aldata.potentials.committee import Committee

Float = npt.NDArray[np.float64]


class CommitteeCalculator(Calculator):  # type: ignore[misc]
    """Committee mean: energy in eV with E0, forces in eV/A, stress in eV/A^3 of three-periodic cells.

    `results["force_deviation"]`, shape (n,) in eV/A, is the root of the trace of each atom's sample
    covariance (ddof 1): how far the members disagree. All members are evaluated in one pass, and where
    `ask` gathers the questions of several calculators, so are their atoms.
    """

    implemented_properties: ClassVar[list[str]] = [
        "energy",
        "free_energy",
        "forces",
        "stress",
        "force_deviation",
    ]

    def __init__(self, committee: Committee) -> None:
        super().__init__()
        self.committee = committee
        self.atoms: Any = None
        self.results: dict[str, Any] = {}
        self.ask: Ask = alone

    def asking(self, ask: Ask) -> Self:
        """A calculator of the same committee, for other atoms, that has its questions answered so."""
        other = copy.copy(self)
        other.ask = ask
        other.reset()
        return other

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:  # noqa: ARG002
        """What has changed of what results depend on: bit by bit, which takes a fraction of ASE's time."""
        mine = self.atoms
        if mine is None:
            return list(all_changes)
        pairs = {
            "positions": (mine.positions, atoms.positions),
            "numbers": (mine.numbers, atoms.numbers),
            "cell": (mine.cell.array, atoms.cell.array),
            "pbc": (mine.pbc, atoms.pbc),
        }
        return [name for name, (a, b) in pairs.items() if a.tobytes() != b.tobytes()]

    def get_property(
        self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True
    ) -> Any:
        """As ASE's, which copies the atoms at every step, where what moves is enough."""
        if atoms is not None and self.atoms is not None and allow_calculation:
            changes = self.check_state(atoms)
            if changes and set(changes) <= {"positions", "cell"}:
                self.results = {}
                self.atoms.positions[:] = atoms.positions
                self.atoms.cell[:] = atoms.cell
                self.calculate(self.atoms, [name], changes)
        return super().get_property(name, atoms, allow_calculation)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),  # noqa: ARG002
        system_changes: Any = all_changes,
    ) -> None:
        """Evaluate all members on `atoms`."""
        frame = self.frame(atoms, system_changes)
        self.results = self.ask(means_of, self.committee, frame)

    def frame(self, atoms: Atoms | None, system_changes: Any) -> Configuration:
        """The frame to evaluate; `atoms` are remembered. Raises InvalidInput for unknown elements."""
        if atoms is not None and (self.atoms is None or self.check_state(atoms)):
            self.atoms = atoms.copy()
        if "numbers" in system_changes:
            refuse_unknown(self.atoms.numbers, self.committee.numbers)
        return from_atoms(self.atoms)


def means_of(committee: Committee, frames: Sequence[Configuration]) -> list[dict[str, Any]]:
    """Results of `CommitteeCalculator` for each frame, from one evaluation of all of them.

    A frame that makes numbers which are not finite shares none: then each is evaluated alone.
    """
    batch, model = committee.batch_of(frames), committee.model
    forward = Pullback(committee.network, model, batch, committee.radial_table(batch))
    last = (model.scale[:, None] * model.coefficients)[:, None, None]
    vectors = forward.vector_gradients(last)[:, 0]
    forces = forces_from(vectors, batch).numpy().astype(np.float64)
    if len(frames) > 1 and not np.isfinite(forces).all():
        return [means_of(committee, [frame])[0] for frame in frames]
    nodes = committee.network.node_energies(model, forward.features, batch)
    energies = per_frame(nodes, batch).numpy().astype(np.float64).mean(0)
    stresses = None
    if batch.has_volume:
        stresses = stress_from(vectors, batch).numpy().astype(np.float64).mean(0)
    isolated = committee.checkpoint.isolated_energies[batch.species.numpy()]
    mean, deviation = forces.mean(0), deviation_of(forces)
    results: list[dict[str, Any]] = []
    for frame, atoms in enumerate(rows_of(frames)):
        energy = float(energies[frame]) + float(isolated[atoms].sum())
        one = {"energy": energy, "free_energy": energy, "forces": mean[atoms]}
        if stresses is not None and batch.volume[frame] > 0:
            one["stress"] = stresses[frame]
        results.append({**one, "force_deviation": deviation[atoms]})
    return results


def deviation_of(forces: Float) -> Float:
    """Root of the trace of each atom's sample covariance (ddof 1), (atom,), of (member, atom, 3)."""
    squared = ((forces - forces.mean(0)) ** 2).sum(axis=(0, 2)) / max(len(forces) - 1, 1)
    return np.asarray(np.sqrt(squared))


def rows_of(frames: Sequence[Configuration]) -> list[slice]:
    """Rows of each frame's atoms where all atoms are in one array."""
    ends = np.cumsum([len(frame) for frame in frames]).tolist()
    return [slice(end - len(frame), end) for frame, end in zip(frames, ends, strict=True)]
