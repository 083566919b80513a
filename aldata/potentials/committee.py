"""A committee of potentials rebuilt from a checkpoint: predictions, features, ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import numpy.typing as npt
import torch

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Configuration, Configurations, Predictions
from aldata.errors import DamagedArtifact, InvalidInput
from aldata.potentials.derivatives import evaluate
from aldata.potentials.graphs import Batch, Graph, batch_of, collate, graphs_of
from aldata.potentials.network import Network
from aldata.potentials.tabulated import RadialTable

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

Float = npt.NDArray[np.float64]
Precision = Literal["float32", "float64"]


class Committee:
    """The potentials of one checkpoint, evaluated together.

    Energies contain the isolated atoms' E0, added in float64: a total energy of -10,000 eV has a
    resolution of only 1 meV in float32.
    """

    def __init__(self, checkpoint: Checkpoint, dtype: Precision = "float32") -> None:
        self.checkpoint = checkpoint
        self.numbers = [int(z) for z in checkpoint.numbers]
        self.network = Network.from_card(checkpoint.card, self.numbers, dtype)
        if [list(row) for row in checkpoint.attributes["tensors"]] != self.network.table():
            raise DamagedArtifact(
                "the table of tensors does not fit the architecture on the card",
                where="checkpoint",
                next_step="train this generation again",
            )
        with torch.no_grad():
            self.model = self.network.model(checkpoint.weights)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, dtype: Precision = "float32") -> Self:
        """The committee of a checkpoint; raises InvalidInput for the null checkpoint."""
        if checkpoint.is_null:
            raise InvalidInput("nothing was trained yet", where="checkpoint")
        return cls(checkpoint, dtype)

    @property
    def members(self) -> int:
        """Number of members."""
        return self.checkpoint.members

    def graphs(self, configurations: Configurations) -> list[Graph]:
        """Neighbour graphs; raises InvalidInput for elements that the potential does not know."""
        return graphs_of(configurations, self.numbers, self.network.architecture)

    def batch(self, graphs: Sequence[Graph]) -> Batch:
        """Graphs side by side, in the committee's precision."""
        return collate(graphs, len(self.numbers), self.network.dtype)

    def batch_of(self, frames: Sequence[Configuration]) -> Batch:
        """The same of frames whose elements are known to be the model's, without a graph of each."""
        return batch_of(frames, self.numbers, self.network.architecture, self.network.dtype)

    @cached_property
    def _radial(self) -> RadialTable:
        return RadialTable(self.network, self.model)

    def radial_table(self, batch: Batch) -> torch.Tensor:
        """As `Network.radial_table`, in single precision from a table: for who asks again and again."""
        if self.network.dtype != torch.float32:
            return self.network.radial_table(self.model, batch)
        return self._radial.radial_table(batch)

    def isolated_energies(self, configurations: Configurations) -> Float:
        """Sum of E0 over the atoms of each frame, (frame,) in eV."""
        kind = np.searchsorted(self.numbers, configurations.numbers)
        per_atom = self.checkpoint.isolated_energies[kind]
        frames = configurations.frame_of_atom
        summed = np.bincount(frames, weights=per_atom, minlength=len(configurations))
        return np.asarray(summed, dtype=np.float64)

    def member_predictions(
        self, configurations: Configurations, batch_size: int = 8
    ) -> tuple[Float, Float]:
        """Energies (member, frame) in eV and forces (member, atom, 3) in eV/A of each member."""
        graphs = self.graphs(configurations)
        energies = [np.zeros((self.members, 0))]
        forces = [np.zeros((self.members, 0, 3))]
        for start in range(0, len(graphs), batch_size):
            part = graphs[start : start + batch_size]
            batch = self.batch(part)
            results = evaluate(self.network, self.model, batch)
            energies.append(results.energy.numpy().astype(np.float64))
            forces.append(results.forces.numpy().astype(np.float64))
        total = np.concatenate(energies, axis=1) + self.isolated_energies(configurations)
        return total, np.concatenate(forces, axis=1)

    def predict(self, configurations: Configurations, batch_size: int = 8) -> Predictions:
        """Mean and sample (co)variance of the members; zero variance for a single member."""
        energies, forces = self.member_predictions(configurations, batch_size)
        return Predictions(
            configuration_id=configurations.configuration_id,
            row_size=configurations.row_size,
            energy=energies.mean(0),
            energy_variance=_covariance(energies[:, :, None])[:, 0, 0],
            forces=forces.mean(0),
            force_covariance=_covariance(forces),
            attributes={"checkpoint": self.checkpoint.digest, "members": self.members},
        )

    def node_features(self, configurations: Configurations, batch_size: int = 8) -> Float:
        """Invariant features of every atom in the first member, (atom, feature): what its last layer
        reads, of all layers. No derivative is taken.
        """
        model = self.network.model(self.checkpoint.weights[:1])
        graphs = self.graphs(configurations)
        found = [np.zeros((0, self.network.architecture.features))]
        with torch.no_grad():
            for start in range(0, len(graphs), batch_size):
                batch = self.batch(graphs[start : start + batch_size])
                radial, _ = self.network.radial(model, batch)
                parts = self.network.features(model, batch, radial, batch.harmonics)
                found.append(torch.cat(parts, dim=2)[0].numpy().astype(np.float64))
        return np.concatenate(found)

    def calculator(self) -> Calculator:
        """An ASE calculator of the committee mean; see `calculator.CommitteeCalculator`."""
        from aldata.potentials.calculator import CommitteeCalculator

        return CommitteeCalculator(self)


def _covariance(values: Float) -> Float:
    """Sample covariance (ddof 1) over members: (member, n, k) -> (n, k, k)."""
    members = values.shape[0]
    centred = values - values.mean(0)
    summed = np.einsum("mni,mnj->nij", centred, centred)
    return np.asarray(summed / max(members - 1, 1))
