"""Gradients of last-layer features, written out: as many as are wanted from one forward pass.

Symbols: f_k feature k summed over the atoms, v a vector from a neighbour to an atom, D the density of an
atom (harmonic, channel), M the messages to it. Automatic differentiation takes one combination of the
features per backward pass. Written out, a pass is a dozen dense products, in which several combinations
are rows side by side: energies with and without a bias, or all features, which is the Jacobian of the
forces with respect to the last layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch.nn.functional import normalize, silu

from aldata.potentials.architecture import SILU_NORM
from aldata.potentials.graphs import Batch
from aldata.potentials.model import Layer, Model
from aldata.potentials.network import Network, member_rows


@dataclass(frozen=True)
class _Passed:
    """What the gradient of one layer needs.

    messages (member x atom, 2 x slot, degree x channel): M and its slopes in 1/A, side by side; radial
    (member x atom, 2 x slot, degree x channel): the same without the sender's features; slopes (member,
    atom, 1, harmonic, channel): of the products in the density.
    """

    messages: torch.Tensor
    radial: torch.Tensor
    slopes: torch.Tensor


class Pullback:
    """A forward pass that can be differentiated many times; nothing here is differentiable itself.

    features : what each layer contributes, (member, atom, feature), as `Network.features` gives them.
    table: what `Network.radial_table` would give, from elsewhere.
    """

    def __init__(
        self, network: Network, model: Model, batch: Batch, table: torch.Tensor | None = None
    ) -> None:
        self.network, self.model, self.batch = network, model, batch
        self.features: list[torch.Tensor] = []
        with torch.no_grad():
            self._harmonics = batch.harmonics.repeat(model.members, 1, 1)
            self._sender = member_rows(batch.sender.flatten(), model.members, len(batch.species))
            table = network.radial_table(model, batch) if table is None else table
            pairs = len(batch.radial)
            both = torch.stack([batch.pair, batch.pair + pairs], dim=1).flatten()
            self._passed = [
                self._forward(layer, index, table[:, index].index_select(1, both))
                for index, layer in enumerate(model.layers)
            ]
            if model.gate is not None:
                value = torch.bmm(self.features[-1], model.gate)
                gate = torch.sigmoid(value)
                self._opening = SILU_NORM * gate * (1 + value * (1 - gate))
                self.features[-1] = SILU_NORM * silu(value)

    def _forward(self, layer: Layer, index: int, radial: torch.Tensor) -> _Passed:
        network, batch = self.network, self.batch
        members, (atoms, slots) = self.model.members, batch.pair.shape
        own, up = network.arguments(self.model, index, self.features, batch)
        sent = up.flatten(0, 1).index_select(0, self._sender)
        wide = radial.view(members * atoms, 2, slots, -1, sent.shape[-1])
        both = (wide * sent.view(members * atoms, 1, slots, 1, -1)).view(len(wide), 2 * slots, -1)
        density = network.density(layer, both[:, :slots], self._harmonics)
        kind = batch.kind.expand(members, -1, -1)
        weights = torch.bmm(kind, layer.products).flatten(0, 1)
        product, slopes = network.contract_with_slopes(density, weights)
        self.features.append(torch.baddbmm(own, product.view(own.shape), layer.out))
        slopes = slopes.view(members, atoms, 1, *slopes.shape[1:])
        return _Passed(both, wide.view(both.shape), slopes)

    @property
    def size(self) -> int:
        """Numbers in the largest array that one more seed needs."""
        return self._harmonics.shape[0] * self.network.own_degree.numel()

    def vector_gradients(self, seeds: torch.Tensor) -> torch.Tensor:
        """d(seed . f)/dv, without the scale: (member, seed, atom, slot, 3) in 1/A.

        seeds (member, atom, seed, feature): the same for all atoms of a frame; one atom stands for all. The
        features are those of all layers, or of the first ones.
        """
        widths = [part.shape[2] for part in self.features]
        top = list(accumulate(widths)).index(seeds.shape[3])
        with torch.no_grad():
            parts = torch.split(seeds, widths[: top + 1], dim=3)
            at, members = parts[-1], self.model.members
            atoms = len(self.batch.species)
            at = at.expand(-1, atoms, -1, -1)
            if self.model.gate is not None and top == len(widths) - 1:
                opened = at * self._opening[:, :, None]
                at = torch.matmul(opened, self.model.gate.transpose(1, 2)[:, None])
            total = at.new_zeros(())
            for index in range(top, -1, -1):
                layer, passed = self.model.layers[index], self._passed[index]
                pulled = self._density_gradient(layer, passed, at)
                total = total + torch.bmm(pulled, passed.messages.transpose(1, 2))
                if index:
                    at = self._sent_gradient(layer, passed, at, pulled) + parts[index - 1]
            return self._along_vectors(total.view(members, atoms, seeds.shape[2], -1))

    def _density_gradient(self, layer: Layer, passed: _Passed, at: torch.Tensor) -> torch.Tensor:
        """From d/d(features) (member, atom, seed, channel) to d/d(harmonics x messages), (member x atom,
        seed x harmonic, degree x channel).
        """
        members, atoms, seeds, channels = at.shape
        products = torch.bmm(at.flatten(1, 2), layer.out.transpose(1, 2))
        wide = products.view(members, atoms, seeds, 1, channels) * passed.slopes
        mixed = torch.bmm(wide.view(members, -1, channels), layer.mix.transpose(1, 2))
        own = self.network.own_degree
        return mixed.view(-1, *own.shape).mul_(own).view(members * atoms, -1, own.shape[1])

    def _sent_gradient(
        self, layer: Layer, passed: _Passed, at: torch.Tensor, pulled: torch.Tensor
    ) -> torch.Tensor:
        """To the features of the layer before: through the messages and through the residual."""
        members, atoms, seeds, channels = at.shape
        slots = self.batch.pair.shape[1]
        wide = pulled.view(len(pulled), seeds, -1, pulled.shape[2]).transpose(1, 2).flatten(2)
        there = torch.bmm(self._harmonics, wide).view(len(pulled), slots, seeds, -1)
        there.mul_(passed.radial[:, :slots, None])
        there = there.view(len(pulled), slots, seeds, -1, channels).sum(3)
        sent = at.new_zeros(members * atoms, seeds, channels)
        sent.index_add_(0, self._sender, there.flatten(0, 1))
        kept = at[..., None, :] * self.batch.kind[:, None, :, None]
        found = torch.bmm(kept.view(members, atoms * seeds, -1), layer.skip.transpose(1, 2))
        return torch.baddbmm(
            found, sent.view(members, -1, channels), layer.up.transpose(1, 2)
        ).view(at.shape)

    @cached_property
    def _ways(self) -> torch.Tensor:
        """Slopes of the harmonics, then harmonics times unit vectors: (atom x slot, 2 x harmonic, 3)."""
        batch = self.batch
        along = batch.harmonics[..., None] * normalize(batch.vectors, dim=-1)[:, :, None]
        return torch.cat([batch.harmonic_slopes, along], dim=2).flatten(0, 1)

    def _along_vectors(self, total: torch.Tensor) -> torch.Tensor:
        """The chain rule through harmonics and distances, the same for all layers."""
        (slots, harmonics), (members, atoms, seeds, _) = self.batch.harmonics.shape[1:], total.shape
        wide = total.view(members, atoms, seeds, harmonics, 2, slots).permute(1, 5, 0, 2, 4, 3)
        found = torch.bmm(wide.reshape(atoms * slots, members * seeds, -1), self._ways)
        return found.view(atoms, slots, members, seeds, 3).permute(2, 3, 0, 1, 4)
