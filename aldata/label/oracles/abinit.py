"""ABINIT: plane waves and pseudopotentials.

Gonze et al., Comput. Phys. Commun. 248, 107042 (2020).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles import cells
from aldata.label.oracles.kpoints import KPoints
from aldata.label.oracles.process import ProcessOracle
from aldata.label.oracles.programs import Ended, banner
from aldata.label.oracles.protocol import Answer, OracleFailure
from aldata.records import Record
from aldata.units import (
    ANGSTROM_PER_BOHR,
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
)

SMEARINGS = {"fd": 3, "mv": 4, "mp": 6, "gaussian": 7}
"""ABINIT's `occopt` by the name of the smearing."""

READS_INPUT = ("m_chkinp", "m_invars", "m_ingeo", "m_inkpts", "m_intagm", "m_parser", "m_psp")
"""Beginnings of the names of ABINIT's source files that judge input and pseudopotentials."""

ATOM_WIDTH = 0.005
"""Width (Hartree) of the Gaussian smearing of isolated atoms, whose degenerate orbitals would not
converge with fixed occupations. The energies of isolated atoms are references only."""


class AbinitSettings(Record):
    """A level of theory of ABINIT. Energies in Hartree, as ABINIT has them."""

    ecut: float = Field(gt=0, description="plane-wave cutoff (Hartree)")
    kpoints: KPoints = Field(description="k-points of periodic cells")
    pseudopotentials: dict[str, str] = Field(
        min_length=1,
        description="per element a file in the project's pseudopotentials/ that ABINIT reads and "
        "aldata too (UPF, .gth), or gth-pbe, gth-pade for the analytic ones",
    )
    xc: Literal["pbe", "lda"] = Field(default="pbe", description="functional")
    smearing: Literal["gaussian", "mp", "mv", "fd"] | None = Field(
        default=None, description="for metals; null: fixed occupations"
    )
    tsmear: float | None = Field(default=None, gt=0, description="width of it (Hartree)")
    toldfe: float = Field(
        default=1e-9,
        gt=0,
        le=1e-4,
        description="SCF tolerance of the energy, twice in a row (Hartree)",
    )
    nstep: int = Field(default=100, ge=1, description="SCF steps before a call counts as failed")
    diemac: float = Field(
        default=12.0, gt=0, description="dielectric constant that preconditions the SCF"
    )
    box: float = Field(
        default=12.0, gt=0, description="edge of the cube around molecules and isolated atoms (A)"
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.smearing is None) != (self.tsmear is None):
            raise ValueError("smearing and tsmear go together")
        return self


class Abinit(ProcessOracle):
    """Energy, forces and stress by ABINIT; a fresh folder and density for every call."""

    SETTINGS: ClassVar[type[Record]] = AbinitSettings
    NAME = "abinit"
    PROGRAMS = ("abinit",)
    INSTALL = "apt-get install abinit, or conda install -c conda-forge abinit"
    INPUT = "abinit.abi"
    OUTPUT = "abinit.log"
    TOLERANCE = ("toldfe", 1e-12)

    settings: AbinitSettings

    def theory(self) -> dict[str, Any]:
        """Functional, cutoff, explicit k-points, smearing, tolerances, hash of every file."""
        s = self.settings
        return {
            "code": "abinit",
            "method": "Kohn-Sham, plane waves",
            "xc": s.xc,
            "cutoff_hartree": s.ecut,
            "kpoints": [list(point) for point in s.kpoints.explicit()],
            "pseudopotentials": {k: p.record for k, p in sorted(self.files.items())},
            "smearing": s.smearing,
            "width_hartree": s.tsmear,
            "toldfe_hartree": s.toldfe,
            "max_steps": s.nstep,
            "diemac": s.diemac,
            "symmetry": "time reversal only",
            "energy": "free energy, which the forces belong to",
            "molecules": {"box_angstrom": s.box, "kpoints": "Gamma"},
            "isolated_atoms": {} if s.smearing else {"gaussian_hartree": ATOM_WIDTH},
        }

    def restarted(self) -> Self:
        """With another preconditioner: the SCF goes another way."""
        return self.with_settings(diemac=4.0 if self.settings.diemac > 4.0 else 12.0)

    def version(self) -> str:
        """Version that ABINIT prints. Raises OracleUnavailable."""
        command = self.command()
        found = re.search(r"(\d+\.\d+[\w.]*)", banner(command, "--version"))
        if found is None:
            raise OracleUnavailable(
                "does not say its version", where=command, next_step=f"or: {self.INSTALL}"
            )
        return f"abinit {found[1]}"

    def answer_of(self, ended: Ended, directory: Path, configuration: Configuration) -> Answer:
        """From `abinit.abo`, which ABINIT writes beside its log."""
        output = directory / "abinit.abo"
        text = output.read_text(errors="replace") if output.exists() else ""
        return answer_of(ended, text, configuration, self.settings)

    def input_text(self, configuration: Configuration) -> str:
        """Cell and positions in Bohr with all digits, k-points as a list."""
        s = self.settings
        names = cells.symbols(configuration.numbers)
        species = list(dict.fromkeys(names))
        files = [self.files[e] for e in species]
        points = cells.kpoints_of(configuration, s.kpoints).explicit()
        kinds = [str(species.index(name) + 1) for name in names]
        numbers = {n: int(z) for n, z in zip(names, configuration.numbers, strict=True)}
        lines = [
            f"ntypat {len(species)}",
            f"znucl {' '.join(str(numbers[e]) for e in species)}",
            'pp_dirpath "scratch"',
            f'pseudos "{", ".join(f.name for f in files)}"',
            f"natom {len(names)}",
            f"typat {' '.join(kinds)}",
            f"ecut {s.ecut!r}",
            f"ixc {11 if s.xc == 'pbe' else 1}",
            f"toldfe {s.toldfe!r}",
            f"nstep {s.nstep}",
            f"diemac {s.diemac!r}",
            f"cellcharge {configuration.charge}" if configuration.charge else "# neutral",
            "nsym 1",
            "chksymbreak 0",
            "chkprim 0",
            f"optstress {int(configuration.pbc.all())}",
            "prtwf 0 prtden 0 prteig 0 prtebands 0 prtgsr 0 timopt 0 prtvol 0",
            'outdata_prefix "scratch/o" tmpdata_prefix "scratch/t"',
            *self._occupations(configuration, names),
            "acell 3*1.0",
            "rprim",
            *map(_row, cells.cell_of(configuration, s.box) / ANGSTROM_PER_BOHR),
            "xcart",
            *map(_row, configuration.positions / ANGSTROM_PER_BOHR),
            f"kptopt 0 nkpt {len(points)}",
            "kpt",
            *(_row(point[:3]) for point in points),
            "wtk " + " ".join(f"{point[3]:.14f}" for point in points),
        ]
        return "\n".join(lines) + "\n"

    def _occupations(self, configuration: Configuration, names: list[str]) -> list[str]:
        """Spin, smearing, and enough bands for it."""
        s = self.settings
        atom = len(configuration) == 1 and not configuration.pbc.any()
        lines = ["nsppol 1"]
        if configuration.spin:
            lines = ["nsppol 2", f"spinmagntarget {float(configuration.spin)}"]
        if s.smearing is None and not atom and not configuration.spin:
            return [*lines, "occopt 1"]
        kind = SMEARINGS[s.smearing or "gaussian"]
        width = s.tsmear or ATOM_WIDTH
        electrons = sum(self.files[name].valence for name in names) - configuration.charge
        bands = int(np.ceil((electrons + configuration.spin) / 2 * 1.2)) + 4
        return [*lines, f"occopt {kind}", f"tsmear {width!r}", f"nband {bands}"]


