"""Stored frames as `ase.Atoms`, each made when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from aldata.artifacts.columns import Array
from aldata.artifacts.conversion import to_atoms, with_results
from aldata.artifacts.frames import Configuration
from aldata.artifacts.schema import STATUSES
from aldata.errors import InvalidInput

if TYPE_CHECKING:
    from ase import Atoms

    from aldata.archive.frames import StoredFrames

GEOMETRY = ("numbers", "positions", "cell", "pbc", "charge", "spin", "configuration_id")
RESULTS = ("status", "energy", "forces", "stress")


class StoredAtoms(Sequence["Atoms"]):
    """Frames as `ase.Atoms`: by index, slice or rows; nothing is read before it is asked for.

    `info` has `configuration_id`, `charge`, `spin` (unpaired electrons) and `generation`; accepted
    labels carry energy, forces and, where there is one, stress in a `SinglePointCalculator`, and
    labels their `call_id`. Every `Atoms` is a copy that may be changed.
    """

    def __init__(self, frames: StoredFrames) -> None:
        missing = [name for name in GEOMETRY if name not in frames.names]
        if missing:
            raise InvalidInput(
                f"{frames.name} have no {', '.join(missing)}",
                where="to_ase",
                expected="configurations, candidates or labels",
            )
        self._frames = frames
        self._labelled = set(RESULTS) <= set(frames.names)
        self._names = [*GEOMETRY, "generation"]
        if self._labelled:
            self._names += [*RESULTS, "call_id"]

    def __len__(self) -> int:
        return len(self._frames)

    def __repr__(self) -> str:
        return f"<{self._frames!r} as ase.Atoms>"

    @overload
    def __getitem__(self, key: int) -> Atoms: ...

    @overload
    def __getitem__(self, key: slice | Sequence[int] | npt.NDArray[Any]) -> StoredAtoms: ...

    def __getitem__(
        self, key: int | slice | Sequence[int] | npt.NDArray[Any]
    ) -> Atoms | StoredAtoms:
        if not isinstance(key, int | np.integer):
            return StoredAtoms(self._frames[key])
        if not -len(self) <= key < len(self):
            raise IndexError(f"{self._frames.name} has {len(self)} frames, not {key}")
        row = int(key) % len(self)
        return self._atoms(self._frames.take(slice(row, row + 1), self._names))

    def _atoms(self, one: dict[str, Array]) -> Atoms:
        atoms = to_atoms(
            Configuration(
                numbers=one["numbers"],
                positions=one["positions"],
                cell=one["cell"][0],
                pbc=one["pbc"][0],
                charge=int(one["charge"][0]),
                spin=int(one["spin"][0]),
            )
        )
        atoms.info["configuration_id"] = bytes(one["configuration_id"][0]).hex()
        atoms.info["generation"] = str(one["generation"][0])
        if not self._labelled:
            return atoms
        atoms.info["call_id"] = bytes(one["call_id"][0]).hex()
        if STATUSES[int(one["status"][0])] != "accepted":
            return atoms
        return with_results(atoms, float(one["energy"][0]), one["forces"], one["stress"][0])
