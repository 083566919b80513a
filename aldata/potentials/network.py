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
from torch.nn.functional import one_hot, silu

from aldata.potentials.architecture import Architecture, Tensor, couplings_name, tensors
from aldata.potentials.graphs import Batch
from aldata.potentials.harmonics import degrees, monomials, polynomial
from aldata.potentials.model import Layer, Model

Weights = dict[str, torch.Tensor]

SILU_NORM = 1.6791767923989418
"""e3nn's factor that gives SiLU of a normal variable a second moment of 1 (`normalize2mom`)."""


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
        self._couplings = [self._constant(coefficients) for _, coefficients in products]
        paths = tuple(int(coupling.shape[0]) for coupling in self._couplings)
        # which harmonic is the first, second, third factor of each monomial of the highest order
        factors = np.eye(architecture.harmonics)[products[-1][0].T.ravel()]
        self._factors = self._constant(factors)
        self.tensors: list[Tensor] = [
            *tensors(architecture, len(self.numbers), paths),
            Tensor("scale", (), 0.0),
            Tensor("shift", (len(self.numbers),), 0.0),
        ]
        self._degrees_and_channels = (architecture.max_ell + 1, architecture.channels)
        ell = degrees(architecture.max_ell)
        own = np.arange(architecture.max_ell + 1)[None, :] == ell[:, None]
        self._own_degree = self._constant(np.repeat(own, architecture.channels, axis=1))
        self._powers = [self._constant(polynomial(k)) for k in range(1, architecture.max_ell + 1)]
        bessel = np.arange(1, architecture.bessel + 1) * np.pi / architecture.cutoff
        self._frequencies = self._constant(bessel)

    @classmethod
    def from_card(cls, card: dict[str, Any], numbers: Sequence[int], dtype: str) -> Self:
        """The network that a checkpoint's card describes."""
        architecture = Architecture.checked(card["architecture"], "checkpoint card")
        return cls(architecture, numbers, float(card["mean_degree"]), dtype)

    def _constant(self, values: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.dtype)

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
        values = torch.as_tensor(flat).to(self.dtype)
        parts = torch.split(values, [tensor.size for tensor in self.tensors], dim=1)
        return {
            tensor.name: part.reshape(values.shape[0], *tensor.shape)
            for tensor, part in zip(self.tensors, parts, strict=True)
        }

    def model(self, flat: npt.NDArray[Any] | torch.Tensor) -> Model:
        """The models of flat weights (member, weight); differentiable in them."""
        w, a = self.split(flat), self.architecture
        members, last = w["scale"].shape[0], a.interactions - 1
        root = a.channels**-0.5
        coefficients = [w[f"readouts.{k}.linear.weight"] * root for k in range(max(last, 1))]
        gate = None
        if last > 0:
            gate = w[f"readouts.{last}.linear_1.weight"] * root
            final = w[f"readouts.{last}.linear_2.weight"]
            coefficients.append(final * float(a.readout) ** -0.5)
        return Model(
            embedding=w["node_embedding.linear.weight"] * len(self.numbers) ** -0.5,
            radial=self._radial(w),
            layers=[self._layer(w, k, members) for k in range(a.interactions)],
            gate=gate,
            coefficients=torch.cat(coefficients, dim=1),
            scale=w["scale"],
            shift=w["shift"],
        )

    def _radial(self, w: Weights) -> list[torch.Tensor]:
        layers = range(self.architecture.interactions)
        matrices = []
        for k, width in enumerate([self.architecture.bessel, *self.architecture.radial_mlp]):
            name = f"conv_tp_weights.layer{k}.weight"
            stacked = torch.stack([w[f"interactions.{i}.{name}"] for i in layers], dim=1)
            matrices.append(stacked.flatten(0, 1) * ((SILU_NORM if k else 1.0) * width**-0.5))
        return matrices

    def _layer(self, w: Weights, index: int, members: int) -> Layer:
        a, start = self.architecture, f"interactions.{index}"
        c, elements, root = a.channels, len(self.numbers), a.channels**-0.5
        products = [
            torch.einsum("pk,mzpc->mzkc", coupling, w[couplings_name(index, a.correlation, k + 1)])
            for k, coupling in enumerate(self._couplings)
        ]
        mix = w[f"{start}.linear.weight"].reshape(members, -1, c)
        skip = w[f"{start}.skip_tp.weight"].reshape(members, c, elements * c)
        return Layer(
            up=w[f"{start}.linear_up.weight"] * root,
            mix=mix * (root / self.mean_degree),
            skip=skip * (c * elements) ** -0.5,
            products=products,
            out=w[f"products.{index}.linear.weight"] * root,
        )

    def features(self, model: Model, batch: Batch, vectors: torch.Tensor) -> torch.Tensor:
        """Last-layer features (member, atom, feature), from vectors (member, atom, slot, 3) in A."""
        members, atoms, slots = vectors.shape[:3]
        a, elements = self.architecture, len(self.numbers)
        radial, harmonics = self._edges(vectors, batch)
        kind = one_hot(batch.species, elements).to(self.dtype)
        sender = batch.sender.flatten()
        rows = member_rows(sender, members, atoms)
        weights = self._radial_weights(model, radial, batch)
        found: list[torch.Tensor] = []
        for index, layer in enumerate(model.layers):
            if index == 0:
                own = torch.matmul(kind, self._first_skip(model.embedding, layer.skip))
                table = torch.matmul(model.embedding, layer.up)
                sent = torch.matmul(kind[sender], table)
            else:
                wide = torch.matmul(found[-1], layer.skip)
                own = (wide.view(members, atoms, elements, -1) * kind[..., None]).sum(2)
                up = torch.matmul(found[-1], layer.up)
                sent = up.reshape(members * atoms, -1).index_select(0, rows)
            sent = sent.reshape(members, atoms, slots, 1, a.channels)
            density = self._density(layer, weights[:, index] * sent, harmonics)
            product = self._contract(layer, density, kind)
            found.append(torch.matmul(product, layer.out) + own)
        if model.gate is not None:
            found[-1] = SILU_NORM * silu(torch.matmul(found[-1], model.gate))
        return torch.cat(found, dim=-1)

    def _first_skip(self, embedding: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """The first layer's residual depends on the element only: (member, element, channel)."""
        members, elements, channels = embedding.shape
        wide = skip.reshape(members, channels, elements, channels)
        return torch.einsum("mzu,muzw->mzw", embedding, wide)

    def _edges(self, vectors: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Radial basis (member, pair, bessel) and harmonics (member, atom, slot, harmonic)."""
        a = self.architecture
        lengths = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
        distances = lengths.flatten(1, 2).index_select(1, batch.pairs)
        x, p = distances / a.cutoff, a.cutoff_power
        envelope = 1 + x**p * (-(p + 1) * (p + 2) / 2 + x * (p * (p + 2) - x * (p * (p + 1) / 2)))
        envelope = torch.where(x < 1, envelope, 0.0) * (2 / a.cutoff) ** 0.5
        radial = torch.sin(self._frequencies * distances) * (envelope / distances)
        unit = vectors / lengths
        power, parts = unit, [torch.ones_like(lengths)]
        for degree, matrix in enumerate(self._powers):
            if degree:
                power = (power[..., :, None] * unit[..., None, :]).flatten(-2)
            parts.append(torch.matmul(power, matrix))
        return radial, torch.cat(parts, dim=-1)

    def _radial_weights(self, model: Model, radial: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The radial networks at every slot: (member, layer, atom, slot, degree, channel)."""
        layers, (atoms, slots) = self.architecture.interactions, batch.pair.shape
        hidden = radial.repeat_interleave(layers, dim=0)
        for matrix in model.radial[:-1]:
            hidden = silu(torch.bmm(hidden, matrix))
        last = torch.bmm(hidden, model.radial[-1])
        pair = member_rows(batch.pair.flatten(), *last.shape[:2])
        each = last.flatten(0, 1).index_select(0, pair)
        return each.view(-1, layers, atoms, slots, *self._degrees_and_channels)

    def _density(
        self, layer: Layer, message: torch.Tensor, harmonics: torch.Tensor
    ) -> torch.Tensor:
        """Sum over neighbours of messages (member, atom, slot, degree, channel) x harmonics, channels
        mixed per degree: (member, atom, harmonic, channel).
        """
        members, atoms, _, _, channels = message.shape
        every = torch.matmul(harmonics.transpose(-1, -2), message.flatten(3)) * self._own_degree
        mixed = torch.bmm(every.flatten(1, 2), layer.mix)
        return mixed.view(members, atoms, -1, channels)

    def _contract(self, layer: Layer, density: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        """Products of the density with itself, coupled to scalars: (member, atom, channel)."""
        weights = [
            torch.matmul(kind, table.flatten(2)).view(*density.shape[:2], -1, density.shape[3])
            for table in layer.products
        ]
        total = (weights[0] * density[:, :, :1]).sum(2)
        if len(weights) > 1:  # a harmonic couples to itself only
            total = total + (weights[1] * density * density).sum(2)
        if len(weights) > 2:
            factors = torch.matmul(self._factors, density)
            first, second, third = factors.chunk(3, dim=2)
            total = total + (weights[2] * first * second * third).sum(2)
        return total

    def node_energies(self, model: Model, features: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Energy of each atom without E0, (member, atom) in eV: scale * f . c + shift."""
        dot = torch.matmul(features, model.coefficients[:, :, None]).squeeze(-1)
        return model.scale[:, None] * dot + model.shift.index_select(1, batch.species)


def member_rows(index: torch.Tensor, members: int, size: int) -> torch.Tensor:
    """The same rows of every member, in tensors flattened over (member, size)."""
    if members == 1:
        return index
    return (index + size * torch.arange(members)[:, None]).flatten()
