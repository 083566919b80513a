"""The border: from a file's units, stress sign and component order to aldata's, and nowhere else."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import field_validator

from aldata import units
from aldata.records import Record

Float = npt.NDArray[np.float64]

PLACES = {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "yz": (1, 2), "xz": (0, 2), "xy": (0, 1)}
"""Where each component of `units.VOIGT_ORDER` stands in the 3 x 3 tensor."""


class Conventions(Record):
    """What the numbers of a file mean; None where nobody has said it.

    length, energy, force and stress are units as `units.factor` reads them; a stress in a unit of
    energy is a virial, divided by the volume here. stress_sign: `tension` when a stretched crystal
    has a positive stress (dE/dstrain / volume, as in ASE), `compression` when a compressed one has (VASP,
    virials -dE/dstrain). voigt: the order of six components, such as "xx yy zz xy yz zx". spin:
    `unpaired` electrons or the `multiplicity`, one more.
    """

    length: str | None = None
    energy: str | None = None
    force: str | None = None
    stress: str | None = None
    stress_sign: Literal["tension", "compression"] | None = None
    voigt: str | None = None
    spin: Literal["unpaired", "multiplicity"] | None = None

    @field_validator("length", "energy", "force", "stress")
    @classmethod
    def _is_known(cls, text: str | None, info: Any) -> str | None:
        if text is not None:
            units.factor(info.field_name, text)
        return text

    @field_validator("voigt")
    @classmethod
    def _is_an_order(cls, text: str | None) -> str | None:
        if text is not None:
            components(text)
        return text

    def merged(self, other: Self) -> Self:
        """These conventions, completed by `other` where they say nothing."""
        stated = {k: v for k, v in self.content().items() if v is not None}
        return type(self).model_validate(other.content() | stated)

    def contradictions(self, other: Self) -> list[str]:
        """What both say, and say differently."""
        mine, theirs = self.content(), other.content()
        return [
            f"{name} is {mine[name]} by the file and {theirs[name]} by you"
            for name in mine
            if mine[name] and theirs[name] and not _same(name, mine[name], theirs[name])
        ]

    def lengths(self, values: Any) -> Float:
        """Positions or cell vectors in Angstrom."""
        return _scaled(values, units.factor("length", self.length or "angstrom"))

    def energies(self, value: Any) -> float:
        """An energy in eV."""
        return float(_scaled(value, units.factor("energy", self.energy or "")))

    def forces(self, values: Any) -> Float:
        """Forces in eV/A."""
        return _scaled(values, units.factor("force", self.force or ""))

    def stresses(self, values: Any, cell: Float) -> Float:
        """Six components in eV/A^3, tension positive, in the order of `units.VOIGT_ORDER`.

        values: six in the order `voigt`, or nine of a symmetric tensor. cell (3, 3) in Angstrom:
        virials are divided by its volume.
        """
        unit = self.stress or ""
        voigt = _scaled(self._ordered(np.asarray(values, np.float64)), units.factor("stress", unit))
        if units.is_virial(unit):
            voigt = voigt / abs(float(np.linalg.det(cell)))
        return -voigt if self.stress_sign == "compression" else voigt

    def _ordered(self, values: Float) -> Float:
        if values.size == 9:
            tensor = values.reshape(3, 3)
            return np.array([tensor[PLACES[name]] for name in units.VOIGT_ORDER])
        given = components(self.voigt or "")
        return np.array([values[given.index(name)] for name in units.VOIGT_ORDER])

    def unpaired(self, value: int) -> int:
        """The number of unpaired electrons."""
        return value - 1 if self.spin == "multiplicity" else value


def components(text: str) -> list[str]:
    """The six components that an order names, `zx` as `xz`. Raises ValueError."""
    found = ["".join(sorted(name)) for name in text.lower().replace(",", " ").split()]
    if sorted(found) != sorted(PLACES):
        raise ValueError(f"'{text}' is not an order of xx yy zz yz xz xy")
    return found


def tensor(voigt: Float) -> Float:
    """Six components in aldata's order as a symmetric 3 x 3 tensor."""
    full = np.empty((3, 3))
    for value, name in zip(voigt, units.VOIGT_ORDER, strict=True):
        row, column = PLACES[name]
        full[row, column] = full[column, row] = value
    return full


def _scaled(values: Any, factor: float) -> Float:
    found = np.array(values, dtype=np.float64)
    return found if factor == 1.0 else found * factor


def _same(name: str, one: str, other: str) -> bool:
    if name in {"length", "energy", "force", "stress"}:
        same_kind = units.is_virial(one) == units.is_virial(other) or name != "stress"
        return same_kind and units.factor(name, one) == units.factor(name, other)
    return components(one) == components(other) if name == "voigt" else one == other


OWN = Conventions(
    length="angstrom",
    energy="eV",
    force="eV/angstrom",
    stress="eV/angstrom^3",
    stress_sign="tension",
    voigt=" ".join(units.VOIGT_ORDER),
    spin="unpaired",
)
"""What aldata stores and writes."""

PRESETS = {
    "ase": OWN.model_copy(update={"spin": None}),
    "vasp": Conventions(
        length="angstrom",
        energy="eV",
        force="eV/angstrom",
        stress="kB",
        stress_sign="compression",
        voigt="xx yy zz xy yz zx",
    ),
    "atomic": Conventions(length="bohr", energy="Hartree", force="Hartree/bohr"),
}
"""Conventions by the name of who has them: ASE, the OUTCAR of VASP, atomic units."""
