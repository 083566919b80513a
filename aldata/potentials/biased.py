"""A committee that is drawn to where it knows least, at the cost of a committee that is not.

Symbols: m a member, x_m = (c, t) the parameters of its last layer and a_m = (s phi, n) the row of a frame's
energy in it (s scale, phi the features summed over the atoms, n the number of atoms of each element),
Sigma_m the posterior covariance of x_m, sigma_m^2 = a_m . Sigma_m a_m, tau the strength.

    E_bias = mean over members of (E_m - tau sigma_m)

The gradient of E_m is that of x_m . a_m, the gradient of sigma_m that of (Sigma_m a_m / sigma_m) . a_m with
the parenthesis held fixed: two last layers side by side in one backward pass. Uncertainty-driven dynamics:
Kulichenko et al., Nat. Comput. Sci. 3, 230 (2023); uncertainty-biased: Zaverkin et al., npj Comput. Mater.
10, 83 (2024). Sigma is not calibrated here: the strength is set by forces, see `BiasedCalculator.settle`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from ase.calculators.calculator import all_changes

from aldata.artifacts.frames import Configuration
from aldata.potentials.calculator import CommitteeCalculator, deviation_of, rows_of
from aldata.potentials.derivatives import forces_from, per_frame, stress_from
from aldata.potentials.posterior import Posterior
from aldata.potentials.pullback import Pullback
from aldata.potentials.questions import Ask

if TYPE_CHECKING:
    from ase import Atoms

    from aldata.potentials.committee import Committee
    from aldata.potentials.graphs import Batch

Float = npt.NDArray[np.float64]


class LastLayers:
    """The last layers of a committee, and what is not known about them; `ridge` as in `Posterior.of`.

    covariances (member, parameter, parameter): Sigma. scale (member, 1, 1); parameters (member, 1,
    parameter): (c, t).
    """

    def __init__(self, committee: Committee, ridge: float) -> None:
        self.committee, model = committee, committee.model
        self.covariances = covariances_of(committee.checkpoint.information, ridge)
        self.scale = model.scale.numpy().astype(np.float64)[:, None, None]
        self.parameters = torch.cat([model.coefficients, model.shift], dim=1).numpy()[:, None]

    def rows(self, features: Sequence[torch.Tensor], batch: Batch) -> Float:
        """Rows a of the energies, (member, frame, parameter), from features (member, atom, ...)."""
        phi = per_frame(torch.cat(list(features), dim=2), batch).numpy()
        counts = per_frame(batch.kind[None], batch).numpy()
        wide = np.broadcast_to(counts, (len(phi), *counts.shape[1:]))
        return np.concatenate([self.scale * phi, wide], axis=2)


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawn:
    """One frame: energy with E0 and its sigma in eV, and forces (2, atom, 3) in eV/A and stress (2, 6) in
    eV/A^3, None without a volume: those of the energy, and those of -sigma. All are means over the members.
    deviation (atom,) in eV/A: how far the members' forces disagree.
    """

    energy: float
    sigma: float
    forces: Float
    stress: Float | None
    deviation: Float

    def biased(self, strength: float) -> dict[str, Any]:
        """Results of a calculator with a bias of this strength."""
        energy, both = self.energy - strength * self.sigma, np.array([1.0, strength])
        results = {
            "energy": energy,
            "free_energy": energy,
            "forces": np.tensordot(both, self.forces, axes=1),
            "force_deviation": self.deviation,
            "energy_sigma": self.sigma,
        }
        return results if self.stress is None else results | {"stress": both @ self.stress}


class BiasedCalculator(CommitteeCalculator):
    """Committee mean of E - strength x sigma_E: energy in eV with E0, forces in eV/A, stress in eV/A^3.

    `results["energy_sigma"]` is the members' mean sigma_E in eV, uncalibrated. `force_deviation` is that of
    the members without a bias. With strength 0 it is the committee's mean. Raises InvalidInput for a last
    layer without information.
    """

    implemented_properties: ClassVar[list[str]] = [
        *CommitteeCalculator.implemented_properties,
        "energy_sigma",
    ]

    def __init__(self, committee: Committee, ridge: float, strength: float = 0.0) -> None:
        super().__init__(committee)
        self.strength = strength
        self.layers = LastLayers(committee, ridge)
        self._drawn: Drawn | None = None
        self._sizes: list[tuple[float, float]] = []

    def asking(self, ask: Ask) -> Self:
        """A calculator of the same committee, for other atoms, with a strength of its own."""
        other = super().asking(ask)
        other._sizes = []
        return other

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),  # noqa: ARG002
        system_changes: Any = all_changes,
    ) -> None:
        """Evaluate all members on `atoms`, with the bias."""
        self._drawn = self.ask(drawn_of, self.layers, self.frame(atoms, system_changes))
        self.results = self._drawn.biased(self.strength)

    def gauge(self, atoms: Atoms) -> None:
        """Compare the committee's forces with those of sigma; `settle` uses the mean of all looks."""
        self.get_property("forces", atoms)
        if self._drawn is not None:
            plain, drawn = np.linalg.norm(self._drawn.forces, axis=2).mean(axis=1)
            self._sizes.append((float(plain), float(drawn)))

    def settle(self, share: float) -> float:
        """Set the strength (no unit) at which the mean size of the biasing force is `share` of the mean
        size of the committee's, over the frames that were gauged. Returns it; 0 where sigma has no force.
        """
        forces, drawn = np.array(self._sizes).mean(axis=0) if self._sizes else (0.0, 0.0)
        self.strength = share * forces / drawn if drawn > 0 else 0.0
        self.reset()
        return self.strength


