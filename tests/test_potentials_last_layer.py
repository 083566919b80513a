"""The last layer: energies and forces are linear in it, and its optimum has a closed form."""

import numpy as np
import pytest
from made_potentials import SMALL, copper, ethanol, labelled, untrained

from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import as_configurations
from aldata.potentials import Architecture, Committee, last_layer
from aldata.potentials.derivatives import evaluate
from aldata.potentials.graphs import Batch
from aldata.potentials.last_layer import (
    Accuracy,
    Targets,
    information,
    parameters,
    rows,
    solve,
    whitened,
    written_back,
)
from aldata.potentials.model import Model
from aldata.potentials.network import Network

ACCURACY = Accuracy(energy=0.002, forces=0.1, stress=0.002)


def question(architecture: Architecture = SMALL) -> tuple[Network, Model, Batch, np.ndarray]:
    checkpoint = untrained(members=1, architecture=architecture)
    committee = Committee.from_checkpoint(checkpoint, "float64")
    frames = as_configurations([from_atoms(a) for a in (ethanol(0), copper(1), ethanol(2))])
    batch = committee.batch(committee.graphs(frames))
    return committee.network, committee.model, batch, checkpoint.weights[0]


@pytest.mark.parametrize("size", [1, 2**30], ids=["one by one", "together"])
@pytest.mark.parametrize(("layers", "order"), [(1, 3), (2, 1), (2, 2), (2, 3), (3, 3)])
def test_energy_forces_and_stress_are_rebuilt_from_the_features(
    layers: int, order: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_layer, "TOGETHER", size)
    architecture = Architecture(
        channels=4, interactions=layers, correlation=order, radial_mlp=[8], readout=6
    )
    network, model, batch, _ = question(architecture)
    found, values = rows(network, model, batch), parameters(model)
    direct = evaluate(network, model, batch, stress=True)
    assert direct.stress is not None
    assert len(values) == architecture.features + 4
    np.testing.assert_allclose(found.energy @ values, direct.energy[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.forces @ values, direct.forces[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.stress @ values, direct.stress[0], rtol=0, atol=1e-10)
    # negative control: without e3nn's path weight the identity fails
    wrong = values * np.where(np.arange(len(values)) < architecture.channels, 2.0, 1.0)
    assert abs(found.energy @ wrong - direct.energy[0].numpy()).max() > 1e-3


def test_parameters_written_back_are_the_model_s_parameters() -> None:
    network, model, batch, flat = question()
    np.testing.assert_array_equal(written_back(network, flat, parameters(model)), flat)
    wanted = np.random.default_rng(0).normal(size=len(parameters(model)))
    other = written_back(network, flat, wanted)
    changed = network.model(other[None])
    np.testing.assert_allclose(parameters(changed), wanted, rtol=1e-6)
    energy = evaluate(network, changed, batch).energy[0]
    np.testing.assert_allclose(rows(network, model, batch).energy @ wanted, energy, rtol=1e-5)


def test_a_known_last_layer_is_found_again() -> None:
    network, model, batch, _ = question()
    found = rows(network, model, batch)
    truth = parameters(model) + np.random.default_rng(1).normal(size=len(parameters(model)))
    targets = Targets(found.energy @ truth, found.forces @ truth, found.stress @ truth)
    design, values = whitened(found, targets, batch, ACCURACY)
    matrix, right = information([(design, values)], len(truth))
    best = solve(matrix, right, parameters(model), 1e-12)
    np.testing.assert_allclose(design @ best, values, atol=1e-4)
    stiff = solve(matrix, right, parameters(model), 1e12)
    np.testing.assert_allclose(stiff, parameters(model), atol=1e-9)


def test_information_adds_up_and_absent_stresses_do_not_count() -> None:
    network, model, batch, _ = question()
    found = rows(network, model, batch)
    stress = np.full((3, 6), np.nan)
    targets = Targets(np.zeros(3), np.zeros((len(batch.species), 3)), stress)
    design, values = whitened(found, targets, batch, ACCURACY)
    assert design.shape == (3 + 3 * 22, len(parameters(model)))
    halves = [(design[:20], values[:20]), (design[20:], values[20:])]
    matrix, _ = information(halves, design.shape[1])
    np.testing.assert_allclose(matrix, design.T @ design, rtol=1e-10)
    assert np.linalg.eigvalsh(matrix).min() > -1e-8 * np.trace(matrix)


def test_what_the_rows_do_not_say_stays_as_it_was() -> None:
    """One molecule: only the sum of the shifts, weighted by its atoms, is known."""
    network = Network(SMALL, [1, 6, 8, 29], 7.5, "float64")
    flat = network.initial_weights(0, 1.0, -3.0)
    model = network.model(flat[None])
    labels = labelled([ethanol(s) for s in range(4)])
    committee = Committee.from_checkpoint(untrained(members=1), "float64")
    batch = committee.batch(committee.graphs(labels))
    energy = labels.energy - labels.energy.mean() - 27.0
    targets = Targets(energy, labels.forces, labels.stress)
    design, values = whitened(rows(network, model, batch), targets, batch, ACCURACY)
    matrix, right = information([(design, values)], design.shape[1])
    best = solve(matrix, right, parameters(model), 1e-6)
    assert best[-1] == pytest.approx(-3.0, abs=1e-6)  # copper was not there
    before = ((design @ parameters(model) - values) ** 2).sum()
    assert ((design @ best - values) ** 2).sum() < 0.5 * before
