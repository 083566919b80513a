"""Radial functions from a table: for many evaluations of one model, instead of its radial networks.

A radial function depends on one number, the distance. Between knots that lie `SPACING` apart it is the
cubic that has its values and slopes at both (Hermite interpolation): wrong by less than float32 can tell.
The slope is that of the cubic, so that forces are the gradient of the energy.
"""

from __future__ import annotations

import numpy as np
import torch

from aldata.potentials.graphs import Batch
from aldata.potentials.model import Model
from aldata.potentials.network import Network
from aldata.potentials.radial import radial_basis, radial_network

SPACING = 0.003
"""Distance between two knots, at most (A)."""

FIRST = 0.4
"""The shortest distance in the table (A); the Bessel functions diverge at zero."""


class RadialTable:
    """Cubics of all radial functions of a model, and their slopes in 1/A."""

    def __init__(self, network: Network, model: Model) -> None:
        self.network, self.model = network, model
        self.cutoff = cutoff = network.architecture.cutoff
        count = int(np.ceil((cutoff - FIRST) / SPACING))
        self.width = (cutoff - FIRST) / count
        basis = radial_basis(np.linspace(FIRST, cutoff, count + 1), network.architecture)
        rows = torch.from_numpy(np.concatenate(basis))
        with torch.no_grad():
            # in double precision: a cubic is made of small differences of its ends
            both = radial_network(rows, [matrix.double() for matrix in model.radial])
        # (member x layer, knot, column) -> (knot, member x layer x column)
        f, d = (half.transpose(0, 1).flatten(1) for half in both.chunk(2, dim=1))
        d = self.width * d
        rise, left, right = f[1:] - f[:-1], d[:-1], d[1:]
        cubics = torch.stack(
            [f[:-1], left, 3 * rise - 2 * left - right, left + right - 2 * rise], 1
        )
        self.cubics = cubics.to(network.dtype)

    def radial_table(self, batch: Batch) -> torch.Tensor:
        """As `Network.radial_table`; from the networks themselves where atoms are closer than the table."""
        # the last one is of the empty slots, which nothing is made of
        distances = torch.cat([batch.distances, batch.distances.new_tensor([self.cutoff])])
        place = (distances - FIRST) / self.width
        if not bool((place >= 0).all()):  # nor if it is not a number
            return self.network.radial_table(self.model, batch)
        row = place.long().clamp_(max=len(self.cubics) - 1)
        t = place - row
        one, none = torch.ones_like(t), torch.zeros_like(t)
        value = torch.stack([one, t, t * t, t * t * t], 1)
        slope = torch.stack([none, one, 2 * t, 3 * t * t], 1) / self.width
        powers = torch.stack([value, slope], 1).to(self.cubics.dtype)
        found = torch.bmm(powers, self.cubics.index_select(0, row))
        layers = self.network.architecture.interactions
        shape = (len(place), 2, self.model.members, layers, -1)
        return found.view(shape).permute(2, 3, 1, 0, 4).flatten(2, 3)