def drawn_of(layers: LastLayers, frames: Sequence[Configuration]) -> list[Drawn]:
    """What all members say of each frame, from one forward and one backward pass.

    A frame that makes numbers which are not finite shares none: then each is evaluated alone.
    """
    committee = layers.committee
    batch, model = committee.batch_of(frames), committee.model
    forward = Pullback(committee.network, model, batch, committee.radial_table(batch))
    rows = layers.rows(forward.features, batch)
    pulled = rows @ layers.covariances
    sigma = np.sqrt((pulled * rows).sum(axis=2))
    drawn = layers.scale * (pulled / sigma[..., None])[..., : model.coefficients.shape[1]]
    own = (model.scale[:, None] * model.coefficients)[:, None].expand(drawn.shape)
    seeds = torch.stack([own, torch.from_numpy(-drawn).to(own.dtype)], dim=2)
    found = forward.vector_gradients(seeds.index_select(1, batch.frame))
    vectors = found.transpose(0, 1).flatten(0, 1)  # all members of the energy, then all of -sigma
    forces = _split(forces_from(vectors, batch))
    if len(frames) > 1 and not np.isfinite(forces).all():
        return [drawn_of(layers, [frame])[0] for frame in frames]
    deviation, means = deviation_of(forces[0]), forces.mean(axis=1)
    stress = _split(stress_from(vectors, batch)).mean(axis=1) if batch.has_volume else None
    isolated = committee.checkpoint.isolated_energies[batch.species.numpy()]
    energies = (rows * layers.parameters).sum(axis=2).mean(axis=0)
    return [
        Drawn(
            energy=float(energies[frame]) + float(isolated[atoms].sum()),
            sigma=float(sigma[:, frame].mean()),
            forces=means[:, atoms],
            stress=stress[:, frame] if stress is not None and batch.volume[frame] > 0 else None,
            deviation=deviation[atoms],
        )
        for frame, atoms in enumerate(rows_of(frames))
    ]


def _split(found: torch.Tensor) -> Float:
    """(2, member, ...) from what is (2 x member, ...)."""
    return found.numpy().astype(np.float64).reshape(2, -1, *found.shape[1:])


def covariances_of(information: Float, ridge: float) -> Float:
    """Sigma of every member's last layer, (member, parameter, parameter), from its information."""
    found = []
    for matrix in information:
        posterior = Posterior.of(matrix, ridge)
        half = posterior.whitened(np.eye(len(matrix)))
        found.append(half @ half.T)
    return np.array(found)
