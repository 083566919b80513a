"""Input, data files and output of CP2K."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aldata import digest
from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles import cells
from aldata.label.oracles.programs import Ended
from aldata.label.oracles.protocol import Answer, OracleFailure
from aldata.units import (
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
    PRESSURES,
)

if TYPE_CHECKING:
    from aldata.label.oracles.cp2k import Cp2kSettings

BASIS = "BASIS"
POTENTIALS = "POTENTIALS"
FUNCTIONALS = {"pbe": "PBE", "lda": "PADE", "blyp": "BLYP", "bp": "BP"}

ATOM: dict[str, Any] = {"fermi_dirac_kelvin": 600.0, "eps_scf": 1e-5, "mixing": "direct, DIIS"}
"""How an isolated atom is computed where occupations are fixed: the density of degenerate orbitals
drifts, by diagonalisation as by orbital transformation, while the energy does not change any more
(oxygen: 2e-12 Hartree per step). The energies of isolated atoms are references only."""

STEP = r"^\s*\d+ \S.*\s(\d+\.\d{4,}(?:E[-+]\d+)?)\s+-?\d+\.\d{6,}\s+[-+]?\d\.\d+E[-+]\d+\s*$"
"""A line of CP2K's table of SCF steps; the group is the change of the density."""


READS_INPUT = ("input", "fist_neighbor", "topology", "basis_set", "potential_types", "qs_kind")
"""Parts of the names of CP2K's source files that judge input, geometry and data files."""

BREAKDOWNS = ("cholesky", "diag")
"""Parts of the names of those that break down when an SCF runs away."""

BOX_ART = 12
"""Columns of the box that are a drawing."""


@dataclass(frozen=True)
class Block:
    """One element's basis set or pseudopotential, cut out of a file that holds many.

    `text` begins with the element and the name that was asked for, without aliases and comments:
    its hash is that of the numbers, whatever else the file holds.
    """

    file: str
    name: str
    text: str

    @property
    def record(self) -> dict[str, Any]:
        """What a level of theory says of it."""
        return {
            "file": f"{self.file}: {self.name}",
            "sha256": digest.of_bytes(self.text.encode()),
        }

    @property
    def valence(self) -> float:
        """Of a pseudopotential: electrons per shell stand in its first line."""
        return float(sum(int(word) for word in self.text.split("\n")[1].split()))


def blocks(path: Path, names: Mapping[str, str]) -> dict[str, Block]:
    """The named block of every element. Raises OracleUnavailable, naming all that are not there."""
    found, missing = {}, []
    text = path.read_text(errors="replace")
    for element, name in names.items():
        block = _block(text, element, name)
        if block is None:
            missing.append(f"{element} {name}")
        else:
            found[element] = Block(path.name, name, block)
    if missing:
        known = ", ".join(_names(text, missing[0].split()[0])[:12]) or "none"
        raise OracleUnavailable(
            f"does not hold {', '.join(missing)}",
            where=str(path),
            expected=f"one of those for {missing[0].split()[0]}: {known}",
            next_step="correct the name in oracle.settings, or name another file",
        )
    return found


def _block(text: str, element: str, name: str) -> str | None:
    lines: list[str] | None = None
    for line in _lines(text):
        words = line.split()
        if words[0][0].isalpha():
            if lines is not None:
                break
            if words[0] == element and name in words[1:]:
                lines = [f"{element} {name}"]
        elif lines is not None:
            lines.append(" ".join(words))
    return None if lines is None else "\n".join(lines) + "\n"


def _names(text: str, element: str) -> list[str]:
    return [line.split()[1] for line in _lines(text) if line.split()[0] == element]


def _lines(text: str) -> list[str]:
    """Lines without comments."""
    stripped = (re.split("[#!]", line, maxsplit=1)[0].strip() for line in text.split("\n"))
    return [line for line in stripped if line]


def joined(found: Mapping[str, Block]) -> bytes:
    """A file with these blocks."""
    return "".join(block.text for block in found.values()).encode()


