"""How strong the bias of a trajectory is: measured before it begins, and then left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aldata.explore.settings import BiasedDynamics, Dynamics

if TYPE_CHECKING:
    from ase import Atoms

LOOK = 5
"""Steps between two looks at the forces, in the second half of the equilibration."""


def gauge(atoms: Atoms, settings: Dynamics, step: int) -> None:
    """Look at the forces of the model and of its sigma, if there is a bias and it is time."""
    due = 2 * step > settings.equilibration and step % LOOK == 0
    if isinstance(settings, BiasedDynamics) and due:
        atoms.calc.gauge(atoms)


def settle(atoms: Atoms, settings: Dynamics) -> float | None:
    """Switch the bias on, with the share of the mean force that the settings state. Returns its strength,
    which stays: what is sampled is one ensemble, and `nve` has an energy to conserve.
    """
    if not isinstance(settings, BiasedDynamics):
        return None
    if settings.equilibration < 2 * LOOK:
        atoms.calc.gauge(atoms)
    return float(atoms.calc.settle(settings.bias))
