"""The one border between `ase.Atoms` and aldata's arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from aldata.artifacts.frames import Configuration
from aldata.errors import InvalidInput

if TYPE_CHECKING:
    from ase import Atoms


def from_atoms(atoms: Atoms, charge: int = 0, spin: int = 0) -> Configuration:
    """A configuration from `ase.Atoms`; `atoms.info` may carry `charge` and `spin` of its own.

    A non-periodic direction's cell vector says nothing about the system: it is set to zero, so that
    the same molecule in another box is the same configuration. Raises InvalidInput for a charge or
    spin that is not a whole number.
    """
    pbc = np.asarray(atoms.pbc, dtype=bool)
    return Configuration(
        numbers=np.asarray(atoms.numbers, dtype=np.int32),
        positions=np.array(atoms.positions, dtype=np.float64),
        cell=np.where(pbc[:, None], np.array(atoms.cell.array, dtype=np.float64), 0.0),
        pbc=pbc,
        charge=_whole(atoms, "charge", charge),
        spin=_whole(atoms, "spin", spin),
    )


def _whole(atoms: Atoms, name: str, default: int) -> int:
    value = atoms.info.get(name, default)
    try:
        whole = int(value)
        if whole == float(value):
            return whole
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidInput(f"{name} is {value!r:.40}", expected="a whole number")


def to_atoms(configuration: Configuration) -> Atoms:
    """`ase.Atoms` with `charge` and `spin` (unpaired electrons) in `info`."""
    from ase import Atoms

    return Atoms(
        numbers=configuration.numbers,
        positions=configuration.positions,
        cell=configuration.cell,
        pbc=configuration.pbc,
        info={"charge": configuration.charge, "spin": configuration.spin},
    )


def with_results(
    atoms: Atoms,
    energy: float,
    forces: npt.NDArray[np.float64],
    stress: npt.NDArray[np.float64] | None = None,
) -> Atoms:
    """The same atoms with results in a `SinglePointCalculator`, in ASE's units, which are ours.

    energy in eV; forces (n, 3) in eV/A; stress (6,) in eV/A^3, tension positive, order xx yy zz yz
    xz xy as ASE's; left out when it is None or not finite.
    """
    from ase.calculators.singlepoint import SinglePointCalculator

    results: dict[str, object] = {"energy": float(energy), "forces": forces}
    if stress is not None and np.isfinite(stress).all():
        results["stress"] = stress
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
