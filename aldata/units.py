"""Unit conversions, at one border: everything inside aldata is eV, Angstrom, fs, K and u.

Values from CODATA 2022 (through scipy.constants at build time of the numbers below; the test
compares them with scipy again).
"""

from __future__ import annotations

EV_PER_HARTREE = 27.211386245981
"""eV in one Hartree."""
ANGSTROM_PER_BOHR = 0.529177210544
"""Angstrom in one Bohr radius."""
EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR = EV_PER_HARTREE / ANGSTROM_PER_BOHR
"""eV/Angstrom in one Hartree/Bohr (forces)."""

EV_PER_KCAL_PER_MOL = 4184.0 / 6.02214076e23 / 1.602176634e-19
"""eV in one kcal/mol (thermochemical calorie; the other two are exact in the SI)."""
EV_PER_ANGSTROM3_PER_GPA = 1e9 * 1e-30 / 1.602176634e-19
"""eV/Angstrom^3 in one GPa."""

VOIGT_ORDER = ("xx", "yy", "zz", "yz", "xz", "xy")
"""Order of the six stress components, as in ASE. Stress is dE/dstrain / volume: tension is positive."""

ENERGIES = {
    "ev": 1.0,
    "mev": 1e-3,
    "hartree": EV_PER_HARTREE,
    "ha": EV_PER_HARTREE,
    "rydberg": EV_PER_HARTREE / 2,
    "ry": EV_PER_HARTREE / 2,
    "kcal/mol": EV_PER_KCAL_PER_MOL,
    "kj/mol": EV_PER_KCAL_PER_MOL / 4.184,
}
"""eV in one unit of energy, by its name in lower case."""

LENGTHS = {
    "angstrom": 1.0,
    "ang": 1.0,
    "a": 1.0,
    "\N{LATIN SMALL LETTER A WITH RING ABOVE}": 1.0,
    "bohr": ANGSTROM_PER_BOHR,
    "nm": 10.0,
    "pm": 0.01,
}
"""Angstrom in one unit of length, by its name in lower case."""

PRESSURES = {
    "gpa": EV_PER_ANGSTROM3_PER_GPA,
    "mpa": EV_PER_ANGSTROM3_PER_GPA * 1e-3,
    "pa": EV_PER_ANGSTROM3_PER_GPA * 1e-9,
    "kb": EV_PER_ANGSTROM3_PER_GPA * 0.1,
    "kbar": EV_PER_ANGSTROM3_PER_GPA * 0.1,
    "bar": EV_PER_ANGSTROM3_PER_GPA * 1e-4,
}
"""eV/Angstrom^3 in one unit of pressure, by its name in lower case (1 kB = 1 kbar = 0.1 GPa)."""


def factor(quantity: str, text: str) -> float:
    """What a number in the unit `text` is multiplied with to be in aldata's.

    `quantity` is energy, length, force or stress. Forces are written energy/length, stresses as a
    pressure, energy/length^3, or an energy: then they are virials, and the factor gives eV.
    Raises ValueError that lists the known units.
    """
    plain = text.strip().lower().replace(" ", "").replace("**", "^")
    found = {"energy": _energy, "length": _length, "force": _force, "stress": _stress}
    value = found[quantity](plain)
    if value is None:
        raise ValueError(f"unknown unit of {quantity} '{text}'; known: {known(quantity)}")
    return value


def is_virial(text: str) -> bool:
    """Whether a unit of stress is an energy: not yet divided by the volume."""
    return _energy(text.strip().lower().replace(" ", "")) is not None


def known(quantity: str) -> str:
    """The units of a quantity, for messages."""
    energies, lengths = ", ".join(ENERGIES), ", ".join(LENGTHS)
    return {
        "energy": energies,
        "length": lengths,
        "force": f"ENERGY/LENGTH with energies {energies} and lengths {lengths}",
        "stress": f"{', '.join(PRESSURES)}, ENERGY/LENGTH^3, or an energy for virials",
    }[quantity]


def _energy(text: str) -> float | None:
    return ENERGIES.get(text)


def _length(text: str) -> float | None:
    return LENGTHS.get(text)


def _force(text: str) -> float | None:
    energy, _, length = text.rpartition("/")
    if energy not in ENERGIES or length not in LENGTHS:
        return None
    return ENERGIES[energy] / LENGTHS[length]


def _stress(text: str) -> float | None:
    if text in PRESSURES:
        return PRESSURES[text]
    energy, _, volume = text.rpartition("/")
    length = volume.removesuffix("^3")
    if volume.endswith("^3") and energy in ENERGIES and length in LENGTHS:
        return ENERGIES[energy] / LENGTHS[length] ** 3
    return _energy(text)
