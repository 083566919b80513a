"""Trajectories that the model's uncertainty draws."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aldata.artifacts.checkpoints import Checkpoint
from aldata.errors import InvalidInput
from aldata.explore.samplers.finding import Context, Finding
from aldata.explore.samplers.molecular_dynamics import check_volume, trajectories
from aldata.explore.settings import BiasedDynamics

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


def biased_dynamics(settings: BiasedDynamics, context: Context, seed: int) -> list[Finding]:
    """As `molecular_dynamics`, on the members' mean of E - strength x sigma_E.

    The record holds the strength. Sigma is that of the last layer, whatever `uncertainty.method` is; the
    watch follows that method, without the bias. A bias draws candidates to what is uncertain: a probe among
    them is no sample of what plain dynamics visits.
    """
    calculator = partial(biased_mean, ridge=context.uncertainty.ridge)
    return trajectories(settings, context, seed, calculator, "biased_dynamics")


def biased_mean(checkpoint: Checkpoint, ridge: float) -> Calculator:
    """The ASE calculator of a checkpoint, without a bias at first."""
    from aldata.potentials import Committee
    from aldata.potentials.biased import BiasedCalculator

    return BiasedCalculator(Committee.from_checkpoint(checkpoint), ridge)


def check_belief(settings: BiasedDynamics, context: Context) -> None:
    """Raise InvalidInput for a barostat without a volume, or a model without a belief about its errors."""
    check_volume(settings, context)
    if context.checkpoint.is_null or context.checkpoint.information.any(axis=(1, 2)).all():
        return
    raise InvalidInput(
        "the parent's last layer holds no information about its errors",
        where=f"explore.samplers: {settings.name}",
        expected="the matrix that training writes",
        next_step="train the parent again, or use molecular_dynamics",
    )
