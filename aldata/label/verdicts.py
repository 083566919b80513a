"""What may be a label: the geometry is judged before a call, the answer after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aldata.artifacts.calls import Status, net_force
from aldata.artifacts.contacts import closest_contact
from aldata.artifacts.frames import Configuration, Float
from aldata.label.settings import LabelSettings


@dataclass(frozen=True)
class Verdict:
    """How a call ended: status, failure class (`schema.FAILURES`), and a sentence."""

    status: Status
    failure: str = "none"
    message: str = ""


ACCEPTED = Verdict("accepted")


def of_geometry(configuration: Configuration, settings: LabelSettings) -> Verdict:
    """Whether a geometry may be sent to an oracle: most codes answer nonsense without an error."""
    if not (np.isfinite(configuration.positions).all() and np.isfinite(configuration.cell).all()):
        return Verdict("rejected", "not_finite", "positions or cell are not finite")
    if settings.min_distance == 0:
        return ACCEPTED
    ratio = closest_contact(configuration, settings.min_distance)
    if ratio < settings.min_distance:
        return Verdict(
            "rejected",
            "atoms_too_close",
            f"closest contact is {ratio:.3f} sums of covalent radii, "
            f"the limit is {settings.min_distance:g}",
        )
    return ACCEPTED


def of_answer(forces: Float, settings: LabelSettings) -> Verdict:
    """Whether an answer may be a label; forces (n, 3) in eV/A, finite."""
    largest = float(np.linalg.norm(forces, axis=1).max(initial=0.0))
    if largest > settings.max_force:
        return Verdict(
            "rejected",
            "forces_too_large",
            f"largest force is {largest:.3g} eV/A, the limit is {settings.max_force:g}",
        )
    net = net_force(forces)
    if net > settings.max_net_force:
        return Verdict(
            "rejected",
            "net_force_too_large",
            f"net force is {net:.3g} eV/A, the limit is {settings.max_net_force:g}",
        )
    return ACCEPTED


def of_energy(
    energy: float,
    numbers: Sequence[int],
    isolated: Mapping[int, float],
    settings: LabelSettings,
) -> Verdict:
    """Whether an energy (eV) fits the isolated atoms' (eV per element): another state, or nonsense.

    Without the energy of one of the elements nothing is judged.
    """
    if not len(numbers) or not all(number in isolated for number in numbers):
        return ACCEPTED
    per_atom = (energy - sum(isolated[number] for number in numbers)) / len(numbers)
    lowest, highest = settings.energy_range
    if lowest <= per_atom <= highest:
        return ACCEPTED
    return Verdict(
        "rejected",
        "inconsistent",
        f"atomisation energy is {per_atom:.4g} eV per atom, "
        f"label.energy_range is {lowest:g} to {highest:g}",
    )


def of_crash(message: str) -> Verdict:
    """A crash, or memory that ran out where the code's last words say so."""
    lower = message.lower()
    failure = "out_of_memory" if any(words in lower for words in _NO_MEMORY) else "crashed"
    return Verdict("failed", failure, message)


_NO_MEMORY = (
    "memoryerror",
    "out of memory",
    "cannot allocate memory",
    "unable to allocate",
    "insufficient memory",
    "insufficient virtual memory",
    "bad_alloc",
    "error allocating",
    "allocation would exceed memory limit",
)
"""How codes and their run-time libraries say that memory ran out."""
