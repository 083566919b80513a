"""Labels that somebody else computed: files of labelled frames, in the form of our own labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aldata import digest
from aldata.artifacts.documents import call_id
from aldata.artifacts.frames import (
    Configuration,
    Configurations,
    Float,
    Labels,
    as_configurations,
    result_digest,
)
from aldata.artifacts.geometry_files import (
    SHOWN,
    configurations_of,
    problems,
    read_frames,
    refuse,
)
from aldata.artifacts.schema import PURPOSES, STATUSES

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, eq=False, kw_only=True)
class Given:
    """Labelled frames of a user's file.

    energy (frame,) in eV; forces (atom, 3) in eV/A; stress (frame, 6) in eV/A^3, order xx yy zz yz
    xz xy, tension positive, NaN for frames without one; source: sha256 of the file.
    """

    configurations: Configurations
    energy: Float
    forces: Float
    stress: Float
    source: str

    def labels(
        self,
        purpose: str,
        theory_id: str | None = None,
        sigma_energy: float = 0.0,
        sigma_forces: float = 0.0,
    ) -> Labels:
        """The frames as accepted labels.

        The file stands in the call ids in place of a level of theory, so that nobody takes them for
        calls of the ledger. `theory_id`: the level of theory that the user says they are at; the
        file's digest where nothing is known.
        """
        frames, n = self.configurations, len(self.configurations)
        stresses = [None if np.isnan(row).any() else row for row in self.stress]
        results = [
            result_digest(
                "accepted", float(self.energy[i]), self.forces[frames.atoms_of(i)], stresses[i]
            )
            for i in range(n)
        ]
        return Labels(
            **frames.arrays,
            call_id=digest.to_bytes([call_id(identity, self.source) for identity in frames.ids]),
            result_digest=digest.to_bytes(results),
            status=np.full(n, STATUSES.index("accepted")),
            failure=np.zeros(n),
            purpose=np.full(n, PURPOSES.index(purpose)),
            trajectory=np.full(n, -1),
            energy=self.energy,
            forces=self.forces,
            stress=self.stress,
            sigma_energy=np.full(n, sigma_energy),
            sigma_forces=np.full(n, sigma_forces),
            attributes={"theory_id": theory_id or self.source},
        )


@dataclass(frozen=True, eq=False)
class _Results:
    energy: float
    forces: Float
    stress: Float


def read_labelled(path: Path, charge: int = 0, spin: int = 0) -> Given:
    """Every frame of the labelled file at `path`, in any format of ase.io.

    Energies (eV), forces (eV/A) and stresses (eV/A^3, ASE's order and sign) come from `REF_energy`,
    `REF_forces` and `REF_stress` where a frame has them, else from its calculator's results, else
    from `energy`, `forces` and `stress`. `charge` and `spin` are those of frames that do not state
    their own. A frame that occurs twice with the same label is kept once.

    Raises InvalidInput, naming the frames, for unusable geometries, for a missing energy or missing
    forces, for values that are not finite, and for one configuration with two different labels.
    """
    frames = read_frames(path, ":")
    found: list[str] = []
    kept: dict[str, tuple[int, Configuration, _Results]] = {}
    configurations = configurations_of(path, frames, charge, spin)
    for row, (atoms, configuration) in enumerate(zip(frames, configurations, strict=True)):
        wrong = problems(row, configuration) + _label_problems(row, atoms)
        found += wrong
        if not wrong:
            first = kept.setdefault(configuration.id, (row, configuration, _results(atoms)))
            if not _same(first[2], _results(atoms)):
                found.append(f"frames {first[0]} and {row} are one configuration with two labels")
    _refuse_labels(path, found, frames)
    labels = [results for _, _, results in kept.values()]
    return Given(
        configurations=as_configurations([configuration for _, configuration, _ in kept.values()]),
        energy=np.array([r.energy for r in labels]),
        forces=np.concatenate([r.forces for r in labels]),
        stress=np.array([r.stress for r in labels]),
        source=digest.of_file(path),
    )


def _raw(atoms: Atoms, name: str) -> Any:
    reference = atoms.info.get(f"REF_{name}", atoms.arrays.get(f"REF_{name}"))
    if reference is not None:
        return reference
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
