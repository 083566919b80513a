"""The checkpoint: an ensemble's weights, last-layer information and card, without a pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aldata.artifacts.columns import Array, Columns


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint(Columns):
    """An ensemble of potentials of one architecture; the null checkpoint has no members.

    weights (member, parameter): every parameter and floating buffer of the model, flattened in the
    order of the attribute `tensors`, a list of [name, shape, offset]. information (member, feature,
    feature): last-layer information matrix, sum of A^T R^-1 A over the training rows. numbers
    (element,) and isolated_energies (element,) in eV. Attributes: `card` (architecture, training
    settings, seeds, dataset digest, theory id) and `tensors`. Run facts (host, times, MLflow ids) are
    not in it: an identical re-training has an identical digest.
    """

    KIND: ClassVar[str] = "checkpoint"

    weights: npt.NDArray[np.float32]
    information: npt.NDArray[np.float64]
    numbers: Array
    isolated_energies: npt.NDArray[np.float64]

    @property
    def members(self) -> int:
        """Number of members of the ensemble; 0 for the null checkpoint."""
        return int(self.weights.shape[0])

    @property
    def is_null(self) -> bool:
        """True before anything was trained."""
        return self.members == 0

    @property
    def card(self) -> dict[str, Any]:
        """Architecture, settings, seeds and the digests it was made from."""
        card: dict[str, Any] = self.attributes["card"]
        return card


def null_checkpoint(numbers: Array, isolated_energies: npt.NDArray[np.float64]) -> Checkpoint:
    """The checkpoint before the first training: it knows the elements and their E0 only."""
    return Checkpoint(
        weights=np.zeros((0, 0), np.float32),
        information=np.zeros((0, 0, 0)),
        numbers=numbers,
        isolated_energies=isolated_energies,
        attributes={"card": {"architecture": None}, "tensors": []},
    )
