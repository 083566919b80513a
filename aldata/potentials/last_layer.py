"""The last layer as a linear model: its rows, its information, and its optimum in closed form.

Symbols: f_i features of atom i, c coefficients, s scale, t_z shift of element z.
E = E0 + sum_i (s f_i . c + t_z(i)) and F = -dE/dr are exactly linear in the parameters (c, t), so the
best last layer for a given backbone solves one ridge regression, and sum of A^T R^-1 A over the
training rows is its information matrix (last-layer Laplace; Bigi et al., arXiv 2403.02251).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from aldata.potentials.derivatives import VOIGT, forces_from, per_frame, stress_from
from aldata.potentials.graphs import Batch
from aldata.potentials.model import Model
from aldata.potentials.network import Network
from aldata.potentials.pullback import Pullback

Float = npt.NDArray[np.float64]

LEAST = 1e-12
"""Smallest prior precision, as a share of the largest diagonal element of H."""

TOGETHER = 2**19
"""Numbers in the largest array of a pullback: as many features at a time as fit. Molecules have all of them
in one pass; more memory than a cache holds is slower, not faster."""


@dataclass(frozen=True)
class Rows:
    """Rows A of the linear model of one member: prediction = A @ (c, t).

    energy (frame, parameter) in eV without E0; forces (atom, 3, parameter) in eV/A; stress (frame, 6,
    parameter) in eV/A^3, 0 without a volume.
    """

    energy: Float
    forces: Float
    stress: Float


@dataclass(frozen=True)
class Targets:
    """Reference values of a batch: interaction energy (frame,) in eV, forces (atom, 3) in eV/A, and
    stress (frame, 6) in eV/A^3, NaN where there is none.
    """

    energy: Float
    forces: Float
    stress: Float


@dataclass(frozen=True)
class Accuracy:
    """What a residual is measured against: eV per atom, eV/A, eV/A^3."""

    energy: float
    forces: float
    stress: float


def parameters(model: Model) -> Float:
    """The parameters (c, t) of a model of one member: shape (parameter,)."""
    found = torch.cat([model.coefficients[0], model.shift[0]])
    return found.detach().numpy().astype(np.float64)


def rows(network: Network, model: Model, batch: Batch) -> Rows:
    """The rows of all energies, forces and stresses of a batch; `model` has one member."""
    forward = Pullback(network, model, batch)
    gradient = float(model.scale[0]) * torch.cat(_gradients(forward, model.coefficients.shape[1]))
    forces = np.moveaxis(forces_from(gradient, batch).numpy(), 0, -1)
    stress = np.zeros((batch.frames, len(VOIGT), len(gradient)))
    if batch.has_volume:
        stress = np.moveaxis(stress_from(gradient, batch).numpy(), 0, -1)
    return Rows(
        energy=_energy_rows(network, model, batch, forward.features),
        forces=_padded(forces, len(network.numbers)),
        stress=_padded(stress, len(network.numbers)),
    )


def _gradients(forward: Pullback, features: int) -> list[torch.Tensor]:
    """dE/dvector of all features without the scale, (feature, atom, slot, 3) each: from a layer's features
    downwards, as many at a time as fit.
    """
    own, end, found = torch.eye(features, dtype=forward.network.dtype), 0, []
    for part in forward.features:
        begin, end = end, end + part.shape[2]
        for seeds in torch.split(own[begin:end, :end], max(TOGETHER // forward.size, 1)):
            found.append(forward.vector_gradients(seeds[None, None])[0])
    return found


def energy_rows(network: Network, model: Model, batch: Batch) -> Float:
    """The rows of all energies of a batch, (frame, parameter) in eV: one forward pass."""
    with torch.no_grad():
        radial, _ = network.radial(model, batch)
        features = network.features(model, batch, radial, batch.harmonics)
        return _energy_rows(network, model, batch, features)


def _energy_rows(
    network: Network, model: Model, batch: Batch, features: Sequence[torch.Tensor]
) -> Float:
    """Scaled sums of the features over the atoms of each frame, then its number of each element."""
    summed = per_frame(torch.cat(list(features), dim=2).detach(), batch)[0].numpy()
    counts = np.zeros((batch.frames, len(network.numbers)))
    np.add.at(counts, (batch.frame.numpy(), batch.species.numpy()), 1.0)
    return np.concatenate([float(model.scale[0]) * summed, counts], axis=1)


def _padded(rows: Float, elements: int) -> Float:
    """Rows that do not depend on the shifts."""
    return np.concatenate([rows, np.zeros((*rows.shape[:-1], elements))], axis=-1)


def whitened(
    found: Rows, targets: Targets, batch: Batch, accuracy: Accuracy
) -> tuple[Float, Float]:
    """Design (row, parameter) and targets (row,) in units of the accuracy; absent stresses left out.

    An energy's accuracy is per atom: each frame counts the same, whatever its size.
    """
    sigma = accuracy.energy * batch.sizes.numpy()
    stressed = np.isfinite(targets.stress)
    design = [
        found.energy / sigma[:, None],
        found.forces.reshape(-1, found.forces.shape[-1]) / accuracy.forces,
        found.stress[stressed] / accuracy.stress,
    ]
    values = [
        targets.energy / sigma,
        targets.forces.ravel() / accuracy.forces,
        targets.stress[stressed] / accuracy.stress,
    ]
    return np.concatenate(design), np.concatenate(values)


def information(blocks: Iterable[tuple[Float, Float]], size: int) -> tuple[Float, Float]:
    """Information matrix A^T R^-1 A (parameter, parameter) and A^T R^-1 y, summed over blocks."""
    matrix, right = np.zeros((size, size)), np.zeros(size)
    for design, values in blocks:
        matrix += design.T @ design
        right += design.T @ values
    return matrix, right


def prior_of(matrix: Float, ridge: float) -> Float:
    """The diagonal of the prior precision P = ridge x diag(H), (parameter,), positive everywhere.

    matrix: H. What no row touches gets a precision that is small, but not zero.
    """
    diagonal = np.diag(matrix)
    return np.asarray(ridge * np.maximum(diagonal, LEAST * diagonal.max()))


def solve(matrix: Float, right: Float, start: Float, ridge: float) -> Float:
    """The parameters x that minimise |A x - y|^2 + ridge * sum_i H_ii (x_i - start_i)^2.

    matrix: H = A^T A; right: A^T y, both whitened. Scale-free, and what the rows do not determine stays
    at `start`.
    """
    scale = 1 / np.sqrt(prior_of(matrix, 1.0))
    scaled = matrix * scale[:, None] * scale[None, :]
    residual = (right - matrix @ start) * scale
    step = np.linalg.solve(scaled + ridge * np.eye(len(start)), residual)
    return np.asarray(start + step * scale, dtype=np.float64)


def written_back(
    network: Network, flat: npt.NDArray[np.float32], values: Float
) -> npt.NDArray[np.float32]:
    """Flat weights of one member (weight,) with the parameters (c, t) in the place of its own."""
    a, found = network.architecture, flat.astype(np.float64)
    where = {name: (offset, shape) for name, shape, offset in network.table()}
    last, start = a.interactions - 1, 0
    names = [(f"readouts.{k}.linear.weight", a.channels) for k in range(max(last, 1))]
    if last > 0:
        names.append((f"readouts.{last}.linear_2.weight", a.readout))
    for name, width in names:
        offset = where[name][0]
        found[offset : offset + width] = values[start : start + width] * width**0.5
        start += width
    offset = where["shift"][0]
    found[offset : offset + len(network.numbers)] = values[start:]
    return found.astype(np.float32)
