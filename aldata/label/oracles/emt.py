"""ASE's effective medium theory: metals in milliseconds, for rehearsals and tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field

from aldata.artifacts.frames import Configuration
from aldata.label.oracles.ase import Ase, AseSettings
from aldata.label.oracles.protocol import Answer
from aldata.records import Record

ELEMENTS = {
    **{1: "H", 6: "C", 7: "N", 8: "O", 13: "Al", 28: "Ni", 29: "Cu"},
    **{46: "Pd", 47: "Ag", 78: "Pt", 79: "Au"},
}
"""Elements that ASE's EMT has parameters for (the first four for demonstrations only)."""


class EmtSettings(Record):
    """EMT has one choice."""

    asap_cutoff: bool = Field(default=False, description="cutoff as in the code ASAP")


class Emt:
    """ASE's EMT: energy, forces and stress."""

    SETTINGS: ClassVar[type[Record]] = EmtSettings

    def __init__(self, settings: EmtSettings) -> None:
        self.settings = settings
        keywords = settings.content()
        self._ase = Ase(AseSettings(calculator="ase.calculators.emt.EMT", keywords=keywords))

    def resolved(self) -> Self:
        """Itself."""
        return self

    def theory(self) -> dict[str, Any]:
        """As of any ASE calculator."""
        return self._ase.theory()

    def tighter(self) -> Self:
        """Itself: an analytic formula, exact but for rounding."""
        return self

    def restarted(self) -> Self:
        """Itself: nothing is iterated."""
        return self

    def version(self) -> str:
        """Version of ASE."""
        return self._ase.version()

    def preload(self) -> tuple[str, ...]:
        """ASE's EMT."""
        return self._ase.preload()

    def check(self, configurations: Sequence[Configuration]) -> list[str]:
        """Elements without parameters, and charge or spin, which EMT does not know."""
        problems = self._ase.check(configurations)
        unknown = sorted({int(n) for c in configurations for n in c.numbers} - set(ELEMENTS))
        if unknown:
            known = ", ".join(ELEMENTS.values())
            problems.append(f"EMT has no parameters for atomic numbers {unknown}; it has {known}")
        return problems

    def label(self, configuration: Configuration, directory: Path) -> Answer:
        """Energy, forces and, for periodic cells, stress; file `input.json`."""
        return self._ase.label(configuration, directory)
