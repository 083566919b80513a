"""The architecture of a potential: MACE with scalar hidden features, and the table of its tensors."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

from pydantic import Field

from aldata.records import Record

Shape = tuple[int, ...]

SILU_NORM = 1.6791767923989418
"""e3nn's factor that gives SiLU of a normal variable a second moment of 1 (`normalize2mom`)."""


class Architecture(Record):
    """MACE (Batatia et al., NeurIPS 2022, arXiv 2206.07697) with `channels` scalar hidden features.

    In the words of mace-torch: `ScaleShiftMACE`, `RealAgnosticResidualInteractionBlock` in every
    layer, hidden irreps `{channels}x0e`, SiLU gates.
    """

    channels: int = Field(default=16, ge=1, le=512, description="scalar features per atom")
    max_ell: int = Field(
        default=2, ge=0, le=3, description="highest degree of the spherical harmonics"
    )
    correlation: int = Field(
        default=3, ge=1, le=3, description="order of the products: body order - 1"
    )
    cutoff: float = Field(
        default=4.5, gt=0.5, le=15, description="radius of an atom's environment, A"
    )
    interactions: int = Field(default=2, ge=1, le=4, description="message passing layers")
    bessel: int = Field(default=8, ge=1, le=64, description="radial Bessel functions")
    cutoff_power: int = Field(
        default=5, ge=2, le=20, description="power p of the polynomial cutoff"
    )
    radial_mlp: list[Annotated[int, Field(ge=1, le=512)]] = Field(
        default=[64, 64, 64], min_length=1, max_length=6, description="widths of the radial network"
    )
    readout: int = Field(default=16, ge=1, le=512, description="width of the last layer's readout")

    @property
    def harmonics(self) -> int:
        """Number of spherical harmonics, (max_ell + 1)^2."""
        return (self.max_ell + 1) ** 2

    @property
    def features(self) -> int:
        """Number of last-layer features per atom: the energy is linear in them."""
        if self.interactions == 1:
            return self.channels
        return self.channels * (self.interactions - 1) + self.readout


class Tensor(NamedTuple):
    """One tensor of a model: its name in mace-torch, shape, initial standard deviation, and the
    normalisation that e3nn multiplies it by.
    """

    name: str
    shape: Shape
    deviation: float
    norm: float

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def couplings_name(layer: int, correlation: int, order: int) -> str:
    """mace-torch's name of the weights of the products of `order` factors in `layer`."""
    end = "weights_max" if order == correlation else f"weights.{correlation - 1 - order}"
    return f"products.{layer}.symmetric_contractions.contractions.0.{end}"


def radial_name(layer: int, depth: int) -> str:
    """mace-torch's name of a matrix of the radial network of `layer`."""
    return f"interactions.{layer}.conv_tp_weights.layer{depth}.weight"


def tensors(architecture: Architecture, elements: int, paths: tuple[int, ...]) -> list[Tensor]:
    """Every trainable tensor of a model for `elements` elements, in a fixed order.

    paths: number of ways to couple 1, 2, ... `correlation` harmonics to a scalar. The names and the
    sizes are those of mace-torch's `state_dict`, so that a model can be exported.
    """
    c = architecture.channels
    found = [Tensor("node_embedding.linear.weight", (elements, c), 1.0, elements**-0.5)]
    for layer in range(architecture.interactions):
        found += _interaction(architecture, elements, layer)
        for order in range(architecture.correlation, 0, -1):
            name, count = couplings_name(layer, architecture.correlation, order), paths[order - 1]
            found.append(Tensor(name, (elements, count, c), 1 / count, 1.0))
        found.append(Tensor(f"products.{layer}.linear.weight", (c, c), 1.0, c**-0.5))
    return found + _readouts(architecture)


def _interaction(architecture: Architecture, elements: int, layer: int) -> list[Tensor]:
    c, degrees, start = architecture.channels, architecture.max_ell + 1, f"interactions.{layer}"
    widths = [architecture.bessel, *architecture.radial_mlp, degrees * c]
    radial = [
        Tensor(
            radial_name(layer, k), (fan, widths[k + 1]), 1.0, (SILU_NORM if k else 1.0) * fan**-0.5
        )
        for k, fan in enumerate(widths[:-1])
    ]
    return [
        Tensor(f"{start}.linear_up.weight", (c, c), 1.0, c**-0.5),
        *radial,
        Tensor(f"{start}.linear.weight", (degrees, c, c), 1.0, c**-0.5),
        Tensor(f"{start}.skip_tp.weight", (c, elements, c), 1.0, (c * elements) ** -0.5),
    ]


def _readouts(architecture: Architecture) -> list[Tensor]:
    c, last = architecture.channels, architecture.interactions - 1
    linear = [
        Tensor(f"readouts.{layer}.linear.weight", (c,), 1.0, c**-0.5)
        for layer in range(max(last, 1))
    ]
    if last == 0:
        return linear
    width = architecture.readout
    return [
        *linear,
        Tensor(f"readouts.{last}.linear_1.weight", (c, width), 1.0, c**-0.5),
        Tensor(f"readouts.{last}.linear_2.weight", (width,), 1.0, width**-0.5),
    ]
