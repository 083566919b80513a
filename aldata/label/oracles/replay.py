"""Labels that exist already, from a labelled file: an oracle for benchmarks that costs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from aldata import digest
from aldata.artifacts.frames import Configuration
from aldata.artifacts.labelled_files import read_labelled
from aldata.errors import OracleUnavailable
from aldata.label.oracles import cells
from aldata.label.oracles.place import Place
from aldata.label.oracles.programs import write_input
from aldata.label.oracles.protocol import Answer, OracleFailure
from aldata.records import Record

REVISION = 1
"""Of the rule by which a configuration is found in a file."""


class ReplaySettings(Record):
    """A labelled file, and what computed it."""

    file: str = Field(
        description="labelled frames in any format that ASE reads, relative to the project"
    )
    source: str = Field(
        min_length=3, description="level of theory of the file, in words, for the record"
    )
    charge: int = Field(default=0, description="charge of frames that do not state theirs")
    spin: int = Field(default=0, description="unpaired electrons of such frames")
    isolated_energies: dict[str, float] = Field(
        default={},
        description="energy (eV) of the isolated atom by element, where the file has none",
    )


class Replay:
    """Finds the very configuration, by its content id, and gives its label."""

    SETTINGS: ClassVar[type[Record]] = ReplaySettings

    def __init__(self, settings: ReplaySettings) -> None:
        self.settings = settings

    def resolved(self) -> Self:
        """Itself. Raises OracleUnavailable for a missing file, InvalidInput for an unusable one."""
        self._table()
        return self

    def theory(self) -> dict[str, Any]:
        """Digest of the file, and what the user says of its origin."""
        return {
            "code": "replay",
            "sha256": digest.of_file(self._path()),
            "source": self.settings.source,
            "charge": self.settings.charge,
            "spin": self.settings.spin,
            "isolated_energies": self.settings.isolated_energies,
        }

    def tighter(self) -> Self:
        """Itself: a file has no noise that could be measured with it."""
        return self

    def restarted(self) -> Self:
        """Itself."""
        return self

    def version(self) -> str:
        """Revision of the rule by which a configuration is found."""
        return f"replay {REVISION}.0"

    def preload(self) -> tuple[str, ...]:
        """What reading a file imports."""
        return ("ase.io",)

    def check(self, configurations: Sequence[Configuration]) -> list[str]:
        """Configurations that the file does not hold."""
        missing = [c for c in configurations if self._find(c) is None]
        if not missing:
            return []
        atoms = sorted({cells.formula(c) for c in missing if len(c) == 1 and not c.pbc.any()})
        hint = f"; isolated atoms ({', '.join(atoms)}): oracle.settings.isolated_energies"
        return [
            f"{len(missing)} of {len(configurations)} configurations are not in "
            f"{self.settings.file}, which holds {len(self._table())} (first: "
            f"{cells.formula(missing[0])}, {missing[0].id[:12]}): a replay answers for exactly these "
            f"numbers, cells, charges and spins{hint if atoms else ''}"
        ]

    def label(self, configuration: Configuration, directory: Path) -> Answer:
        """The label of this configuration; file `input.json`."""
        if not np.isfinite(configuration.positions).all():
            raise OracleFailure("refused_input", "positions are not finite")
        write_input(directory, self.settings, configuration)
        found = self._find(configuration)
        if found is None:
            raise OracleFailure("refused_input", f"not in {self.settings.file}")
        return found

    def _find(self, configuration: Configuration) -> Answer | None:
        found = self._table().get(configuration.id)
        energies = self.settings.isolated_energies
        if found is None and len(configuration) == 1 and not configuration.pbc.any():
            (symbol,) = cells.symbols(configuration.numbers)
            if symbol in energies and configuration.charge == 0:
                return Answer(
                    energy=energies[symbol],
                    forces=np.zeros((1, 3)),
                    converged=True,
                    proof={"by": "stated in oracle.settings.isolated_energies"},
                )
        return found

    def _table(self) -> Mapping[str, Answer]:
        path = self._path()
        s = self.settings
        return _answers(path, path.stat().st_mtime_ns, s.charge, s.spin, s.source)

    def _path(self) -> Path:
        place = Place.here()
        for root in (place.folder, place.home):
            path = root / self.settings.file
            if path.is_file():
                return path
        raise OracleUnavailable(
            "there is no such file",
            where=f"oracle.settings.file: {self.settings.file}",
            expected="a labelled file, relative to the project's folder",
        )


@lru_cache(maxsize=4)
def _answers(
    path: Path,
    changed: int,  # noqa: ARG001 (a changed file is read again)
    charge: int,
    spin: int,
    source: str,
) -> Mapping[str, Answer]:
    """Every answer of a file, by the id of its configuration."""
    given = read_labelled(path, charge, spin)
    frames = given.configurations
    proof = {"by": f"stated: {source}", "file": given.source}
    return {
        identity: Answer(
            energy=float(given.energy[row]),
            forces=given.forces[frames.atoms_of(row)],
            stress=None if np.isnan(given.stress[row]).any() else given.stress[row],
            converged=True,
            proof=proof,
        )
        for row, identity in enumerate(frames.ids)
    }
