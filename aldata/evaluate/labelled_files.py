"""Read a user's labelled test frames, or say exactly why they cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aldata import digest
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.documents import call_id
from aldata.artifacts.frames import Float, Labels, geometry_columns, result_digest
from aldata.artifacts.schema import PURPOSES, STATUSES
from aldata.errors import InvalidInput

if TYPE_CHECKING:
    from ase import Atoms

Answer = tuple[float, Float]
"""Energy in eV and forces in eV/A of one frame."""


def read_test_set(path: Path, charge: int = 0, spin: int = 0) -> Labels:
    """Labelled frames of a file that `ase.io.read` understands, as accepted labels of purpose test.

    Energy (eV) and forces (eV/A) come from `REF_energy` and `REF_forces`, or else from the frame's
    own calculator results, `energy` and `forces`. `charge` and `spin` (unpaired electrons) are
    those of frames that do not carry their own. The level of theory of a file is not known: the
    labels name the digest of the file in its place (attributes `theory_id` and `file`). Stress is
    left out.

    Raises InvalidInput for a missing, unreadable or empty file, and for frames without a finite
    energy and force on every atom, counting all of them.
    """
    frames = _read(path)
    answers = [_answer(atoms) for atoms in frames]
    unlabelled = [index for index, answer in enumerate(answers) if answer is None]
    if unlabelled:
        raise InvalidInput(
            f"{len(unlabelled)} of {len(frames)} frames lack a finite energy or forces "
            f"(first: frame {unlabelled[0]})",
            where=str(path),
            expected="energy (eV) and forces (eV/A) in every frame, as `energy` and `forces` or "
            "as `REF_energy` and `REF_forces`",
            next_step="label these frames or remove them from the file",
        )
    labelled = [answer for answer in answers if answer is not None]
    return _as_labels(frames, labelled, digest.of_file(path), (charge, spin))


def _read(path: Path) -> list[Atoms]:
    from ase.io import read

    if not path.is_file():
        raise InvalidInput(
            "there is no such file",
            where=str(path),
            expected="a file of labelled frames",
            next_step="correct evaluate.test_sets in params.yaml, or put the file there",
        )
    try:
        frames = read(path, index=":")
    except Exception as problem:  # ase's readers raise anything for a file that is not theirs
        raise InvalidInput(
            f"ase cannot read it ({type(problem).__name__}: {problem})",
            where=str(path),
            expected="a format of ase.io with energies and forces, such as extended xyz",
        ) from problem
    if not frames:
        raise InvalidInput("it holds no frames", where=str(path), expected="at least one frame")
    return list(frames)


def _answer(atoms: Atoms) -> Answer | None:
    results: Mapping[str, object] = atoms.calc.results if atoms.calc is not None else {}
    energy = atoms.info.get("REF_energy", results.get("energy", atoms.info.get("energy")))
    forces = atoms.arrays.get("REF_forces", results.get("forces", atoms.arrays.get("forces")))
    if energy is None or forces is None:
        return None
    answer = float(energy), np.asarray(forces, dtype=np.float64)
    usable = answer[1].shape == (len(atoms), 3) and np.isfinite(answer[1]).all()
    return answer if usable and np.isfinite(answer[0]) else None


def _as_labels(
    frames: list[Atoms], answers: list[Answer], file: str, charge_and_spin: tuple[int, int]
) -> Labels:
    charge, spin = charge_and_spin
    configurations = [from_atoms(atoms, charge=charge, spin=spin) for atoms in frames]
    n = len(frames)
    results = [result_digest("accepted", energy, forces, None) for energy, forces in answers]
    return Labels(
        **geometry_columns(configurations),
        call_id=digest.to_bytes([call_id(c.id, file) for c in configurations]),
        result_digest=digest.to_bytes(results),
        status=np.full(n, STATUSES.index("accepted")),
        failure=np.zeros(n),
        purpose=np.full(n, PURPOSES.index("test")),
        trajectory=np.full(n, -1),
        energy=np.array([energy for energy, _ in answers]),
        forces=np.concatenate([forces for _, forces in answers]),
        stress=np.full((n, 6), np.nan),
        sigma_energy=np.zeros(n),
        sigma_forces=np.zeros(n),
        attributes={"theory_id": file, "file": file},
    )
