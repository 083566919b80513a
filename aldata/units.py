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

VOIGT_ORDER = ("xx", "yy", "zz", "yz", "xz", "xy")
"""Order of the six stress components, as in ASE. Stress is dE/dstrain / volume: tension is positive."""
