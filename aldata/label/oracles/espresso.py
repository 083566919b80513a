"""Quantum ESPRESSO: plane waves and pseudopotentials, by the program pw.x or the wheel qepy.

Giannozzi et al., J. Phys.: Condens. Matter 29, 465901 (2017); Shao et al., qepy.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles import cells, espresso_files
from aldata.label.oracles.kpoints import KPoints
from aldata.label.oracles.place import Place
from aldata.label.oracles.programs import banner, call, on_path, write_input
from aldata.label.oracles.protocol import Answer
from aldata.label.oracles.pseudopotentials import Pseudopotential, is_gth, load
from aldata.records import Record

INSTALL = "aldata doctor --install espresso  (or, with root: apt-get install quantum-espresso)"
FIRST_WITH_GTH_STRESS = 7
"""Major version of pw.x from which the stress with GTH pseudopotentials is the strain derivative: in
6.7 the shear of a displaced silicon cell was half of it."""

TIGHTEST_CONV_THR = 1e-13
"""SCF tolerance (Ry) below which rounding keeps cells from converging."""

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


class Espresso:
    """Energy, forces and stress by pw.x; a fresh folder and density for every call."""

    SETTINGS: ClassVar[type[Record]] = EspressoSettings

    def __init__(self, settings: EspressoSettings) -> None:
        self.settings = settings

    def resolved(self) -> Self:
        """With the density's cutoff and the functional spelled out. Raises OracleUnavailable."""
        self._require_right_stress()
        s = self.settings
        changes = {"ecutrho": s.ecutrho or 4 * s.ecutwfc, "input_dft": self._functional()}
        return type(self)(s.model_copy(update=changes))

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
            "pseudopotentials": {k: p.record for k, p in sorted(self._files.items())},
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

    def tighter(self) -> Self:
        """A hundredth of the SCF tolerance. Raises OracleUnavailable where it is the smallest."""
        if self.settings.conv_thr <= TIGHTEST_CONV_THR:
            raise OracleUnavailable(
                "pw.x reaches no tighter tolerance",
                where="oracle.settings.conv_thr",
                expected=f"more than {TIGHTEST_CONV_THR:g}",
            )
        tight = max(self.settings.conv_thr / 100, TIGHTEST_CONV_THR)
        return type(self)(self.settings.model_copy(update={"conv_thr": tight}))

    def restarted(self) -> Self:
        """With another share of the new density in mixing: the SCF goes another way."""
        beta = 0.35 if self.settings.mixing_beta > 0.5 else 0.7
        return type(self)(self.settings.model_copy(update={"mixing_beta": beta}))

    def version(self) -> str:
        """Version that pw.x prints. Raises OracleUnavailable."""
        command = self._command()
        found = re.search(r"Program PWSCF\s+v\.(\d[\w.]*?)(?:MaX)?\s", banner(command))
        if found is None:
            raise OracleUnavailable(
                "does not say that it is pw.x",
                where=command,
                next_step=f"correct codes.espresso in .aldata/config.yaml; or {INSTALL}",
            )
        return f"quantum-espresso {found[1]}"

    def preload(self) -> tuple[str, ...]:
        """What writing the input imports."""
        return ("ase.data", "pyscf.pbc.gto.pseudo")

    def check(self, configurations: Sequence[Configuration]) -> list[str]:
        """Elements without a pseudopotential, shapes, and electrons that do not fit the spin."""
        s = self.settings
        problems = cells.shape_problems(configurations, s.box)
        missing = [e for e in cells.elements(configurations) if e not in s.pseudopotentials]
        if missing:
            problems.append(
                f"no pseudopotential is named for {', '.join(missing)}: "
                "oracle.settings.pseudopotentials"
            )
        if s.magnetization == "free" and any(c.spin and c.pbc.all() for c in configurations):
            problems.append("cells state a spin, which magnetization: free would ignore")
        valence = {symbol: p.valence for symbol, p in self._files.items()}
        smeared = s.occupations == "smearing"
        return problems + cells.electron_problems(configurations, valence, smeared)

    def label(self, configuration: Configuration, directory: Path) -> Answer:
        """Run pw.x; files `input.json`, `espresso.pwi`, `espresso.pwo`, and `errors.txt`."""
        write_input(directory, self.settings, configuration)
        scratch = directory / "scratch"
        scratch.mkdir()
        for file in self._files.values():
            (scratch / file.name).write_bytes(file.content)
        text = espresso_files.input_text(self.settings, configuration, self._files)
        (directory / espresso_files.INPUT).write_text(text)
        arguments = ["-in", espresso_files.INPUT]
        try:
            ended = call(self._command(), arguments, directory, espresso_files.OUTPUT)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return espresso_files.answer_of(ended, configuration, self.settings.conv_thr)

    @cached_property
    def _files(self) -> dict[str, Pseudopotential]:
        place = Place.here()
        return {
            symbol: load(symbol, source, place)
            for symbol, source in self.settings.pseudopotentials.items()
        }

    def _functional(self) -> str:
        """The functional that is stated, or that all pseudopotentials were made for."""
        if self.settings.input_dft:
            return self.settings.input_dft.upper()
        found = {symbol: p.functional for symbol, p in self._files.items()}
        if len(set(found.values())) != 1 or None in found.values():
            each = ", ".join(f"{symbol}: {name or 'unknown'}" for symbol, name in found.items())
            raise OracleUnavailable(
                f"the pseudopotentials do not tell one functional ({each})",
                where="oracle.settings.input_dft",
                next_step="name the functional: input_dft: PBE",
            )
        return str(next(iter(found.values())))

    def _command(self) -> str:
        """The configured command, the project's own qepy, or pw.x of the PATH."""
        place = Place.here()
        if place.codes.espresso:
            return place.codes.espresso
        if python := place.python("espresso"):
            return f"'{python}' -m qepy --pw.x"
        if found := on_path("pw.x"):
            return found
        raise OracleUnavailable("there is no pw.x", where="oracle: espresso", next_step=INSTALL)

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
