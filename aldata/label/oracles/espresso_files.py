"""Input and output of pw.x.

ASE writes k-points as a grid only, reads with the constants of 2006, and fails in many ways on an
incomplete output: both sides are here, a page each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aldata.artifacts.frames import Configuration
from aldata.label.oracles import cells
from aldata.label.oracles.programs import Ended
from aldata.label.oracles.protocol import Answer, OracleFailure
from aldata.label.oracles.pseudopotentials import Pseudopotential
from aldata.units import ANGSTROM_PER_BOHR, EV_PER_HARTREE

if TYPE_CHECKING:
    from aldata.label.oracles.espresso import EspressoSettings

INPUT = "espresso.pwi"
OUTPUT = "espresso.pwo"
EV_PER_RYDBERG = EV_PER_HARTREE / 2

ATOM: dict[str, Any] = {"smearing": "gaussian", "degauss": 0.01, "mixing_beta": 0.3}
"""How an isolated atom is computed where occupations are fixed: its degenerate orbitals would not
converge. The energies of isolated atoms are references only."""

REFUSED = (
    *("charge is wrong", "overlap", "card_atomic_positions", "readpp", "read_pseudo", "read_upf"),
    *(
        "read_namelists",
        "reading namelist",
        "not enough bands",
        "wrong number of",
        "bad occupations",
    ),
    *("wrong atomic positions", "card_", "input parameters", "set_cutoff", "smearing is needed"),
)
"""Parts of the messages with which pw.x refuses an input."""

BREAKDOWNS = ("cdiaghg", "rdiaghg", "c_bands", "cholesky", "eigenvectors failed", "eigenvalues")
"""Parts of the messages with which pw.x gives up its diagonalisation: the SCF does not converge."""


def input_text(
    s: EspressoSettings, configuration: Configuration, files: Mapping[str, Pseudopotential]
) -> str:
    """The input: positions and cell in Angstrom with all digits, k-points as a list."""
    names = cells.symbols(configuration.numbers)
    species = list(dict.fromkeys(names))
    sections = _sections(s, configuration, species)
    lines = []
    for section, content in sections.items():
        merged = {**content, **s.extra.get(section, {})}  # type: ignore[call-overload]
        lines += [
            f"&{section.upper()}",
            *(f"  {k} = {_fortran(v)}" for k, v in merged.items()),
            "/",
        ]
    lines += ["ATOMIC_SPECIES", *(f"{e} {_mass(e):.6f} {files[e].name}" for e in species)]
    lines += ["CELL_PARAMETERS angstrom", *map(_row, cells.cell_of(configuration, s.box))]
    lines += ["ATOMIC_POSITIONS angstrom"]
    lines += [f"{n} {_row(r)}" for n, r in zip(names, configuration.positions, strict=True)]
    points = cells.kpoints_of(configuration, s.kpoints).explicit()
    lines += ["K_POINTS crystal", str(len(points)), *map(_row, points)]
    return "\n".join(lines) + "\n"


def _sections(
    s: EspressoSettings, configuration: Configuration, species: list[str]
) -> dict[str, dict[str, Any]]:
    system: dict[str, Any] = {
        "ibrav": 0,
        "nat": len(configuration),
        "ntyp": len(species),
        "ecutwfc": s.ecutwfc,
        "ecutrho": s.ecutrho,
        "input_dft": s.input_dft,
        "occupations": s.occupations,
        "tot_charge": float(configuration.charge),
        "nosym": True,  # with a list of k-points: the list is used as it is
    }
    if s.occupations == "smearing":
        system |= {"smearing": s.smearing, "degauss": s.degauss}
    if s.magnetization == "free" and configuration.pbc.all():
        moments = {e: s.starting_magnetization.get(e, 0.0) for e in species}
        system |= {"nspin": 2}
        system |= {f"starting_magnetization({i})": m for i, m in enumerate(moments.values(), 1)}
    elif configuration.spin:
        system |= {"nspin": 2, "tot_magnetization": float(configuration.spin)}
    control = {
        "calculation": "scf",
        "prefix": "aldata",
        "outdir": "./scratch",
        "pseudo_dir": "./scratch",
        "disk_io": "none",
        "tprnfor": True,
        "tstress": bool(configuration.pbc.all()),
    }
    electrons: dict[str, Any] = {
        "conv_thr": s.conv_thr,
        "electron_maxstep": s.electron_maxstep,
        "mixing_beta": s.mixing_beta,
        "mixing_mode": s.mixing_mode,
        "diagonalization": s.diagonalization,
        "scf_must_converge": True,
    }
    if len(configuration) == 1 and not configuration.pbc.any() and s.occupations == "fixed":
        system |= {"occupations": "smearing", **{k: ATOM[k] for k in ("smearing", "degauss")}}
        electrons["mixing_beta"] = ATOM["mixing_beta"]
    return {"control": control, "system": system, "electrons": electrons}


def _fortran(value: Any) -> str:
    if isinstance(value, bool):
        return ".true." if value else ".false."
    return f"'{value}'" if isinstance(value, str) else repr(value).replace("e", "d")


def _mass(symbol: str) -> float:
    from ase.data import atomic_masses, atomic_numbers

    return float(atomic_masses[atomic_numbers[symbol]])


def _row(numbers: Any) -> str:
    return " ".join(f"{x:.14f}" for x in numbers)


def answer_of(ended: Ended, configuration: Configuration, tolerance: float) -> Answer:
    """The answer with its proof. Raises OracleFailure for anything less than a converged SCF.

    Proof: pw.x ended well and says so, and its last estimate of its error is within `conv_thr`
    (`tolerance`, Ry): its own sentence about convergence is printed for unconverged SCFs as well.
    """
    text = ended.output
    if ended.exit_code != 0 or "JOB DONE" not in text or "NOT achieved" in text:
        raise _failure(ended)
    accuracies = re.findall(r"estimated scf accuracy\s+<\s+(\S+)\s+Ry", text)
    reached = float(accuracies[-1].replace("D", "E")) if accuracies else float("inf")
    if reached > tolerance:
        raise OracleFailure(
            "not_converged", f"estimated error of {reached:.2g} Ry, conv_thr is {tolerance:.2g} Ry"
        )
    energies = re.findall(r"^!\s+total energy\s+=\s+(\S+)\s+Ry", text, re.MULTILINE)
    if not energies:
        raise OracleFailure("crashed", "pw.x ended well and printed no energy")
    return Answer(
        energy=_number(energies[-1]) * EV_PER_RYDBERG,
        forces=_forces(text, len(configuration)) * EV_PER_RYDBERG / ANGSTROM_PER_BOHR,
        stress=_stress(text) if configuration.pbc.all() else None,
        converged=True,
        proof={
            "by": "exit code 0, JOB DONE, estimated scf accuracy <= conv_thr",
            "accuracy_rydberg": reached,
            "conv_thr_rydberg": tolerance,
        },
        scf_steps=len(accuracies),
        warnings=_warnings(text),
    )


def _failure(ended: Ended) -> OracleFailure:
    text = ended.everything
    if "convergence NOT achieved" in text:
        steps = re.search(r"convergence NOT achieved after\s+(\d+)", text)
        count = steps[1] if steps else "all"
        return OracleFailure("not_converged", f"SCF not converged in {count} steps")
    if "Maximum CPU time exceeded" in text:
        return OracleFailure("time_limit", "pw.x reached its own time limit")
    found = re.search(r"Error in routine\s+(.+?)\s*:?\s*\n\s*(.+?)\s*\n", text)
    said = f"{found[1]}: {found[2]}" if found else ""
    if not said and "parameter number" in text:  # LAPACK refuses a matrix without columns
        return OracleFailure("refused_input", "pw.x cannot set up this number of electrons")
    if any(part in said for part in BREAKDOWNS):
        return OracleFailure("not_converged", f"the diagonalisation broke down: {said}")
    if any(part in said for part in REFUSED):
        return OracleFailure("refused_input", said)
    ending = "did not say JOB DONE" if ended.exit_code == 0 else f"exit code {ended.exit_code}"
    return OracleFailure("crashed", f"pw.x: {ending}{': ' + said if said else ''}")


def _forces(text: str, atoms: int) -> npt.NDArray[np.float64]:
    """Forces (n, 3) in Ry/Bohr: the first list after its heading (contributions may follow)."""
    _, _, after = text.partition("Forces acting on atoms")
    rows = re.findall(r"atom\s+\d+\s+type\s+\d+\s+force\s+=(.{3,})", after)[:atoms]
    if len(rows) != atoms:
        raise OracleFailure("crashed", f"pw.x printed {len(rows)} forces for {atoms} atoms")
    return np.array([_numbers(row) for row in rows], dtype=np.float64).reshape(-1, 3)


def _stress(text: str) -> npt.NDArray[np.float64]:
    """Voigt stress (eV/A^3), tension positive; pw.x prints the opposite sign, in Ry/Bohr^3."""
    _, _, after = text.partition("total   stress")
    rows = [_numbers(line)[:3] for line in after.split("\n")[1:4]]
    if len(rows) != 3 or any(len(row) != 3 for row in rows):
        raise OracleFailure("crashed", "pw.x printed no stress")
    tensor = -np.array(rows) * EV_PER_RYDBERG / ANGSTROM_PER_BOHR**3
    return tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def _number(text: str) -> float:
    """A printed number; stars where it did not fit are not a number."""
    return float("nan") if "*" in text else float(text)


def _numbers(line: str) -> list[float]:
    """Numbers of fixed width that may touch."""
    return [_number(part) for part in re.findall(r"-?\d+\.\d+|\*+", line)]


def _warnings(text: str) -> list[str]:
    found = re.findall(r"^\s*((?:Message from routine|Warning:|WARNING:).*)$", text, re.MULTILINE)
    return list(dict.fromkeys(line.strip() for line in found))
