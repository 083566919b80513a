"""CP2K: Gaussian orbitals and an auxiliary plane-wave grid (Quickstep), GTH pseudopotentials.

Kuehne et al., J. Chem. Phys. 152, 194103 (2020).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles import cp2k_files
from aldata.label.oracles.cp2k_files import Block
from aldata.label.oracles.kpoints import KPoints
from aldata.label.oracles.place import Place
from aldata.label.oracles.process import ProcessOracle
from aldata.label.oracles.programs import Ended, banner
from aldata.label.oracles.protocol import Answer
from aldata.records import Record

INSTALL_DATA = (
    "apt-get install cp2k-data, or name its folder: codes: {cp2k_data: FOLDER} in "
    ".aldata/config.yaml; your own file goes into the project's pseudopotentials/"
)


class Cp2kSettings(Record):
    """A level of theory of CP2K's Quickstep (GPW)."""

    cutoff: float = Field(gt=0, description="plane-wave cutoff of the finest grid (Ry)")
    rel_cutoff: float = Field(
        default=60.0, gt=0, description="cutoff that a Gaussian of exponent one gets (Ry)"
    )
    kpoints: KPoints = Field(description="k-points of periodic cells")
    basis: dict[str, str] = Field(
        description="basis set of every element, such as DZVP-MOLOPT-SR-GTH"
    )
    potentials: dict[str, str] = Field(
        min_length=1, description="pseudopotential of every element, such as GTH-PBE-q4"
    )
    basis_file: str = Field(
        default="BASIS_MOLOPT",
        description="file with the basis sets: in the project's pseudopotentials/, or CP2K's own",
    )
    potential_file: str = Field(
        default="GTH_POTENTIALS", description="file with the pseudopotentials, looked for likewise"
    )
    xc: Literal["pbe", "lda", "blyp", "bp"] = Field(default="pbe", description="functional")
    smearing: Literal["fd"] | None = Field(
        default=None, description="fd (Fermi-Dirac) for metals; null: fixed occupations"
    )
    electronic_temperature: float | None = Field(
        default=None, gt=0, description="of the smearing (K)"
    )
    eps_scf: float = Field(
        default=1e-7, gt=0, le=1e-4, description="SCF tolerance: largest change of the density (1)"
    )
    eps_default: float = Field(
        default=1e-12, gt=0, le=1e-8, description="CP2K's scale of the other numerical tolerances"
    )
    max_scf: int = Field(default=100, ge=1, description="SCF steps before a call counts as failed")
    mixing_alpha: float = Field(default=0.4, gt=0, le=1, description="share of the new density")
    box: float = Field(
        default=12.0, gt=0, description="edge of the cube around molecules and isolated atoms (A)"
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.smearing is None) != (self.electronic_temperature is None):
            raise ValueError("smearing and electronic_temperature go together")
        if set(self.basis) != set(self.potentials):
            raise ValueError("basis and potentials name the same elements")
        return self


