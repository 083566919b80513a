"""Pseudopotentials: files with their hashes, or the analytic ones of Goedecker, Teter and Hutter.

Goedecker, Teter, Hutter, Phys. Rev. B 54, 1703 (1996); Krack, Theor. Chem. Acc. 114, 145 (2005).
The parameters of the latter are in PySCF's tables; written as a file of a few lines, Quantum
ESPRESSO and ABINIT read them, so that nothing has to be downloaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aldata import digest
from aldata.errors import OracleUnavailable
from aldata.label.oracles.place import Place

GTH = re.compile(r"gth-(pbe|pade|lda|blyp|pbesol|bp|olyp)(-q\d+)?", re.IGNORECASE)
"""Names in place of a file: a functional, and the number of valence electrons where there are several."""

_ABINIT_XC = {"pbe": 11, "pade": 1, "lda": 1}


@dataclass(frozen=True)
class Pseudopotential:
    """One element's: name of the file, its text, valence electrons, functional it was made for."""

    name: str
    content: bytes
    valence: float
    functional: str | None

    @property
    def record(self) -> dict[str, Any]:
        """What a level of theory says of it."""
        return {"file": self.name, "sha256": digest.of_bytes(self.content)}


def is_gth(source: str) -> bool:
    """Whether a name stands for an analytic pseudopotential rather than a file of another kind."""
    return bool(GTH.fullmatch(source)) or source.lower().endswith(".gth")


def load(symbol: str, source: str, place: Place) -> Pseudopotential:
    """The pseudopotential of an element from a file or a GTH name. Raises OracleUnavailable."""
    if GTH.fullmatch(source):
        return _goedecker(symbol, source.lower())
    content = place.pseudopotential(source).read_bytes()
    head = content[:200_000].decode(errors="replace")
    if Path(source).suffix.lower() == ".gth":
        return Pseudopotential(source, content, float(head.split("\n")[1].split()[1]), None)
    _refuse_another_element(symbol, source, head)
    return Pseudopotential(source, content, _upf_valence(source, head), _upf_functional(head))


def _refuse_another_element(symbol: str, source: str, head: str) -> None:
    found = re.search(r'element\s*=\s*"\s*([A-Za-z]+)\s*"', head) or re.search(
        r"^\s*([A-Za-z]{1,2})\s+Element", head, re.MULTILINE
    )
    if found and found[1].capitalize() != symbol:
        raise OracleUnavailable(
            f"the pseudopotential named for {symbol} is of {found[1]}",
            where=f"oracle.settings.pseudopotentials: {source}",
        )


def _upf_valence(source: str, head: str) -> float:
    found = re.search(r'z_valence\s*=\s*"\s*([-+.\dEeDd]+)\s*"', head) or re.search(
        r"^\s*([-+.\dEeDd]+)\s+Z valence", head, re.MULTILINE
    )
    if found is None:
        raise OracleUnavailable(
            "is not a UPF file: it does not say its number of valence electrons",
            where=source,
            expected="a pseudopotential in the UPF format, or a name such as gth-pbe",
        )
    return float(found[1].replace("D", "E").replace("d", "e"))


def _upf_functional(head: str) -> str | None:
    found = re.search(r'functional\s*=\s*"\s*([^"]+?)\s*"', head) or re.search(
        r"^\s*(\S.*?)\s+Exchange-Corr", head, re.MULTILINE
    )
    return None if found is None else " ".join(found[1].upper().split())


def _goedecker(symbol: str, name: str) -> Pseudopotential:
    """From PySCF's tables, in the format `pspcod` 10 of ABINIT."""
    from ase.data import atomic_numbers
    from pyscf.pbc.gto import pseudo

    try:
        occupations, r_local, n_local, coefficients, n_channels, *channels = pseudo.load(
            name, symbol
        )
    except (KeyError, RuntimeError) as problem:
        raise OracleUnavailable(
            f"there is no pseudopotential {name} for {symbol}",
            where="oracle.settings.pseudopotentials",
            next_step="put a file into the project's pseudopotentials/ and name it",
        ) from problem
    valence = sum(occupations)
    functional = name.split("-")[1]
    xc = _ABINIT_XC.get(functional, 11)
    lines = [
        f"Goedecker pseudopotential for {symbol} ({name.upper()}, {valence} valence electrons)",
        f"{atomic_numbers[symbol]} {valence} 70601 zatom,zion,pspdat",
        f"10 {xc} {max(n_channels - 1, 0)} 0 2001 0 pspcod,pspxc,lmax,lloc,mmax,r2well",
        " ".join(f"{x:.8f}" if i != 1 else str(x) for i, x in enumerate([r_local, n_local]))
        + "".join(f" {c:.8f}" for c in coefficients),
        str(n_channels),
    ]
    for momentum, (radius, projectors, matrix) in enumerate(channels):
        lines += _channel(momentum, radius, projectors, matrix)
    label = "PBE" if functional == "pbe" else "PZ" if functional in ("pade", "lda") else None
    text = "\n".join(lines) + "\n"
    return Pseudopotential(f"{symbol}.{name}.gth", text.encode(), float(valence), label)


def _channel(momentum: int, radius: float, projectors: int, matrix: list[list[float]]) -> list[str]:
    """The upper triangle of one channel's matrix; for l > 0 that of spin-orbit coupling, zero."""
    rows = [" ".join(f"{x:.8f}" for x in matrix[i][i:]) for i in range(projectors)]
    lines = [f"{radius:.8f} {projectors} {rows[0] if rows else ''}".rstrip()]
    lines += [f" {row}" for row in rows[1:]]
    if momentum > 0:
        lines += [" " + " ".join(["0.0"] * (projectors - i)) for i in range(projectors)]
    return lines
