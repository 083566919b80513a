"""The forward pass of a committee of MACE models, all members at once.

With scalar hidden features MACE's equations reduce to a few dense products. They are written out here
on mace-torch's own parameters: the same function (tested against mace-torch to 1e-12) at a fraction of
the time, because e3nn's general tensor products cost hundreds of small operations per layer. Members
share the graph and run side by side along the first dimension of every tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import silu

from aldata.potentials.architecture import (
    SILU_NORM,
    Architecture,
    Tensor,
    couplings_name,
    radial_name,
    tensors,
)
from aldata.potentials.graphs import Batch
from aldata.potentials.harmonics import degrees, monomials
from aldata.potentials.model import Layer, Model
from aldata.potentials.radial import radial_network

Weights = dict[str, torch.Tensor]


class Network:
    """The architecture for given elements: turns flat weights into models and evaluates them."""

    def __init__(
        self,
        architecture: Architecture,
        numbers: Sequence[int],
        mean_degree: float,
        dtype: str = "float32",
    ) -> None:
        """numbers: atomic numbers, ascending. mean_degree: neighbours per atom in the training set."""
        self.architecture = architecture
        self.numbers = list(numbers)
        self.mean_degree = mean_degree
        self.dtype: torch.dtype = getattr(torch, dtype)
        products = [monomials(architecture.max_ell, k + 1) for k in range(architecture.correlation)]
        # order 1 is the harmonic of degree 0 alone: one monomial per harmonic, as in order 2
        lone = np.eye(architecture.harmonics)[:, :1]
        self._couplings = [
            self._constant(coefficients.T if order else lone)
            for order, (_, coefficients) in enumerate(products)
        ]
        paths = tuple(int(coupling.shape[1]) for coupling in self._couplings)
        # which harmonic is the first, second, third factor of each monomial of the highest order
        factors = np.eye(architecture.harmonics)[products[-1][0].T.ravel()]
        self._factors = self._constant(factors)
        self.tensors: list[Tensor] = [
            *tensors(architecture, len(self.numbers), paths),
            Tensor("scale", (), 0.0, 1.0),
            Tensor("shift", (len(self.numbers),), 0.0, 1.0),
        ]
        norms = [np.full(tensor.size, tensor.norm) for tensor in self.tensors]
        self._norms = self._constant(np.concatenate(norms))
        ell = degrees(architecture.max_ell)
        own = np.arange(architecture.max_ell + 1)[None, :] == ell[:, None]
        mask = np.repeat(own / mean_degree, architecture.channels, axis=1)
        self.own_degree = self._constant(mask)

    @classmethod
    def from_card(cls, card: dict[str, Any], numbers: Sequence[int], dtype: str) -> Self:
        """The network that a checkpoint's card describes."""
        architecture = Architecture.checked(card["architecture"], "checkpoint card")
        return cls(architecture, numbers, float(card["mean_degree"]), dtype)

    def _constant(self, values: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.dtype)

    def _tensor(self, flat: npt.NDArray[Any] | torch.Tensor) -> torch.Tensor:
        # a copy of an array: those of a store are mapped read-only, which torch cannot express
        values = torch.tensor(flat) if isinstance(flat, np.ndarray) else flat
        return values.to(self.dtype)

    @property
    def size(self) -> int:
        """Number of weights of one member."""
        return sum(tensor.size for tensor in self.tensors)

    def table(self) -> list[list[Any]]:
        """The attribute `tensors` of a checkpoint: [name, shape, offset] per tensor."""
        offsets = np.cumsum([0, *(tensor.size for tensor in self.tensors)])
        return [
            [tensor.name, list(tensor.shape), int(offset)]
            for tensor, offset in zip(self.tensors, offsets, strict=False)
        ]

    def initial_weights(self, seed: int, scale: float, shift: float) -> npt.NDArray[np.float32]:
        """Random weights of one member, shape (weight,), as mace-torch draws them; scale in eV, shift
        in eV per atom.
        """
        generator = np.random.default_rng(seed)
        flat = [
            generator.normal(0.0, tensor.deviation, tensor.size) for tensor in self.tensors[:-2]
        ]
        ends = [[scale], [shift] * len(self.numbers)]
        return np.concatenate([*flat, *ends]).astype(np.float32)

    def split(self, flat: npt.NDArray[Any] | torch.Tensor) -> Weights:
        """Flat weights (member, weight) as named tensors (member, ...)."""
        values = self._tensor(flat)
        parts = torch.split(values, [tensor.size for tensor in self.tensors], dim=1)
        return {
            tensor.name: part.reshape(values.shape[0], *tensor.shape)
            for tensor, part in zip(self.tensors, parts, strict=True)
        }

    def model(self, flat: npt.NDArray[Any] | torch.Tensor) -> Model:
        """The models of flat weights (member, weight); differentiable in them."""
        w = self.split(self._tensor(flat) * self._norms)
        layers, last = range(self.architecture.interactions), self.architecture.interactions - 1
        coefficients = [w[f"readouts.{k}.linear.weight"] for k in range(max(last, 1))]
        if last > 0:
            coefficients.append(w[f"readouts.{last}.linear_2.weight"])
        radial = [
            torch.stack([w[radial_name(k, depth)] for k in layers], dim=1).flatten(0, 1)
            for depth in range(len(self.architecture.radial_mlp) + 1)
        ]
        return Model(
            embedding=w["node_embedding.linear.weight"],
            radial=radial,
            layers=[self._layer(w, k) for k in layers],
            gate=w[f"readouts.{last}.linear_1.weight"] if last > 0 else None,
            coefficients=torch.cat(coefficients, dim=1),
            scale=w["scale"],
            shift=w["shift"],
        )

    def _layer(self, w: Weights, index: int) -> Layer:
        order, start = self.architecture.correlation, f"interactions.{index}"
        products = [
            torch.matmul(coupling, w[couplings_name(index, order, k + 1)]).flatten(2)
            for k, coupling in enumerate(self._couplings)
        ]
        return Layer(
            up=w[f"{start}.linear_up.weight"],
            mix=w[f"{start}.linear.weight"].flatten(1, 2),
            skip=w[f"{start}.skip_tp.weight"].flatten(2),
            products=torch.cat(products, dim=2),
            out=w[f"products.{index}.linear.weight"],
        )

    def radial(self, model: Model, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Radial functions and their slopes in 1/A: (member, layer, pair, degree x channel)."""
        values, slopes = self.radial_table(model, batch).chunk(2, dim=2)
        return values, slopes

    def radial_table(self, model: Model, batch: Batch) -> torch.Tensor:
        """Radial functions of all pairs, then their slopes: (member, layer, 2 x pair, ...)."""
        rows = torch.cat([batch.radial, batch.radial_slopes])
        both = radial_network(rows, model.radial)
        return both.view(model.members, self.architecture.interactions, len(rows), -1)

    def features(
        self, model: Model, batch: Batch, radial: torch.Tensor, harmonics: torch.Tensor
    ) -> list[torch.Tensor]:
        """Last-layer features that each layer contributes: (member, atom, feature).

        radial: radial functions, see `radial`; harmonics (member x atom, slot, harmonic): arguments, so
        that a caller can differentiate with respect to them.
        """
        kind = batch.kind.expand(model.members, -1, -1)
        found: list[torch.Tensor] = []
        for index, (layer, values) in enumerate(zip(model.layers, radial.unbind(1), strict=True)):
            own, up = self.arguments(model, index, found, batch)
            density = self.density(layer, self._messages(values, up, batch), harmonics)
            product = self._contract(density, torch.bmm(kind, layer.products).flatten(0, 1))
            found.append(torch.baddbmm(own, product.view(own.shape), layer.out))
        if model.gate is not None:
            found[-1] = SILU_NORM * silu(torch.bmm(found[-1], model.gate))
        return found

    def arguments(
        self, model: Model, index: int, found: Sequence[torch.Tensor], batch: Batch
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of a layer, given the features of those before it: the residual, and what is sent to
        neighbours, both (member, atom, channel).
        """
        layer, kind = model.layers[index], batch.kind.expand(model.members, -1, -1)
        if index == 0:
            own = torch.bmm(kind, self._first_skip(model.embedding, layer.skip))
            return own, torch.bmm(kind, torch.bmm(model.embedding, layer.up))
        wide = torch.bmm(found[-1], layer.skip).view(*kind.shape, -1)
        return (wide * batch.kind[..., None]).sum(2), torch.bmm(found[-1], layer.up)

    def _first_skip(self, embedding: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """The first layer's residual depends on the element only: (member, element, channel)."""
        members, elements, channels = embedding.shape
        wide = skip.view(members, channels, elements, channels).transpose(1, 2)
        return torch.matmul(embedding[:, :, None], wide).squeeze(2)

    def _messages(self, radial: torch.Tensor, sent: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Radial functions (member, pair, degree x channel) times the sender's features (member, atom,
        channel), at every slot: (member x atom, slot, degree x channel).
        """
        members, atoms, channels = sent.shape
        pair = member_rows(batch.pair.flatten(), members, radial.shape[1])
        sender = member_rows(batch.sender.flatten(), members, atoms)
        values = radial.flatten(0, 1).index_select(0, pair).view(len(pair), -1, channels)
        there = sent.flatten(0, 1).index_select(0, sender)
        return (values * there[:, None]).view(members * atoms, batch.sender.shape[1], -1)

    def density(
        self, layer: Layer, messages: torch.Tensor, harmonics: torch.Tensor
    ) -> torch.Tensor:
        """Sum over slots of messages x harmonics, channels mixed per degree: (member x atom, harmonic,
        channel).
        """
        every = torch.bmm(harmonics.transpose(1, 2), messages) * self.own_degree
        members, wide, channels = layer.mix.shape
        return torch.bmm(every.view(members, -1, wide), layer.mix).view(len(every), -1, channels)

    def _contract(self, density: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Products of the density with itself, coupled to scalars: (member x atom, channel).

        weights (member x atom, monomial x channel). A product of two is a square, one per harmonic.
        """
        counts = [len(coupling) for coupling in self._couplings]
        tables = weights.view(len(weights), sum(counts), -1)
        first, *higher = torch.split(tables, counts, dim=1)
        inner = torch.addcmul(first, higher[0], density) if higher else first
        total = (inner * density).sum(1)
        if len(higher) > 1:
            factors = torch.bmm(self._factors.expand(len(density), -1, -1), density)
            a, b, c = factors.chunk(3, dim=1)
            total = total + (higher[1] * a * b * c).sum(1)
        return total

    def contract_with_slopes(
        self, density: torch.Tensor, weights: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The same products, and their slopes in the density: (member x atom, harmonic, channel)."""
        counts = [len(coupling) for coupling in self._couplings]
        tables = weights.view(len(weights), sum(counts), -1)
        first, *higher = torch.split(tables, counts, dim=1)
        if not higher:
            return (first * density).sum(1), first
        square = higher[0] * density
        total, slopes = ((first + square) * density).sum(1), first + 2 * square
        if len(higher) > 1:
            choice = self._factors.expand(len(density), -1, -1)
            a, b, c = torch.bmm(choice, density).chunk(3, dim=1)
            scaled = higher[1] * a
            pair = scaled * b
            total = total + (pair * c).sum(1)
            each = torch.cat([higher[1] * b * c, scaled * c, pair], dim=1)
            slopes = torch.baddbmm(slopes, choice.transpose(1, 2), each)
        return total, slopes

    def node_energies(
        self, model: Model, features: Sequence[torch.Tensor], batch: Batch
    ) -> torch.Tensor:
        """Energy of each atom without E0, (member, atom) in eV: scale * f . c + shift."""
        dot = torch.bmm(torch.cat(list(features), dim=2), model.coefficients[:, :, None]).squeeze(2)
        return model.scale[:, None] * dot + model.shift.index_select(1, batch.species)


def member_rows(index: torch.Tensor, members: int, size: int) -> torch.Tensor:
    """The same rows of every member, in tensors flattened over (member, size)."""
    if members == 1:
        return index
    return (index + size * torch.arange(members)[:, None]).flatten()
