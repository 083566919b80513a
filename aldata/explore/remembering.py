"""A calculator per image, of which one does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ase.calculators.calculator import Calculator, all_changes

if TYPE_CHECKING:
    from ase import Atoms


class Remembering(Calculator):  # type: ignore[misc]
    """One calculator for many images, of which each remembers its results: an optimiser asks thrice."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, shared: Calculator) -> None:
        super().__init__()
        self.shared = shared

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Ask the shared calculator."""
        super().calculate(atoms, properties, system_changes)
        self.results = {
            "forces": self.shared.get_forces(self.atoms),
            "energy": self.shared.get_potential_energy(self.atoms),
        }