class Cp2k(ProcessOracle):
    """Energy, forces and stress by CP2K; a fresh folder and density for every call."""

    SETTINGS: ClassVar[type[Record]] = Cp2kSettings
    NAME = "cp2k"
    PROGRAMS = ("cp2k.psmp", "cp2k.ssmp", "cp2k.popt", "cp2k")
    INSTALL = "apt-get install cp2k cp2k-data, or conda install -c conda-forge cp2k"
    INPUT = "cp2k.inp"
    OUTPUT = "cp2k.out"
    FILES_OF = "potentials"
    TOLERANCE = ("eps_scf", 1e-10)

    settings: Cp2kSettings

    def theory(self) -> dict[str, Any]:
        """Functional, grid, explicit k-points, smearing, tolerances, hash of every basis set."""
        s = self.settings
        return {
            "code": "cp2k",
            "method": "Kohn-Sham, Gaussians and plane waves",
            "xc": s.xc,
            "cutoff_rydberg": s.cutoff,
            "relative_cutoff_rydberg": s.rel_cutoff,
            "kpoints": [list(point) for point in s.kpoints.explicit()],
            "basis": {element: block.record for element, block in sorted(self.basis.items())},
            "pseudopotentials": {e: block.record for e, block in sorted(self.potentials.items())},
            "smearing": s.smearing,
            "electronic_temperature_kelvin": s.electronic_temperature,
            "eps_scf": s.eps_scf,
            "eps_default": s.eps_default,
            "max_steps": s.max_scf,
            "mixing_alpha": s.mixing_alpha,
            "symmetry": "time reversal only",
            "energy": "free energy, which the forces belong to",
            "molecules": {"box_angstrom": s.box, "kpoints": "Gamma"},
            "isolated_atoms": {} if s.smearing else cp2k_files.ATOM,
        }

    def tighter(self) -> Self:
        """A hundredth of the SCF tolerance and of CP2K's other ones; the grid stays."""
        return super().tighter().with_settings(eps_default=self.settings.eps_default / 100)

    def restarted(self) -> Self:
        """With another share of the new density in mixing: the SCF goes another way."""
        return self.with_settings(mixing_alpha=0.2 if self.settings.mixing_alpha > 0.3 else 0.4)

    def version(self) -> str:
        """Version that CP2K prints. Raises OracleUnavailable."""
        command = self.command()
        found = re.search(r"CP2K version (\d[\w.]*)", banner(command, "--version"))
        if found is None:
            raise OracleUnavailable(
                "does not say that it is CP2K",
                where=command,
                next_step=f"correct codes.cp2k in .aldata/config.yaml; or {self.INSTALL}",
            )
        return f"cp2k {found[1]}"

    def preload(self) -> tuple[str, ...]:
        """What writing the input imports."""
        return ("ase.data",)

    def data(self) -> Mapping[str, bytes]:
        """The basis sets and pseudopotentials that are named, and no others."""
        return {
            cp2k_files.BASIS: cp2k_files.joined(self.basis),
            cp2k_files.POTENTIALS: cp2k_files.joined(self.potentials),
        }

    def valence(self) -> Mapping[str, float]:
        """As the pseudopotentials have it."""
        return {symbol: block.valence for symbol, block in self.potentials.items()}

    @cached_property
    def basis(self) -> dict[str, Block]:
        """The basis set of every element. Raises OracleUnavailable."""
        return self._blocks(self.settings.basis_file, self.settings.basis)

    @cached_property
    def potentials(self) -> dict[str, Block]:
        """The pseudopotential of every element. Raises OracleUnavailable."""
        return self._blocks(self.settings.potential_file, self.settings.potentials)

    def _blocks(self, file: str, names: Mapping[str, str]) -> dict[str, Block]:
        place = Place.here()
        path = place.own_file(file) or self._own(file, place)
        return cp2k_files.blocks(path, names)

    def _own(self, file: str, place: Place) -> Path:
        """A file of CP2K's data folder. Raises OracleUnavailable where it is not there."""
        program = shutil.which(shlex.split(self.command())[0])
        prefix = Path(program).resolve().parents[1] if program else Path("/usr")
        shared = prefix / "share" / "cp2k"
        stated = [place.codes.cp2k_data, os.environ.get("CP2K_DATA_DIR")]
        folders = [Path(f) for f in stated if f] or [shared, shared / "data", prefix / "data"]
        for folder in folders:
            if (folder / file).is_file():
                return folder / file
        raise OracleUnavailable(
            f"there is no {file}", where=str(folders[0]), next_step=INSTALL_DATA
        )

    def arguments(self) -> list[str]:
        """CP2K takes its input by a name."""
        return ["-i", self.INPUT]

    def input_text(self, configuration: Configuration) -> str:
        """One input for energy and forces."""
        return cp2k_files.input_text(self.settings, configuration)

    def answer_of(self, ended: Ended, directory: Path, configuration: Configuration) -> Answer:  # noqa: ARG002
        """From what CP2K printed."""
        return cp2k_files.answer_of(
            ended, configuration, cp2k_files.tolerance_of(self.settings, configuration)
        )
