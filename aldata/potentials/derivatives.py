"""Energies, forces and stresses of a batch, from one backward pass."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from aldata.potentials.graphs import Batch
from aldata.potentials.model import Model
from aldata.potentials.network import Network, member_rows

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Indices of the components xx yy zz yz xz xy."""


@dataclass(frozen=True)
class Results:
    """What the members predict, without E0.

    energy (member, frame) in eV; forces (member, atom, 3) in eV/A; stress (member, frame, 6) in
    eV/A^3, tension positive, xx yy zz yz xz xy, 0 where the frame has no volume; None if not asked for.
    """

    energy: torch.Tensor
    forces: torch.Tensor
    stress: torch.Tensor | None


def evaluate(
    network: Network,
    model: Model,
    batch: Batch,
    *,
    stress: bool = False,
    training: bool = False,
) -> Results:
    """Energy, forces and, if asked for, stress of every member; `training` keeps them differentiable."""
    radial, slopes = network.radial(model, batch)
    if not radial.requires_grad:
        radial.requires_grad_(True)
    harmonics = batch.harmonics.repeat(model.members, 1, 1).requires_grad_(True)
    features = network.features(model, batch, radial, harmonics)
    nodes = network.node_energies(model, features, batch)
    inputs = [radial, harmonics]
    gradients = torch.autograd.grad([nodes.sum()], inputs, create_graph=training)
    gradient = vector_gradient(gradients[0], gradients[1], slopes, batch)
    energy = per_frame(nodes, batch)
    forces = forces_from(gradient, batch)
    found = stress_from(gradient, batch) if stress else None
    if training:
        return Results(energy, forces, found)
    return Results(energy.detach(), forces, found)


def vector_gradient(
    radial: torch.Tensor, harmonics: torch.Tensor, slopes: torch.Tensor, batch: Batch
) -> torch.Tensor:
    """dE/dvector (member, atom, slot, 3) in eV/A, by the chain rule through what depends on vectors.

    radial (member, layer, pair, degree x channel) and harmonics (member x atom, slot, harmonic): dE/d of
    the radial functions and of the harmonics; slopes of the radial functions, shaped like `radial`.
    """
    along = (radial * slopes).sum((1, 3)).index_select(1, batch.pair.flatten())
    along = along.view(-1, *batch.pair.shape, 1) * batch.pull
    turning = harmonics.view(-1, *batch.harmonics.shape)[..., None] * batch.harmonic_slopes
    return along + turning.sum(-2)


def per_frame(nodes: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Sums over the atoms of each frame: (member, atom, ...) -> (member, frame, ...)."""
    total = nodes.new_zeros(nodes.shape[0], batch.frames, *nodes.shape[2:])
    return total.index_add(1, batch.frame, nodes)


def forces_from(gradient: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Forces (member, atom, 3) from dE/dvector (member, atom, slot, 3).

    A vector is receiver minus sender, so the gradient pulls the receiver and pushes the sender.
    """
    members, atoms = gradient.shape[:2]
    rows = member_rows(batch.sender.flatten(), members, atoms)
    pushed = gradient.new_zeros(members * atoms, 3)
    pushed = pushed.index_add(0, rows, gradient.reshape(-1, 3))
    return pushed.view(members, atoms, 3) - gradient.sum(2)


def stress_from(gradient: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Stress (member, frame, 6) in eV/A^3: dE/dstrain / volume, 0 without a volume."""
    virial = per_frame(torch.matmul(batch.vectors.transpose(-1, -2), gradient), batch)
    symmetric = 0.5 * (virial + virial.transpose(-1, -2))
    inverse = torch.where(batch.volume > 0, 1 / batch.volume.clamp(min=1e-12), 0.0)
    components = [symmetric[..., i, j] for i, j in VOIGT]
    return torch.stack(components, dim=-1) * inverse[None, :, None]
