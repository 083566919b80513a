"""Quantum ESPRESSO: plane waves and pseudopotentials, by the program pw.x or the wheel qepy.

Giannozzi et al., J. Phys.: Condens. Matter 29, 465901 (2017); Shao et al., qepy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles import espresso_files
from aldata.label.oracles.kpoints import KPoints
from aldata.label.oracles.place import Place
from aldata.label.oracles.process import ProcessOracle
from aldata.label.oracles.programs import Ended, banner
from aldata.label.oracles.protocol import Answer
from aldata.label.oracles.pseudopotentials import is_gth
from aldata.records import Record

FIRST_WITH_GTH_STRESS = 7
"""Major version of pw.x from which the stress with GTH pseudopotentials is the strain derivative: in
6.7 the shear of a displaced silicon cell was half of it."""

Value = bool | int | float | str
Section = Literal["control", "system", "electrons"]

OURS = {
    *("calculation", "prefix", "outdir", "pseudo_dir", "tprnfor", "tstress", "disk_io", "nstep"),
    *("restart_mode", "wf_collect", "ibrav", "celldm", "a", "b", "c", "nat", "ntyp", "ecutwfc"),
    *("ecutrho", "input_dft", "occupations", "smearing", "degauss", "nspin", "tot_charge"),
    *("tot_magnetization", "starting_magnetization", "nosym", "noinv", "conv_thr"),
    *("electron_maxstep", "mixing_beta", "mixing_mode", "diagonalization", "scf_must_converge"),
    *("startingpot", "startingwfc", "max_seconds", "verbosity", "adaptive_thr"),
}
"""Names that `extra` may not set: they have a setting here, or the proof of convergence needs them."""


class EspressoSettings(Record):
    """A level of theory of pw.x. Energies in Rydberg where they are Quantum ESPRESSO's own settings."""

    ecutwfc: float = Field(gt=0, description="plane-wave cutoff (Ry)")
    ecutrho: float | None = Field(
        default=None, gt=0, description="cutoff of the density (Ry); null: four times ecutwfc"
    )
    kpoints: KPoints = Field(description="k-points of periodic cells")
    pseudopotentials: dict[str, str] = Field(
        description="per element a file in the project's pseudopotentials/, or gth-pbe, gth-pade, "
        "... for the analytic ones that come with aldata"
    )
    input_dft: str | None = Field(
        default=None, description="functional, as pw.x names it; null: the pseudopotentials' own"
    )
    occupations: Literal["fixed", "smearing"] = Field(
        default="fixed", description="fixed for insulators and molecules, smearing for metals"
    )
    smearing: Literal["gaussian", "mp", "mv", "fd"] | None = Field(
        default=None,
        description="kind of smearing: Gauss, Methfessel-Paxton, Marzari-Vanderbilt, Fermi",
    )
    degauss: float | None = Field(default=None, gt=0, description="width of the smearing (Ry)")
    conv_thr: float = Field(
        default=1e-9, gt=0, le=1e-3, description="SCF tolerance: estimated error of the energy (Ry)"
    )
    electron_maxstep: int = Field(
        default=100, ge=1, description="SCF steps before a call counts as failed"
    )
    mixing_beta: float = Field(default=0.7, gt=0, le=1, description="share of the new density")
    mixing_mode: Literal["plain", "TF", "local-TF"] = Field(
        default="plain", description="screening used in mixing"
    )
    diagonalization: Literal["david", "cg", "ppcg", "paro", "rmm-davidson"] = Field(
        default="david", description="algorithm of the diagonalisation"
    )
    magnetization: Literal["of_spin", "free"] = Field(
        default="of_spin",
        description="of_spin: the configuration's unpaired electrons; free: what the SCF finds "
        "from starting_magnetization",
    )
    starting_magnetization: dict[str, float] = Field(
        default={}, description="per element, -1 to 1, with magnetization: free"
    )
    box: float = Field(
        default=12.0, gt=0, description="edge of the cube around molecules and isolated atoms (A)"
    )
    extra: dict[Section, dict[str, Value]] = Field(
        default={}, description="further names of pw.x's namelists control, system and electrons"
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        smeared = self.occupations == "smearing"
        if smeared != (self.smearing is not None) or smeared != (self.degauss is not None):
            raise ValueError(
                "occupations: smearing needs smearing and degauss, occupations: fixed neither"
            )
        if (self.magnetization == "free") != bool(self.starting_magnetization):
            raise ValueError("magnetization: free goes with starting_magnetization per element")
        if self.magnetization == "free" and not smeared:
            raise ValueError("magnetization: free needs occupations: smearing")
        names = {name.lower().split("(")[0] for s in self.extra.values() for name in s}
        if names & OURS:
            raise ValueError(f"extra may not set {', '.join(sorted(names & OURS))}")
        if not self.pseudopotentials:
            raise ValueError("pseudopotentials: name one for every element")
        return self


class Espresso(ProcessOracle):
    """Energy, forces and stress by pw.x; a fresh folder and density for every call."""

    SETTINGS: ClassVar[type[Record]] = EspressoSettings
    NAME = "espresso"
    PROGRAMS = ("pw.x",)
    INSTALL = "aldata doctor --install espresso  (or, with root: apt-get install quantum-espresso)"
    INPUT = espresso_files.INPUT
    OUTPUT = espresso_files.OUTPUT
    TOLERANCE = ("conv_thr", 1e-13)  # below it rounding keeps cells from converging

    settings: EspressoSettings

    def resolved(self) -> Self:
        """With the density's cutoff and the functional spelled out. Raises OracleUnavailable."""
        self._require_right_stress()
        s = self.settings
        return self.with_settings(ecutrho=s.ecutrho or 4 * s.ecutwfc, input_dft=self._functional())

    def theory(self) -> dict[str, Any]:
        """Code, functional, cutoffs, explicit k-points, smearing, tolerances, hash of every file."""
        s = self.settings
        own = s.content()
        names = ("occupations", "smearing", "mixing_beta", "mixing_mode", "diagonalization")
        return {
            "code": "quantum-espresso",
            "method": "Kohn-Sham, plane waves",
            "xc": self._functional(),
            "cutoff_rydberg": s.ecutwfc,
            "density_cutoff_rydberg": s.ecutrho or 4 * s.ecutwfc,
            "kpoints": [list(point) for point in s.kpoints.explicit()],
            "pseudopotentials": {k: p.record for k, p in sorted(self.files.items())},
            "width_rydberg": s.degauss,
            "conv_thr_rydberg": s.conv_thr,
            "max_steps": s.electron_maxstep,
            "symmetry": "time reversal only",
            "energy": "free energy, which the forces belong to",
            "magnetization": s.magnetization,
            "starting_magnetization": s.starting_magnetization,
            "molecules": {"box_angstrom": s.box, "kpoints": "Gamma"},
            "isolated_atoms": espresso_files.ATOM if s.occupations == "fixed" else {},
            "extra": own["extra"],
            **{name: own[name] for name in names},
        }

    def restarted(self) -> Self:
        """With another share of the new density in mixing: the SCF goes another way."""
        return self.with_settings(mixing_beta=0.35 if self.settings.mixing_beta > 0.5 else 0.7)

    def version(self) -> str:
        """Version that pw.x prints. Raises OracleUnavailable."""
        command = self.command()
        found = re.search(r"Program PWSCF\s+v\.(\d[\w.]*?)(?:MaX)?\s", banner(command))
        if found is None:
            raise OracleUnavailable(
                "does not say that it is pw.x",
                where=command,
                next_step=f"correct codes.espresso in .aldata/config.yaml; or {self.INSTALL}",
            )
        return f"quantum-espresso {found[1]}"

    def check(self, configurations: Sequence[Configuration]) -> list[str]:
        """As of every program, and a spin that the settings would ignore."""
        problems = super().check(configurations)
        free = self.settings.magnetization == "free"
        if free and any(c.spin and c.pbc.all() for c in configurations):
            problems.append("cells state a spin, which magnetization: free would ignore")
        return problems

    def arguments(self) -> list[str]:
        """pw.x takes its input by a name."""
        return ["-in", self.INPUT]

    def input_text(self, configuration: Configuration) -> str:
        """The namelists, positions and k-points."""
        return espresso_files.input_text(self.settings, configuration, self.files)

    def answer_of(self, ended: Ended, directory: Path, configuration: Configuration) -> Answer:  # noqa: ARG002
        """From what pw.x printed."""
        return espresso_files.answer_of(ended, configuration, self.settings.conv_thr)

    def own_command(self, place: Place) -> str | None:
        """The project's own qepy."""
        python = place.python("espresso")
        return f"'{python}' -m qepy --pw.x" if python else None

    def _functional(self) -> str:
        """The functional that is stated, or that all pseudopotentials were made for."""
        if self.settings.input_dft:
            return self.settings.input_dft.upper()
        found = {symbol: p.functional for symbol, p in self.files.items()}
        if len(set(found.values())) != 1 or None in found.values():
            each = ", ".join(f"{symbol}: {name or 'unknown'}" for symbol, name in found.items())
            raise OracleUnavailable(
                f"the pseudopotentials do not tell one functional ({each})",
                where="oracle.settings.input_dft",
                next_step="name the functional: input_dft: PBE",
            )
        return str(next(iter(found.values())))

    def _require_right_stress(self) -> None:
        version = self.version().rpartition(" ")[2]
        gth = [e for e, name in self.settings.pseudopotentials.items() if is_gth(name)]
        if gth and int(version.split(".")[0]) < FIRST_WITH_GTH_STRESS:
            raise OracleUnavailable(
                f"pw.x {version} computes a wrong stress with GTH pseudopotentials ({', '.join(gth)})",
                where="oracle.settings.pseudopotentials",
                expected=f"pw.x {FIRST_WITH_GTH_STRESS} or newer, or UPF files",
                next_step="aldata doctor --install espresso",
            )
