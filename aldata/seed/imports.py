"""Labels that a user already has: energies, forces and stresses of an existing file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aldata import digest
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import as_configurations
from aldata.artifacts.given import Given
from aldata.seed.settings import SeedSettings
from aldata.seed.structures import SHOWN, problems, read_frames, refuse

if TYPE_CHECKING:
    from ase import Atoms

Float = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Results:
    energy: float
    forces: Float
    stress: Float


def imported(path: Path, settings: SeedSettings) -> Given:
    """Read every frame of the labelled file at `path`.

    Energies, forces and stresses are those ASE finds (keys `energy`, `forces`, `stress` of an
    extended XYZ, or what another program's output holds), in eV, eV/A and eV/A^3. The total charge
    and spin are `settings.charge` and `settings.spin` unless a frame states its own. A frame that
    occurs twice with the same label is kept once.

    Raises InvalidInput, naming the frames, for unusable geometries, for a missing energy or missing
    forces, for values that are not finite, and for one configuration with two different labels.
    """
    frames = read_frames(path, ":")
    found: list[str] = []
    kept: dict[str, tuple[int, Atoms, _Results]] = {}
    for row, atoms in enumerate(frames):
        configuration = from_atoms(atoms, settings.charge, settings.spin)
        wrong = problems(row, configuration) + _label_problems(row, atoms)
        found += wrong
        if not wrong:
            first = kept.setdefault(configuration.id, (row, atoms, _results(atoms)))
            if not _same(first[2], _results(atoms)):
                found.append(f"frames {first[0]} and {row} are one configuration with two labels")
    _refuse_labels(path, found, frames)
    labels = [results for _, _, results in kept.values()]
    return Given(
        configurations=as_configurations(
            [from_atoms(atoms, settings.charge, settings.spin) for _, atoms, _ in kept.values()]
        ),
        energy=np.array([r.energy for r in labels]),
        forces=np.concatenate([r.forces for r in labels]),
        stress=np.array([r.stress for r in labels]),
        source=digest.of_file(path),
    )


def _raw(atoms: Atoms, name: str) -> Any:
    if atoms.calc is not None and atoms.calc.results.get(name) is not None:
        return atoms.calc.results[name]
    return atoms.info.get(name, atoms.arrays.get(name))


def _label_problems(row: int, atoms: Atoms) -> list[str]:
    found = []
    for name, shapes in (
        ("energy", [()]),
        ("forces", [(len(atoms), 3)]),
        ("stress", [(6,), (9,), (3, 3)]),
    ):
        value = _raw(atoms, name)
        if value is None:
            found += [f"frame {row} has no {name}"] if name != "stress" else []
        elif np.shape(value) not in shapes or not np.isfinite(np.asarray(value, float)).all():
            found.append(f"frame {row} has {name} of shape {np.shape(value)} or not finite")
    return found


def _results(atoms: Atoms) -> _Results:
    from ase.stress import full_3x3_to_voigt_6_stress

    stress = _raw(atoms, "stress")
    voigt = np.full(6, np.nan) if stress is None else np.asarray(stress, dtype=np.float64)
    if voigt.size == 9:
        voigt = full_3x3_to_voigt_6_stress(voigt.reshape(3, 3))
    return _Results(float(_raw(atoms, "energy")), np.asarray(_raw(atoms, "forces")), voigt)


def _same(first: _Results, second: _Results) -> bool:
    return first.energy == second.energy and np.array_equal(first.forces, second.forces)


def _refuse_labels(path: Path, found: list[str], frames: list[Atoms]) -> None:
    if any("has no" in problem for problem in found):
        names = sorted({*frames[0].info, *frames[0].arrays} - {"numbers", "positions"})
        found = [*found[:SHOWN], f"names in frame 0: {', '.join(names) or 'none'}"]
    refuse(path, found)
