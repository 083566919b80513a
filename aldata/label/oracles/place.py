"""Where codes and their files are on this machine, which is no part of any level of theory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from aldata.errors import InvalidParameters, OracleUnavailable
from aldata.execution.settings import CONFIG
from aldata.records import Record

VARIABLES = {
    name: f"ALDATA_{name.upper()}" for name in ("espresso", "gpaw", "cp2k", "abinit", "cp2k_data")
}
"""Environment variables that override `codes` in `.aldata/config.yaml`."""


class Codes(Record):
    """The key `codes` of `.aldata/config.yaml`: commands, and folders of files that codes read."""

    espresso: str | None = Field(
        default=None, description="command of pw.x, such as `mpirun -np 4 pw.x`"
    )
    gpaw: str | None = Field(default=None, description="a Python that imports gpaw")
    cp2k: str | None = Field(default=None, description="command of cp2k, such as `cp2k.psmp`")
    abinit: str | None = Field(default=None, description="command of abinit")
    cp2k_data: str | None = Field(
        default=None, description="folder with CP2K's BASIS_MOLOPT and GTH_POTENTIALS"
    )
    gpaw_setups: str | None = Field(default=None, description="folder with GPAW's setups")
    pseudopotentials: str = Field(
        default="pseudopotentials",
        description="folder with pseudopotential files, relative to the project",
    )


@dataclass(frozen=True)
class Place:
    """A project's folder, the main repository's (experiments run in a copy), and its codes."""

    folder: Path
    home: Path
    codes: Codes

    @classmethod
    def here(cls) -> Self:
        """The place of the current folder. Raises InvalidParameters for a bad `codes`."""
        folder = Path.cwd()
        home = Path(os.environ.get("DVC_ROOT") or folder)
        content = _codes(home / CONFIG)
        for name, variable in VARIABLES.items():
            if os.environ.get(variable):
                content = {**content, name: os.environ[variable]}
        return cls(folder, home, Codes.checked(content, where=f"{home / CONFIG}: codes"))

    def environment(self, oracle: str) -> Path:
        """Folder of the Python environment that `aldata doctor --install ORACLE` makes."""
        return self.home / ".aldata" / "envs" / oracle

    def python(self, oracle: str) -> Path | None:
        """Python of that environment, or None where there is none."""
        path = self.environment(oracle) / "bin" / "python"
        return path if path.exists() else None

    def own_file(self, file: str) -> Path | None:
        """A file in the project's folder of pseudopotentials, or None where it is not there."""
        paths = [root / self.codes.pseudopotentials / file for root in (self.folder, self.home)]
        return next((path for path in paths if path.is_file()), None)

    def pseudopotential(self, file: str) -> Path:
        """Path of a pseudopotential file. Raises OracleUnavailable where it is not there."""
        if path := self.own_file(file):
            return path
        raise OracleUnavailable(
            f"there is no pseudopotential file {file}",
            where=str(self.folder / self.codes.pseudopotentials),
            next_step="put it there, or name its folder in .aldata/config.yaml "
            "(codes: {pseudopotentials: FOLDER})",
        )


def _codes(path: Path) -> dict[str, Any]:
    import yaml

    if not path.exists():
        return {}
    try:
        document = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise InvalidParameters(f"cannot be read: {problem}", where=str(path)) from None
    content = document.get("codes") if isinstance(document, dict) else None
    if content is not None and not isinstance(content, dict):
        raise InvalidParameters("'codes' is not a mapping", where=str(path))
    return dict(content or {})
