"""Radial functions: the Bessel basis with its cutoff, and the network on top of it, with slopes.

Forces need the slope of every radial function, and training needs the derivative of the slopes with
respect to the weights. Carrying the slope along with the value (forward mode) makes both a single
backward pass, where differentiating twice would cost three times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.autograd.function import once_differentiable

from aldata.potentials.architecture import Architecture

Float = npt.NDArray[np.float64]


def radial_basis(distances: Float, architecture: Architecture) -> tuple[Float, Float]:
    """Bessel functions times the polynomial cutoff, and their slopes: both (n, bessel).

    distances (n,) in Angstrom; slopes in 1/Angstrom. Gasteiger et al., ICLR 2020 (arXiv 2003.03123),
    equations 7 and 8.
    """
    r, p = distances[:, None], architecture.cutoff_power
    x = r / architecture.cutoff
    inside = x < 1
    a, b, c = (p + 1) * (p + 2) / 2, p * (p + 2), p * (p + 1) / 2
    cutoff = np.where(inside, 1 - x**p * (a - x * (b - x * c)), 0.0)
    fall = np.where(inside, -(x ** (p - 1)) * (a * p - x * (b * (p + 1) - x * c * (p + 2))), 0.0)
    wave = np.arange(1, architecture.bessel + 1) * np.pi / architecture.cutoff
    norm = (2 / architecture.cutoff) ** 0.5
    bessel = norm * np.sin(wave * r) / r
    rise = norm * wave * np.cos(wave * r) / r - bessel / r
    return bessel * cutoff, rise * cutoff + bessel * fall / architecture.cutoff


def radial_network(rows: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    """Perceptrons with SiLU: rows (2 n, in) of n values and then their n slopes, through matrices
    (model, in, out), (model, out, out2), ... to values and slopes (model, 2 n, last).
    """
    found: torch.Tensor = _RadialNetwork.apply(rows, *matrices)  # type: ignore[no-untyped-call]
    return found


class _RadialNetwork(torch.autograd.Function):
    """See `radial_network`; differentiable once, in the matrices."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, *matrices: torch.Tensor) -> torch.Tensor:
        """Value and slope of each layer; `first` and `second` are derivatives of SiLU."""
        inputs = [rows.expand(matrices[0].shape[0], *rows.shape)]
        factors: list[torch.Tensor] = []
        for matrix in matrices[:-1]:
            both = torch.bmm(inputs[-1], matrix)
            value, slope = both.chunk(2, dim=1)
            gate = torch.sigmoid(value)
            silu, rest = value * gate, 1 - gate
            first = torch.addcmul(gate, silu, rest)
            second = torch.addcmul(gate + first, gate, silu, value=-1).mul_(rest)
            factors += [first, second.mul_(slope)]
            # in place: these arrays are large, and fresh memory costs more than the arithmetic
            value.copy_(silu)
            slope.mul_(first)
            inputs.append(both)
        ctx.save_for_backward(*inputs, *factors, *matrices)
        return torch.bmm(inputs[-1], matrices[-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of the matrices, from that of the output."""
        saved = ctx.saved_tensors
        depth = (len(saved) + 2) // 4
        inputs, matrices = saved[:depth], saved[-depth:]
        factors = saved[depth:-depth]
        found: list[torch.Tensor] = []
        for k in range(depth - 1, -1, -1):
            found.append(torch.bmm(inputs[k].transpose(1, 2), gradient))
            if k == 0:
                break
            back = torch.bmm(gradient, matrices[k].transpose(1, 2))
            value, slope = back.chunk(2, dim=1)
            first, second = factors[2 * k - 2 : 2 * k]
            value.mul_(first).addcmul_(slope, second)
            slope.mul_(first)
            gradient = back
        return (None, *reversed(found))
