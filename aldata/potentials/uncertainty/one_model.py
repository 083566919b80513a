"""One model and its last layer, in float64: what every method but the committee is made of.

The energy and the forces of a model are linear in its last layer (see `last_layer`). Whatever one
believes about that layer - a posterior, draws from it, layers with features switched off - turns into
an energy variance and a 3x3 covariance per atom by products with the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Configurations, Predictions
from aldata.potentials.committee import Committee
from aldata.potentials.graphs import refuse_unknown
from aldata.potentials.last_layer import Rows, energy_rows, parameters, rows
from aldata.potentials.posterior import Posterior

Float = npt.NDArray[np.float64]

Moments = tuple[Float, Float, Float, Float]
"""Energy (frame,) in eV without E0 and its variance, forces (atom, 3) in eV/A and their covariance
(atom, 3, 3)."""


class OneModel:
    """The first member of a checkpoint, its last layer `mean` (parameter,) and the belief about it.

    Raises InvalidInput for the null checkpoint.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        first = replace(
            checkpoint, weights=checkpoint.weights[:1], information=checkpoint.information[:1]
        )
        self.committee = Committee.from_checkpoint(first, "float64")
        self.mean = parameters(self.committee.model)
        self.digest = checkpoint.digest

    def posterior(self, ridge: float) -> Posterior:
        """The belief about the last layer from the training set; see `Posterior.of`."""
        return Posterior.of(self.committee.checkpoint.information[0], ridge)

    def rows(self, configurations: Configurations, batch_size: int = 4) -> Iterator[Rows]:
        """Rows of all energies, forces and stresses, a few frames at a time: they are large."""
        refuse_unknown(configurations.numbers, self.committee.numbers)
        frames = list(configurations)
        for start in range(0, len(frames), batch_size):
            batch = self.committee.batch_of(frames[start : start + batch_size])
            yield rows(self.committee.network, self.committee.model, batch)

    def energy_rows(self, configurations: Configurations, batch_size: int = 16) -> Float:
        """Rows of the energies alone, (frame, parameter) in eV: a forward pass, no derivative."""
        graphs = self.committee.graphs(configurations)
        found = [np.zeros((0, len(self.mean)))]
        with torch.no_grad():
            for start in range(0, len(graphs), batch_size):
                batch = self.committee.batch(graphs[start : start + batch_size])
                found.append(energy_rows(self.committee.network, self.committee.model, batch))
        return np.concatenate(found)

    def predictions(
        self, configurations: Configurations, moments: Callable[[Rows], Moments], **facts: object
    ) -> Predictions:
        """What `moments` makes of the rows, E0 added; `facts` become attributes."""
        empty = (np.zeros(0), np.zeros(0), np.zeros((0, 3)), np.zeros((0, 3, 3)))
        pieces = [moments(found) for found in self.rows(configurations)]
        energy, variance, forces, covariance = (
            np.concatenate(parts) for parts in zip(empty, *pieces, strict=True)
        )
        return Predictions(
            configuration_id=configurations.configuration_id,
            row_size=configurations.row_size,
            energy=energy + self.committee.isolated_energies(configurations),
            energy_variance=variance,
            forces=forces,
            force_covariance=covariance,
            attributes={"checkpoint": self.digest, **facts},
        )
