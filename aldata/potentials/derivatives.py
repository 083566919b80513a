"""Energies, forces and virials of a batch, from one gradient with respect to the neighbour vectors."""

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
    network: Network, model: Model, batch: Batch, *, stress: bool = False, training: bool = False
) -> Results:
    """Energy, forces and, if asked for, stress of every member; `training` keeps them differentiable."""
    vectors = batch.vectors.expand(model.members, *batch.vectors.shape).detach()
    vectors = vectors.clone().requires_grad_(True)
    nodes = network.node_energies(model, network.features(model, batch, vectors), batch)
    (gradient,) = torch.autograd.grad([nodes.sum()], [vectors], create_graph=training)
    energy = per_frame(nodes, batch)
    forces = forces_from(gradient, batch)
    found = stress_from(gradient, vectors, batch) if stress else None
    if training:
        return Results(energy, forces, found)
    return Results(energy.detach(), forces.detach(), None if found is None else found.detach())


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


def stress_from(gradient: torch.Tensor, vectors: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Stress (member, frame, 6) in eV/A^3: dE/dstrain / volume, 0 without a volume."""
    virial = per_frame(torch.matmul(vectors.transpose(-1, -2), gradient), batch)
    symmetric = 0.5 * (virial + virial.transpose(-1, -2))
    inverse = torch.where(batch.volume > 0, 1 / batch.volume.clamp(min=1e-12), 0.0)
    components = [symmetric[..., i, j] for i, j in VOIGT]
    return torch.stack(components, dim=-1) * inverse[None, :, None]
