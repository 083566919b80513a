"""A committee that is drawn to where it knows least, at the cost of one backward pass.

Symbols: m a member, a_m = (s phi, n) the row of a frame's energy in its last layer (s scale, phi the
features summed over the atoms, n the number of atoms of each element), Sigma_m the posterior covariance of
that layer, sigma_m^2 = a_m . Sigma_m a_m, tau the strength.

    E_bias = mean over members of (E_m - tau sigma_m)

Its gradient is that of mean_m (c_m - tau Sigma_m a_m / sigma_m) . a_m with the parenthesis held fixed: a
last layer that is exchanged between the forward and the backward pass. Uncertainty-driven dynamics:
Kulichenko et al., Nat. Comput. Sci. 3, 230 (2023); uncertainty-biased: Zaverkin et al., npj Comput. Mater.
10, 83 (2024). Sigma is not calibrated here: the strength is set by forces, see `BiasedCalculator.settle`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from ase.calculators.calculator import all_changes

from aldata.artifacts.conversion import from_atoms
from aldata.potentials.calculator import CommitteeCalculator
from aldata.potentials.derivatives import evaluate
from aldata.potentials.graphs import Batch, graph_of, refuse_unknown
from aldata.potentials.model import Model
from aldata.potentials.posterior import Posterior
from aldata.potentials.questions import Ask

if TYPE_CHECKING:
    from ase import Atoms

    from aldata.potentials.committee import Committee

Float = npt.NDArray[np.float64]


class Pull:
    """Sigma of one frame's energy and the last layers that its gradient belongs to.

    `sigma` (member,) in eV is known once the features of a forward pass are.
    """

    def __init__(self, covariances: Float, model: Model, batch: Batch) -> None:
        self.covariances, self.model = covariances, model
        self.scales = model.scale.numpy().astype(np.float64)
        self.counts = batch.kind.sum(0).numpy().astype(np.float64)
        self.sigma = np.zeros(len(covariances))

    def directions(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """D sigma / d(features), over the scale: (member, feature)."""
        phi = torch.cat(list(features), dim=2).detach().sum(1).numpy().astype(np.float64)
        counts = np.broadcast_to(self.counts, (len(phi), len(self.counts)))
        rows = np.concatenate([self.scales[:, None] * phi, counts], axis=1)
        pulled = np.einsum("mij,mj->mi", self.covariances, rows)
        self.sigma = np.sqrt(np.einsum("mi,mi->m", pulled, rows))
        return torch.from_numpy(pulled[:, : phi.shape[1]] / self.sigma[:, None])

    def biased(self, features: Sequence[torch.Tensor], strength: float) -> Model:
        """The model whose energies have the gradient of E - strength x sigma."""
        coefficients = self.model.coefficients
        change = strength * self.directions(features).to(coefficients.dtype)
        return replace(self.model, coefficients=coefficients - change)

    def alone(self, features: Sequence[torch.Tensor]) -> Model:
        """The model whose energies have the gradient of -sigma."""
        coefficients = self.model.coefficients
        return replace(self.model, coefficients=-self.directions(features).to(coefficients.dtype))


class BiasedCalculator(CommitteeCalculator):
    """Committee mean of E - strength x sigma_E: energy in eV with E0, forces in eV/A, stress in eV/A^3.

    `results["energy_sigma"]` is the members' mean sigma_E in eV, uncalibrated. `force_deviation` is that of
    the members without a bias: a pass of its own, when it is asked for. With strength 0 it is the
    committee's mean. Raises InvalidInput for a last layer without information.
    """

    implemented_properties: ClassVar[list[str]] = [
        *CommitteeCalculator.implemented_properties,
        "energy_sigma",
    ]

    def __init__(self, committee: Committee, ridge: float, strength: float = 0.0) -> None:
        super().__init__(committee)
        self.strength = strength
        self.covariances = covariances_of(committee.checkpoint.information, ridge)
        self._forces: list[tuple[float, float]] = []

    def asking(self, ask: Ask) -> Self:
        """A calculator of the same committee, for other atoms, with a strength of its own."""
        other = super().asking(ask)
        other._forces = []
        return other

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Evaluate all members on `atoms`, with the bias."""
        if "force_deviation" in properties:
            kept = dict(self.results)
            super().calculate(atoms, properties, system_changes)
            self.results = {"force_deviation": self.results["force_deviation"], **kept}
            if "energy" in kept:
                return
        super(CommitteeCalculator, self).calculate(atoms, properties, system_changes)
        if "numbers" in system_changes:
            refuse_unknown(self.atoms.numbers, self.committee.numbers)
        self.results |= self._evaluated(self.atoms)

    def gauge(self, atoms: Atoms) -> None:
        """Compare the committee's forces with those of sigma; `settle` uses the mean of all looks."""
        batch = self._batch(atoms)
        pull = Pull(self.covariances, self.committee.model, batch)
        plain = evaluate(self.committee.network, self.committee.model, batch).forces.mean(0)
        drawn = evaluate(
            self.committee.network, self.committee.model, batch, driven=pull.alone
        ).forces.mean(0)
        self._forces.append((float(plain.norm(dim=1).mean()), float(drawn.norm(dim=1).mean())))

    def settle(self, share: float) -> float:
        """Set the strength (no unit) at which the mean size of the biasing force is `share` of the mean
        size of the committee's, over the frames that were gauged. Returns it; 0 where sigma has no force.
        """
        forces, drawn = np.array(self._forces).mean(axis=0) if self._forces else (0.0, 0.0)
        self.strength = share * forces / drawn if drawn > 0 else 0.0
        self.reset()
        return self.strength

    def _batch(self, atoms: Atoms) -> Batch:
        committee = self.committee
        graph = graph_of(from_atoms(atoms), committee.numbers, committee.network.architecture)
        return committee.batch([graph])

    def _evaluated(self, atoms: Atoms) -> dict[str, Any]:
        committee, batch = self.committee, self._batch(atoms)
        pull, periodic = Pull(self.covariances, committee.model, batch), bool(atoms.pbc.all())
        found = evaluate(
            committee.network,
            committee.model,
            batch,
            stress=periodic,
            driven=lambda features: pull.biased(features, self.strength),
        )
        sigma = float(pull.sigma.mean())
        energy = float(found.energy.numpy().astype(np.float64).mean()) - self.strength * sigma
        energy += float(committee.checkpoint.isolated_energies[batch.species.numpy()].sum())
        forces = found.forces.numpy().astype(np.float64).mean(0)
        results = {"energy": energy, "free_energy": energy, "forces": forces, "energy_sigma": sigma}
        if found.stress is not None:
            results["stress"] = found.stress[:, 0].numpy().astype(np.float64).mean(0)
        return results


def covariances_of(information: Float, ridge: float) -> Float:
    """Sigma of every member's last layer, (member, parameter, parameter), from its information."""
    found = []
    for matrix in information:
        posterior = Posterior.of(matrix, ridge)
        half = posterior.whitened(np.eye(len(matrix)))
        found.append(half @ half.T)
    return np.array(found)
