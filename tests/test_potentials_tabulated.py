"""Radial functions from a table are those of the networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from made_potentials import copper, ethanol, untrained

from aldata.artifacts.conversion import from_atoms
from aldata.potentials import Architecture, Committee
from aldata.potentials.calculator import means_of
from aldata.potentials.derivatives import evaluate
from aldata.potentials.tabulated import FIRST, RadialTable


@pytest.fixture(scope="module")
def committees() -> tuple[Committee, Committee]:
    """With as many Bessel functions and neurons as by default: its radial functions wiggle."""
    checkpoint = untrained(members=2, architecture=Architecture(channels=4))
    single = Committee.from_checkpoint(checkpoint)
    return single, Committee.from_checkpoint(checkpoint, "float64")


def test_they_are_as_exact_as_single_precision(committees: tuple[Committee, Committee]) -> None:
    single, exact = committees
    frames = [from_atoms(atoms) for atoms in (ethanol(0), copper(1), Atoms("H2O", np.eye(3)))]
    batch, fine = single.batch_of(frames), exact.batch_of(frames)
    reference = exact.network.radial(exact.model, fine)
    tables = [
        RadialTable(exact.network, exact.model).radial_table(fine),
        RadialTable(single.network, single.model).radial_table(batch),
    ]
    for found in tables:
        for ours, theirs in zip(found.chunk(2, dim=2), reference, strict=True):
            assert float((ours - theirs).abs().max() / theirs.abs().max()) < 1e-6
    straight = evaluate(single.network, single.model, batch).forces.double().mean(0)
    truth = evaluate(exact.network, exact.model, fine).forces.mean(0)
    ours = np.concatenate([one["forces"] for one in means_of(single, frames)])
    assert np.abs(ours - truth.numpy()).max() < 4 * float((straight - truth).abs().max())


def test_the_slope_is_that_of_the_interpolated_function(
    committees: tuple[Committee, Committee],
) -> None:
    _, exact = committees
    table = RadialTable(exact.network, exact.model)

    def at(distance: float) -> tuple[torch.Tensor, torch.Tensor]:
        pair = Atoms("H2", [[0, 0, 0], [0, 0, distance]])
        found = table.radial_table(exact.batch_of([from_atoms(pair)]))
        value, slope = found.chunk(2, dim=2)
        return value[:, :, 0], slope[:, :, 0]

    for distance in (0.9, 2.3456, 4.2):
        step = 1e-5
        rise = (at(distance + step)[0] - at(distance - step)[0]) / (2 * step)
        torch.testing.assert_close(rise, at(distance)[1], rtol=1e-6, atol=1e-6)


def test_what_is_closer_than_the_table_asks_the_networks(
    committees: tuple[Committee, Committee],
) -> None:
    single, _ = committees
    near = from_atoms(Atoms("H2", [[0, 0, 0], [0, 0, 0.5 * FIRST]]))
    batch = single.batch_of([near])
    ours = RadialTable(single.network, single.model).radial_table(batch)
    assert torch.equal(ours, single.network.radial_table(single.model, batch))
    coincident = from_atoms(Atoms("H2", np.zeros((2, 3))))
    with np.errstate(all="ignore"):
        assert not np.isfinite(means_of(single, [coincident])[0]["forces"]).all()