def input_text(s: Cp2kSettings, configuration: Configuration) -> str:
    """The input: positions and cell in Angstrom with all digits, k-points as a list."""
    names = cells.symbols(configuration.numbers)
    cell, periodic = cells.cell_of(configuration, s.box), bool(configuration.pbc.all())
    coordinates = [f"{n} {_row(r)}" for n, r in zip(names, configuration.positions, strict=True)]
    kinds = {
        f"KIND {e}": {"BASIS_SET": s.basis[e], "POTENTIAL": s.potentials[e]}
        for e in dict.fromkeys(names)
    }
    sections = {
        "GLOBAL": {"PROJECT": "aldata", "RUN_TYPE": "ENERGY_FORCE", "PRINT_LEVEL": "LOW"},
        "FORCE_EVAL": {
            "METHOD": "QUICKSTEP",
            **({"STRESS_TENSOR": "ANALYTICAL"} if periodic else {}),
            "PRINT": {"FORCES": {"NDIGITS": 12}, **({"STRESS_TENSOR": {}} if periodic else {})},
            "DFT": _dft(s, configuration),
            "SUBSYS": {
                "CELL": {**dict(zip("ABC", map(_row, cell), strict=True)), "PERIODIC": "XYZ"},
                "COORD": {"": coordinates},
                **kinds,
            },
        },
    }
    return "\n".join(_text(sections)) + "\n"


def _dft(s: Cp2kSettings, configuration: Configuration) -> dict[str, Any]:
    section: dict[str, Any] = {
        "BASIS_SET_FILE_NAME": f"scratch/{BASIS}",
        "POTENTIAL_FILE_NAME": f"scratch/{POTENTIALS}",
        "CHARGE": configuration.charge,
        "MULTIPLICITY": configuration.spin + 1,
        "MGRID": {"CUTOFF": s.cutoff, "REL_CUTOFF": s.rel_cutoff, "NGRIDS": 4},
        "QS": {"EPS_DEFAULT": s.eps_default},
        "XC": {f"XC_FUNCTIONAL {FUNCTIONALS[s.xc]}": {}},
        "SCF": _scf(s, configuration),
    }
    if configuration.spin:
        section["UKS"] = True
    points = cells.kpoints_of(configuration, s.kpoints).explicit()
    if [point[:3] for point in points] != [(0.0, 0.0, 0.0)]:
        section["KPOINTS"] = {
            "SCHEME": "GENERAL",
            "UNITS": "B_VECTOR",
            "SYMMETRY": False,
            "FULL_GRID": True,
            "KPOINT": [_row(point) for point in points],
        }
    return section


def is_free_atom(s: Cp2kSettings, configuration: Configuration) -> bool:
    """Whether this is an isolated atom that is computed as `ATOM` says."""
    return s.smearing is None and len(configuration) == 1 and not configuration.pbc.any()


def tolerance_of(s: Cp2kSettings, configuration: Configuration) -> float:
    """The SCF tolerance that holds for this configuration."""
    return max(s.eps_scf, ATOM["eps_scf"]) if is_free_atom(s, configuration) else s.eps_scf


def _scf(s: Cp2kSettings, configuration: Configuration) -> dict[str, Any]:
    atom = is_free_atom(s, configuration)
    mixing: dict[str, Any] = {"METHOD": "BROYDEN_MIXING", "ALPHA": s.mixing_alpha, "NBROYDEN": 8}
    section: dict[str, Any] = {
        "SCF_GUESS": "ATOMIC",
        "EPS_SCF": tolerance_of(s, configuration),
        "MAX_SCF": s.max_scf,
        "PRINT": {"RESTART OFF": {}, "RESTART_HISTORY OFF": {}},
        "DIAGONALIZATION": {},
        "MIXING": {"METHOD": "DIRECT_P_MIXING", "ALPHA": 0.3} if atom else mixing,
    }
    if s.smearing is None and not atom:
        return section
    smear: dict[str, Any] = {
        "METHOD": "FERMI_DIRAC",
        "ELECTRONIC_TEMPERATURE [K]": s.electronic_temperature or ATOM["fermi_dirac_kelvin"],
    }
    if configuration.spin:
        smear["FIXED_MAGNETIC_MOMENT"] = configuration.spin
    more = 4 + 4 * len(configuration)
    return section | {"ADDED_MOS": f"{more} {more}" if configuration.spin else more, "SMEAR": smear}


def _text(sections: Mapping[str, Any], depth: int = 0) -> list[str]:
    """Sections, keywords and lists of the same keyword, as CP2K reads them."""
    lines, indent = [], "  " * depth
    for name, value in sections.items():
        if isinstance(value, Mapping):
            inner = _text(value, depth + 1)
            lines += [f"{indent}&{name}", *inner, f"{indent}&END {name.split()[0]}"]
        else:
            each = value if isinstance(value, list) else [value]
            lines += [f"{indent}{name} {_word(item)}".rstrip() for item in each]
    return lines


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return value if isinstance(value, str) else repr(value)


def _row(numbers: Any) -> str:
    return " ".join(f"{x:.14f}" for x in numbers)


