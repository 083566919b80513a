"""The weights of a committee, scaled and laid out for evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Layer:
    """One interaction and product, weights scaled and laid out for dense products.

    up (member, channel, channel); mix (member, degree x channel, channel); skip (member, channel,
    element x channel); products (member, element, monomial x channel), monomials of all orders; out
    (member, channel, channel).
    """

    up: torch.Tensor
    mix: torch.Tensor
    skip: torch.Tensor
    products: torch.Tensor
    out: torch.Tensor


@dataclass(frozen=True)
class Model:
    """Weights of all members, ready to be evaluated.

    embedding (member, element, channel); radial: the matrices of the radial networks of all layers,
    (member x layer, in, out); gate (member, channel, readout) or None with one layer; coefficients
    (member, feature): the last layer; scale (member,); shift (member, element) in eV.
    """

    embedding: torch.Tensor
    radial: list[torch.Tensor]
    layers: list[Layer]
    gate: torch.Tensor | None
    coefficients: torch.Tensor
    scale: torch.Tensor
    shift: torch.Tensor

    @property
    def members(self) -> int:
        """Number of members."""
        return int(self.embedding.shape[0])
