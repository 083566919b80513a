"""Labels at two levels of theory in one data set: only by name, and only if their energies agree."""

from __future__ import annotations

import numpy as np

from aldata.artifacts.frames import Labels
from aldata.artifacts.schema import PURPOSES
from aldata.curate.chain import Lineage
from aldata.curate.settings import CurateSettings
from aldata.errors import InvalidInput


def set_apart(labels: Labels, mix: list[str]) -> set[str]:
    """Calls at a level of theory that may not be mixed in: records with role none."""
    return {call for call, name in labels.fallback_of_call.items() if name not in mix}


def refuse_offsets(
    labels: Labels, lineage: Lineage, settings: CurateSettings, generation: str
) -> None:
    """Raise InvalidInput for a fallback to mix whose isolated atoms have other energies.

    A constant offset between two levels of theory would be learned as chemistry. Atoms that either
    level did not answer count as different.
    """
    usual = _energies(lineage.labels, None) | _energies(labels, None)
    mixed = sorted(set(labels.fallback_of_call.values()) & set(settings.mix))
    for name in mixed:
        other = _energies(labels, name)
        rows = [row for row, n in enumerate(_names(labels)) if n == name and labels.accepted[row]]
        present = {int(n) for n in labels.take(rows).numbers}
        apart = {n: abs(other.get(n, np.nan) - usual.get(n, np.nan)) for n in sorted(present)}
        far = {n: gap for n, gap in apart.items() if not gap <= settings.mix_offset}
        if far:
            listing = ", ".join(f"Z={n}: {gap:.3g} eV" for n, gap in far.items())
            raise InvalidInput(
                f"isolated atoms of the fallback {name} have other energies ({listing})",
                where=f"labels of {generation}",
                expected=f"differences up to curate.mix_offset ({settings.mix_offset:g} eV)",
                next_step=f"take {name} out of curate.mix, or raise curate.mix_offset on purpose",
            )


def _names(labels: Labels) -> list[str | None]:
    """Name of the fallback of each frame, None for the project's own level of theory."""
    known = labels.fallback_of_call
    return [known.get(call) for call in labels.call_ids]


def _energies(labels: Labels, name: str | None) -> dict[int, float]:
    """Energy (eV) of each isolated atom at one level of theory, by atomic number."""
    atoms = labels.accepted & (labels.purpose == PURPOSES.index("isolated_atom"))
    names = _names(labels)
    rows = [int(row) for row in np.flatnonzero(atoms) if names[int(row)] == name]
    return {int(labels.numbers[labels.offsets[row]]): float(labels.energy[row]) for row in rows}