def _row(numbers: Any) -> str:
    return " ".join(f"{x:.14f}" for x in numbers)


def answer_of(ended: Ended, text: str, configuration: Configuration, s: AbinitSettings) -> Answer:
    """The answer with its proof. Raises OracleFailure for anything less than a converged SCF.

    Proof: ABINIT ended well, calls the calculation completed, says by which tolerance the SCF
    converged, and nowhere that its cycles were not enough (it ends well then, too).
    """
    said = ended.everything + text
    if "not enough SCF cycles" in said or "was not enough" in said:
        raise OracleFailure("not_converged", f"SCF not converged in {s.nstep} steps")
    if ended.exit_code != 0 or "Calculation completed" not in text:
        raise _failure(ended)
    found = re.search(r"At SCF step\s+(\d+).*?(?:converged|=> converged)", text, re.DOTALL)
    if found is None or "etot is converged" not in text:
        raise OracleFailure("not_converged", "ABINIT does not say that the SCF converged")
    _, _, final = text.rpartition("-outvars: echo values of variables after computation")
    energy = _values(final, "etotal", 1)[0] * EV_PER_HARTREE
    forces = _values(final, "fcart", 3 * len(configuration)).reshape(-1, 3)
    stress = None
    if configuration.pbc.all():  # ABINIT's sign is that of tension; its order is Voigt's
        stress = _values(final, "strten", 6) * EV_PER_HARTREE / ANGSTROM_PER_BOHR**3
    warnings = re.findall(r"--- !WARNING.*?message: \|\s*\n\s*(.+?)\n", ended.output, re.DOTALL)
    return Answer(
        energy=float(energy),
        forces=forces * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
        stress=stress,
        converged=True,
        proof={
            "by": "exit code 0, Calculation completed, 'etot is converged', enough SCF cycles",
            "toldfe_hartree": s.toldfe,
        },
        scf_steps=int(found[1]),
        warnings=list(dict.fromkeys(warnings)),
    )


def _failure(ended: Ended) -> OracleFailure:
    """By the first error: the files of ABINIT that read and check the input refuse it."""
    found = re.search(
        r"--- !(?:ERROR|BUG).*?src_file: (\S+).*?message: \|\s*\n\s*(.+?)\n",
        ended.everything,
        re.DOTALL,
    )
    if found is None:
        return OracleFailure("crashed", f"abinit: exit code {ended.exit_code}")
    refused = found[1].startswith(READS_INPUT)
    return OracleFailure("refused_input" if refused else "crashed", f"abinit: {found[2].strip()}")


def _values(text: str, name: str, count: int) -> Any:
    """`count` numbers after a name in ABINIT's echo of its results."""
    found = re.search(rf"^\s*{name}1?\s+((?:[-+.\dEeDd*]+\s+)+)", text, re.MULTILINE)
    words = found[1].split()[:count] if found else []
    if len(words) != count:
        raise OracleFailure("crashed", f"abinit printed {len(words)} of {count} numbers of {name}")
    return np.array([np.nan if "*" in w else float(w.replace("D", "E")) for w in words])