def answer_of(ended: Ended, configuration: Configuration, tolerance: float) -> Answer:
    """The answer with its proof. Raises OracleFailure for anything less than a converged SCF.

    Proof: CP2K ended well and says so, says of the SCF that it converged and nowhere that it did
    not (it goes on to forces then, too), and the last change in its table is within `eps_scf`.
    """
    text = ended.output
    if "NOT converged" in text or "FAILED to converge" in text:
        raise OracleFailure("not_converged", "SCF not converged in all of its steps")
    if ended.exit_code != 0 or "PROGRAM ENDED AT" not in text:
        raise _failure(ended)
    found = re.findall(r"SCF run converged in\s+(\d+)\s+(?:steps|iterations)", text)
    changes = re.findall(STEP, text, re.MULTILINE)
    reached = float(changes[-1]) if changes else float("inf")
    if not found or reached > tolerance:
        raise OracleFailure(
            "not_converged", f"last change of the density {reached:.2g}, eps_scf is {tolerance:.2g}"
        )
    energies = re.findall(r"ENERGY\| Total FORCE_EVAL.*?\[(\S+)\]:?\s+(\S+)", text)
    if not energies or energies[-1][0] not in ("a.u.", "hartree"):
        raise OracleFailure("crashed", "CP2K ended well and printed no energy in Hartree")
    return Answer(
        energy=float(energies[-1][1]) * EV_PER_HARTREE,
        forces=_forces(text, len(configuration)),
        stress=_stress(text) if configuration.pbc.all() else None,
        converged=True,
        proof={
            "by": "exit code 0, PROGRAM ENDED, 'SCF run converged', last change <= eps_scf",
            "change": reached,
            "eps_scf": tolerance,
        },
        scf_steps=int(found[-1]),
        warnings=_warnings(text),
    )


def _failure(ended: Ended) -> OracleFailure:
    """By the box that CP2K prints when it gives up: the message, and the source file that says it."""
    box = re.search(r"^ \* \[ABORT\].*?(\S+\.F):\d+ \*$", ended.output, re.MULTILINE | re.DOTALL)
    if box is None:
        return OracleFailure("crashed", f"CP2K: exit code {ended.exit_code}")
    lines = (line[BOX_ART:].rstrip("* ").strip() for line in box[0].split("\n")[:-1])
    said = f"CP2K: {' '.join(line for line in lines if line)}"
    if any(part in box[1] for part in BREAKDOWNS):
        return OracleFailure("not_converged", f"the diagonalisation broke down: {said}")
    refused = any(part in box[1] for part in READS_INPUT)
    return OracleFailure("refused_input" if refused else "crashed", said)


def _forces(text: str, atoms: int) -> npt.NDArray[np.float64]:
    """Forces (n, 3) in eV/A, in the order of the input; two forms of the table, by version."""
    number = r"\s+([-+.\dE*]+)"
    old = rf"^\s+\d+\s+\d+\s+[A-Z][a-z]?{3 * number}\s*$"
    new = rf"^\s*FORCES\|\s+\d+{3 * number}\s+\S+\s*$"
    table = re.search(r"ATOMIC FORCES in \[(\S+)\]|Atomic forces \[(\S+)\]", text)
    if table is None or (table[1] or table[2]) not in ("a.u.", "hartree/bohr"):
        raise OracleFailure("crashed", "CP2K printed no forces in Hartree per Bohr")
    after = text[table.end() :]
    rows = (re.findall(old, after, re.MULTILINE) or re.findall(new, after, re.MULTILINE))[:atoms]
    if len(rows) != atoms:
        raise OracleFailure("crashed", f"CP2K printed {len(rows)} forces for {atoms} atoms")
    forces = np.array([[_number(word) for word in row] for row in rows], dtype=np.float64)
    return forces.reshape(-1, 3) * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR


def _number(text: str) -> float:
    """A printed number; stars where it did not fit are not a number."""
    return float("nan") if "*" in text else float(text)


def _stress(text: str) -> npt.NDArray[np.float64]:
    """Voigt stress (eV/A^3), tension positive; CP2K prints the opposite sign, and names the unit."""
    heading = re.search(r"Analytical stress tensor \[(\w+)\]", text)
    rows = re.findall(r"STRESS\|\s+[xyz]((?:\s+[-+.\dE*]+){3})\s*$", text, re.MULTILINE)[:3]
    if heading is None or len(rows) != 3:
        raise OracleFailure("crashed", "CP2K printed no stress")
    tensor = -np.array([[_number(word) for word in row.split()] for row in rows], dtype=np.float64)
    tensor *= PRESSURES[heading[1].lower()]
    return tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def _warnings(text: str) -> list[str]:
    found = re.findall(r"\*\*\* WARNING in (.*?) \*\*\*", text)
    return list(dict.fromkeys(" ".join(line.split()) for line in found))
