"""What the parent's model believes about its last layer, asked about candidates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
    def variances(self) -> Float:
        """Variances of the candidates' total energies in eV^2, the rows' squared lengths: (candidate,)."""
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


BLOCK = 512
"""Frames whose graphs are in memory at a time."""


@dataclass(eq=False)
class _Model:
    """The model and its posterior, made once for all parts of a belief; and what was expensive."""

    checkpoint: Checkpoint
    ridge: float
    forces: dict[int, Float] = field(default_factory=dict)
    variances: Float | None = None

    @cached_property
    def one(self) -> OneModel:
        from aldata.potentials.uncertainty.one_model import OneModel

        return OneModel(self.checkpoint)

    @cached_property
    def posterior(self) -> Posterior:
        return self.one.posterior(self.ridge)

    def energies(self, frames: Configurations, rows: Integer) -> Iterator[Float]:
        """Whitened rows of the energies of some of the frames, (row, parameter), block by block."""
        for begin in range(0, len(rows), BLOCK):
            block = frames.take(rows[begin : begin + BLOCK])
            yield self.posterior.whitened(self.one.energy_rows(block))

    def all_energies(self, frames: Configurations, rows: Integer) -> Float:
        """The same in one piece."""
        nothing = np.zeros((0, len(self.one.mean)))
        return np.concatenate([nothing, *self.energies(frames, rows)])

    def energy_variances(self, frames: Configurations, rows: Integer) -> Float:
        """Their squared lengths, (row,), computed once for every frame."""
        if self.variances is None:
            self.variances = np.full(len(frames), np.nan)
        missing = rows[np.isnan(self.variances[rows])]
        begin = 0
        for found in self.energies(frames, missing):
            self.variances[missing[begin : begin + len(found)]] = np.square(found).sum(axis=1)
            begin += len(found)
        return self.variances[rows]


@dataclass(frozen=True, eq=False)
class LastLayerBelief:
    """The posterior of the first member of `checkpoint`; an energy costs a forward pass, the forces of
    a frame a Jacobian, kept for the next question. Nothing is computed before it is asked for, and no
    frame is copied before: `rows` says which of `candidates` it is about; None: all.
    """

    checkpoint: Checkpoint
    candidates: Configurations
    training_frames: Configurations
    ridge: float
    rows: Integer | None = None
    shared: _Model | None = None

    @cached_property
    def _model(self) -> _Model:
        return self.shared or _Model(self.checkpoint, self.ridge)

    @cached_property
    def _index(self) -> Integer:
        return np.arange(len(self.candidates)) if self.rows is None else self.rows

    @cached_property
    def energies(self) -> Float:
        """See `Belief`."""
        return self._model.all_energies(self.candidates, self._index)

    @property
    def variances(self) -> Float:
        """See `Belief`."""
        return self._model.energy_variances(self.candidates, self._index)

    @cached_property
    def training(self) -> Float:
        """See `Belief`."""
        everything = np.arange(len(self.training_frames))
        return self._model.all_energies(self.training_frames, everything)

    def forces(self, row: int) -> Float:
        """See `Belief`."""
        frame = int(self._index[row])
        if frame not in self._model.forces:
            found = next(self._model.one.rows(self.candidates.take([frame]))).forces
            whitened = self._model.posterior.whitened(found.reshape(-1, found.shape[-1]))
            self._model.forces[frame] = whitened
        return self._model.forces[frame]

    def take(self, rows: Integer) -> LastLayerBelief:
        """See `Belief`."""
        return replace(self, rows=self._index[rows], shared=self._model)
