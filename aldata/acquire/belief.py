"""What the parent's model believes about its last layer, asked about candidates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
import numpy.typing as npt

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Configurations

if TYPE_CHECKING:
    from aldata.potentials.posterior import Posterior
    from aldata.potentials.uncertainty.one_model import OneModel

Float = npt.NDArray[np.float64]
Integer = npt.NDArray[np.int64]


class Belief(Protocol):
    """Rows of the linear last layer, whitened: in a basis in which its posterior covariance is 1.

    So the squared length of a row is a variance, and rows of different frames compare.
    """

    @property
    def energies(self) -> Float:
        """Rows of the candidates' total energies in eV: shape (candidate, parameter)."""
        ...

    @property
    def training(self) -> Float:
        """Rows of the training frames' total energies in eV: shape (frame, parameter)."""
        ...

    def forces(self, row: int) -> Float:
        """Rows of all force components of one candidate in eV/A: shape (3 atoms, parameter)."""
        ...

    def take(self, rows: Integer) -> Self:
        """The belief about these candidates only, in this order."""
        ...


@dataclass(frozen=True, eq=False)
class LastLayerBelief:
    """The posterior of the first member of `checkpoint`; an energy costs a forward pass, the forces of
    a frame a Jacobian. Nothing is computed before it is asked for.
    """

    checkpoint: Checkpoint
    candidates: Configurations
    training_frames: Configurations
    ridge: float

    @cached_property
    def _model(self) -> OneModel:
        from aldata.potentials.uncertainty.one_model import OneModel

        return OneModel(self.checkpoint)

    @cached_property
    def _posterior(self) -> Posterior:
        return self._model.posterior(self.ridge)

    @cached_property
    def energies(self) -> Float:
        """See `Belief`."""
        return self._posterior.whitened(self._model.energy_rows(self.candidates))

    @cached_property
    def training(self) -> Float:
        """See `Belief`."""
        return self._posterior.whitened(self._model.energy_rows(self.training_frames))

    def forces(self, row: int) -> Float:
        """See `Belief`."""
        found = next(self._model.rows(self.candidates.take([row])))
        return self._posterior.whitened(found.forces.reshape(-1, found.forces.shape[-1]))

    def take(self, rows: Integer) -> LastLayerBelief:
        """See `Belief`."""
        return LastLayerBelief(
            self.checkpoint, self.candidates.take(rows), self.training_frames, self.ridge
        )
