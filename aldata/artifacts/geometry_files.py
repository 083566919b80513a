"""A user's geometry files: whatever ASE reads, without what no calculation could use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aldata.artifacts.contacts import closest_contact
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Configuration, Configurations, as_configurations
from aldata.errors import InvalidInput

if TYPE_CHECKING:
    from ase import Atoms

OVERLAP = 0.4
"""Two atoms closer than this share of the sum of their covalent radii are a mistake in the file."""
SHOWN = 5
"""How many problems an error spells out."""


def read_geometries(path: Path, index: str = ":", charge: int = 0, spin: int = 0) -> Configurations:
    """The geometries in the file at `path`; `charge` and `spin` (unpaired electrons) unless it has own.

    Frames that occur twice are kept once. Raises InvalidInput for a file that is missing,
    unreadable or empty, and for frames without atoms, with unknown elements, with a charge or spin
    that cannot be, with positions or cells that are not finite, with a periodic direction without a
    cell vector, or with overlapping atoms; the error names every such frame.
    """
    configurations = configurations_of(path, read_frames(path, index), charge, spin)
    refuse(path, [p for i, c in enumerate(configurations) for p in problems(i, c)])
    return as_configurations(list({c.id: c for c in configurations}.values()))


def read_frames(path: Path, index: str) -> list[Atoms]:
    """The frames that `ase.io.read` finds. Raises InvalidInput if there are none."""
    frames = list(each_frame(path, index))
    if not frames:
        raise InvalidInput(f"holds no frames at index '{index}'", where=str(path))
    return frames


def each_frame(path: Path, index: str) -> Iterator[Atoms]:
    """The same one by one, so that a large file never lies in memory."""
    from ase.io import iread

    if not path.is_file():
        raise InvalidInput(
            "there is no such file", where=str(path), next_step="put it there, or name another one"
        )
    try:
        yield from iread(path, index=index, do_not_split_by_at_sign=True)
    except Exception as problem:  # readers of some ninety formats raise whatever they like
        raise InvalidInput(
            f"cannot be read ({type(problem).__name__}: {problem}), with index '{index}'",
            where=str(path),
            expected="a file that ase.io.read reads, e.g. xyz, extxyz, cif, POSCAR",
        ) from problem


def configurations_of(
    path: Path, frames: list[Atoms], charge: int, spin: int
) -> list[Configuration]:
    """The frames with their own charge and spin, else these. Raises InvalidInput naming all bad ones."""
    made, found = [], []
    for frame, atoms in enumerate(frames):
        try:
            made.append(from_atoms(atoms, charge, spin))
        except InvalidInput as problem:
            found.append(f"frame {frame}: {problem.what}, not a whole number")
    refuse(path, found)
    return made


def problems(frame: int, configuration: Configuration) -> list[str]:
    """What makes a geometry unusable; empty if nothing does."""
    name = f"frame {frame}"
    if len(configuration) == 0:
        return [f"{name} has no atoms"]
    found = []
    if (configuration.numbers <= 0).any():
        found.append(f"{name} has an atom of unknown element")
    if configuration.spin < 0:
        found.append(f"{name} has {configuration.spin} unpaired electrons")
    finite = np.isfinite(configuration.positions).all() and np.isfinite(configuration.cell).all()
    if not finite:
        return [*found, f"{name} has positions or a cell that are not finite"]
    if np.linalg.matrix_rank(configuration.cell) < configuration.pbc.sum():
        return [*found, f"{name} is periodic along a direction without a cell vector"]
    contact = closest_contact(configuration, OVERLAP)
    if contact < OVERLAP:
        found.append(f"{name} has overlapping atoms ({contact:.2f} of the covalent distance)")
    return found


def refuse(path: Path, found: list[str]) -> None:
    """Raise InvalidInput if there are problems."""
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise InvalidInput("; ".join(found[:SHOWN]) + more, where=str(path))
