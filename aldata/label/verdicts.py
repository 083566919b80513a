"""What may be a label: the geometry is judged before a call, the answer after it."""

from __future__ import annotations

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
