"""What codes for periodic cells share: a box around what is not periodic, and electron numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from aldata.artifacts.frames import Configuration
from aldata.label.oracles.kpoints import GAMMA, KPoints

LEAST_VACUUM = 5.0
"""Least distance (A) between a molecule in its box and its image."""


def symbols(numbers: npt.ArrayLike) -> list[str]:
    """Chemical symbols of atomic numbers."""
    from ase.data import chemical_symbols

    return [chemical_symbols[int(number)] for number in np.atleast_1d(np.asarray(numbers))]


def elements(configurations: Sequence[Configuration]) -> list[str]:
    """Every element that occurs, by atomic number."""
    return symbols(sorted({int(number) for c in configurations for number in c.numbers}))


def formula(configuration: Configuration) -> str:
    """Chemical formula, by Hill."""
    from ase.formula import Formula

    return str(Formula.from_list(symbols(configuration.numbers)).format("hill"))


def cell_of(configuration: Configuration, box: float) -> npt.NDArray[np.float64]:
    """The cell (3, 3) (A), or a cube of edge `box` around what is not periodic."""
    if configuration.pbc.all():
        return np.asarray(configuration.cell, dtype=np.float64)
    return np.eye(3) * box


def kpoints_of(configuration: Configuration, kpoints: KPoints) -> KPoints:
    """The points for a periodic cell; Gamma for a molecule in its box."""
    return kpoints if configuration.pbc.all() else GAMMA


def shape_problems(configurations: Sequence[Configuration], box: float) -> list[str]:
    """Frames that are periodic in one or two directions only, and molecules too large for the box."""
    problems = []
    partly = sum(bool(c.pbc.any() and not c.pbc.all()) for c in configurations)
    if partly:
        problems.append(
            f"{partly} configurations are periodic in one or two directions only: make them "
            "periodic in all three, with vacuum in the cell"
        )
    spans = [float(np.ptp(c.positions, axis=0).max()) for c in configurations if not c.pbc.any()]
    if spans and max(spans) > box - LEAST_VACUUM:
        problems.append(
            f"a molecule of {max(spans):.1f} A does not fit into oracle.settings.box, {box:g} A, "
            f"with {LEAST_VACUUM:g} A of vacuum"
        )
    return problems


def electron_problems(
    configurations: Sequence[Configuration], valence: Mapping[str, float], smeared: bool
) -> list[str]:
    """Numbers of electrons that do not fit the unpaired ones; metals may have any number.

    valence: electrons per neutral atom, as the pseudopotentials have them; elements that are not
    in it are not judged.
    """
    problems = {}
    for c in configurations:
        names = symbols(c.numbers)
        if not set(names) <= set(valence):
            continue
        count = sum(valence[name] for name in names) - c.charge
        odd = (round(count) - c.spin) % 2
        metal = smeared and c.spin == 0 and bool(c.pbc.all())
        if count < max(1, c.spin) or (odd and not metal):
            problems[f"{count:g} {c.spin}"] = (
                f"{formula(c)} with charge {c.charge} has {count:g} valence electrons: "
                f"{c.spin} of them cannot be unpaired"
            )
    return list(problems.values())
