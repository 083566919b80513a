"""The committee as an ASE calculator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from aldata.artifacts.conversion import from_atoms
from aldata.potentials.derivatives import evaluate
from aldata.potentials.graphs import graph_of, refuse_unknown

if TYPE_CHECKING:
    from ase import Atoms

    from aldata.potentials.committee import Committee


class CommitteeCalculator(Calculator):  # type: ignore[misc]
    """Committee mean: energy in eV with E0, forces in eV/A, stress in eV/A^3 of three-periodic cells.

    `results["force_deviation"]`, shape (n,) in eV/A, is the root of the trace of each atom's sample
    covariance (ddof 1): how far the members disagree. All members are evaluated in one pass.
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

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Evaluate all members on `atoms`."""
        super().calculate(atoms, properties, system_changes)
        committee = self.committee
        if "numbers" in system_changes:
            refuse_unknown(self.atoms.numbers, committee.numbers)
        architecture = committee.network.architecture
        graph = graph_of(from_atoms(self.atoms), committee.numbers, architecture)
        batch = committee.batch([graph])
        periodic = graph.volume > 0
        results = evaluate(committee.network, committee.model, batch, stress=periodic)
        forces = results.forces.numpy().astype(np.float64)
        mean = forces.mean(0)
        squared = ((forces - mean) ** 2).sum(axis=(0, 2)) / max(len(forces) - 1, 1)
        energy = float(results.energy.numpy().astype(np.float64).mean())
        energy += committee.isolated(graph)
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": mean,
            "force_deviation": np.sqrt(squared),
        }
        if results.stress is not None:
            self.results["stress"] = results.stress[:, 0].numpy().astype(np.float64).mean(0)
