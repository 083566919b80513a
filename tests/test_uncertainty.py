"""What every method of uncertainty must obey, on real MACE models; each law with a negative control."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import make_supercell
from made_potentials import SMALL, copper, ethanol, in_process, labelled, untrained
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.documents import Noise
from aldata.artifacts.frames import Configurations, Labels, Predictions, as_configurations
from aldata.artifacts.schema import PURPOSES
from aldata.calibrate import CalibrateSettings, calibrate
from aldata.errors import InvalidInput
from aldata.potentials import Committee, UncertaintySettings, predict
from aldata.potentials.posterior import Posterior
from aldata.potentials.uncertainty import METHODS, NAMES
from aldata.potentials.uncertainty.one_model import OneModel
from aldata.train import TrainingFrames, TrainSettings, train

NUMBERS = np.array([1, 6, 8, 29])
EXACT = [name for name in NAMES if name != "committee"]
"""Methods whose arithmetic is float64 throughout."""


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    frames = labelled([*(ethanol(s) for s in range(8)), *(copper(s) for s in range(4))])
    roles = ["valid" if k % 4 == 3 else "train" for k in range(12)]
    settings = TrainSettings(members=3, steps=60, architecture=SMALL)
    data = TrainingFrames(frames, roles, NUMBERS, np.zeros(4), "00" * 32)
    return train(data, settings, [0, 1, 2], in_process).checkpoint


def first_of(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with its first member only."""
    return replace(
        checkpoint, weights=checkpoint.weights[:1], information=checkpoint.information[:1]
    )


def columns(*atoms: Atoms) -> Configurations:
    return as_configurations([from_atoms(a) for a in atoms])


def asked(checkpoint: Checkpoint, method: str, *atoms: Atoms) -> Predictions:
    return predict(checkpoint, columns(*atoms), UncertaintySettings(method=method))


def test_every_method_has_a_name_and_every_name_a_method() -> None:
    assert tuple(METHODS) == NAMES
    with pytest.raises(ValueError, match="one of: committee, last_layer, dropout, shallow"):
        UncertaintySettings(method="evidential")


@pytest.mark.parametrize("method", NAMES)
def test_predictions_have_a_mean_and_proper_covariances(trained: Checkpoint, method: str) -> None:
    frames = columns(ethanol(20), copper(21), ethanol(22))
    found = predict(trained, frames, UncertaintySettings(method=method))
    mean = Committee.from_checkpoint(trained).predict(frames)
    assert found.ids == mean.ids
    assert found.attributes["method"] == method
    assert found.attributes["checkpoint"] == trained.digest
    assert (found.energy_variance > 0).all()
    values = np.linalg.eigvalsh(found.force_covariance)
    assert values.min() > -1e-12 * values.max()
    np.testing.assert_allclose(
        found.force_covariance, found.force_covariance.transpose(0, 2, 1), rtol=1e-9, atol=1e-14
    )
    if method == "committee":
        np.testing.assert_array_equal(found.energy, mean.energy)
    else:
        alone = Committee.from_checkpoint(first_of(trained), "float64").predict(frames)
        assert (abs(found.energy - alone.energy) < 3 * np.sqrt(found.energy_variance)).all()
    again = predict(trained, frames, UncertaintySettings(method=method))
    assert again.digest == found.digest


@pytest.mark.parametrize("method", EXACT)
def test_predictions_do_not_depend_on_company(trained: Checkpoint, method: str) -> None:
    together = asked(trained, method, *(ethanol(s) for s in range(20, 27)))
    alone = asked(trained, method, ethanol(25))
    atoms = together.atoms_of(5)
    np.testing.assert_allclose(together.energy_variance[5], alone.energy_variance[0], rtol=1e-9)
    np.testing.assert_allclose(
        together.force_covariance[atoms], alone.force_covariance, rtol=1e-9, atol=1e-14
    )


def test_the_last_layer_predicts_what_its_member_predicts(trained: Checkpoint) -> None:
    found = asked(trained, "last_layer", ethanol(30), copper(31))
    wanted = Committee.from_checkpoint(first_of(trained), "float64").predict(
        columns(ethanol(30), copper(31))
    )
    np.testing.assert_allclose(found.energy, wanted.energy, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.forces, wanted.forces, rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", EXACT)
def test_sigma_of_a_supercell_grows_with_its_size(trained: Checkpoint, method: str) -> None:
    """Size consistency: n copies are wrong n times as far, in the same direction."""
    cell = copper(3)
    large = make_supercell(cell, np.diag([2, 2, 2]))
    found = asked(trained, method, cell, large)
    ratio = np.sqrt(found.energy_variance[1] / found.energy_variance[0])
    assert ratio == pytest.approx(8.0, rel=1e-9)


def test_masks_drawn_anew_for_every_atom_are_not_size_consistent(trained: Checkpoint) -> None:
    """The negative control of the test above: sigma grows as the root of the size only."""
    model = OneModel(trained)
    cell, large = copper(3), make_supercell(copper(3), np.diag([2, 2, 2]))
    keep, rng = 0.9, np.random.default_rng(0)

    def sigma(atoms: Atoms) -> float:
        frames = columns(atoms)
        batch = model.committee.batch(model.committee.graphs(frames))
        radial, _ = model.committee.network.radial(model.committee.model, batch)
        features = np.concatenate(
            [
                part[0].detach().numpy()
                for part in model.committee.network.features(
                    model.committee.model, batch, radial, batch.harmonics
                )
            ],
            axis=1,
        )
        masks = (rng.random((4000, *features.shape)) < keep) / keep
        return float(((masks * features) @ model.mean[: features.shape[1]]).sum(1).std(ddof=1))

    assert sigma(large) / sigma(cell) == pytest.approx(8**0.5, rel=0.1)


def turned(atoms: Atoms, matrix: np.ndarray) -> Atoms:
    copy = atoms.copy()
    copy.positions = copy.positions @ matrix.T
    copy.cell[:] = copy.cell.array @ matrix.T
    return copy


@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("improper", [False, True])
def test_covariances_turn_with_the_structure(
    trained: Checkpoint, method: str, improper: bool
) -> None:
    q = Rotation.random(random_state=5).as_matrix() * (-1 if improper else 1)
    frames = [ethanol(40), copper(41)]
    here = asked(trained, method, *frames)
    there = asked(trained, method, *(turned(a, q) for a in frames))
    scale = abs(here.force_covariance).max()
    np.testing.assert_allclose(
        there.force_covariance / scale, q @ here.force_covariance @ q.T / scale, rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(there.energy_variance, here.energy_variance, rtol=1e-9)
    trace = [np.trace(p.force_covariance, axis1=1, axis2=2) for p in (here, there)]
    np.testing.assert_allclose(trace[1], trace[0], rtol=1e-9)
    # negative control: the largest variance of a Cartesian component is another in another frame
    largest = [np.diagonal(p.force_covariance, axis1=1, axis2=2).max(axis=1) for p in (here, there)]
    assert abs(largest[1] / largest[0] - 1).max() > 0.01 or np.allclose(abs(q), np.eye(3))


@pytest.mark.parametrize("method", EXACT)
def test_moving_and_renaming_atoms_changes_nothing(trained: Checkpoint, method: str) -> None:
    atoms = ethanol(50)
    moved = atoms.copy()
    moved.positions += [1.0, -2.0, 3.0]
    order = np.random.default_rng(1).permutation(len(atoms))
    here = asked(trained, method, atoms)
    there, mixed = asked(trained, method, moved), asked(trained, method, atoms[order])
    np.testing.assert_allclose(there.energy_variance, here.energy_variance, rtol=1e-9)
    np.testing.assert_allclose(mixed.energy_variance, here.energy_variance, rtol=1e-9)
    scale = abs(here.force_covariance).max()
    for found, wanted in (
        (there.force_covariance, here.force_covariance),
        (mixed.force_covariance, here.force_covariance[order]),
    ):
        np.testing.assert_allclose(found / scale, wanted / scale, rtol=0, atol=1e-9)


def test_the_net_force_is_certain(trained: Checkpoint) -> None:
    """Every last layer moves the centre of mass equally little: A summed over the atoms is zero."""
    model = OneModel(trained)
    for found in model.rows(columns(ethanol(60))):
        net = found.forces.sum(axis=0)
        assert abs(net).max() < 1e-10 * abs(found.forces).max()
        posterior = model.posterior(1e-6)
        alone = posterior.covariances(found.forces)
        joint = posterior.covariances(net[None])
        assert np.trace(joint[0]) < 1e-12 * np.trace(alone.sum(axis=0))


def test_the_energy_alone_costs_no_derivative_and_is_the_same(trained: Checkpoint) -> None:
    model, frames = OneModel(trained), columns(ethanol(70), copper(71), ethanol(72))
    wanted = np.concatenate([found.energy for found in model.rows(frames)])
    np.testing.assert_allclose(model.energy_rows(frames), wanted, rtol=1e-12, atol=1e-12)


def _random_problem(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    scales = 10.0 ** rng.uniform(-3, 3, size=7)
    return rng.normal(size=(40, 7)) * scales, rng.normal(size=(25, 7)) * scales


def test_sequential_updates_are_one_batch_update_and_variances_never_rise() -> None:
    rng = np.random.default_rng(7)
    design, more = _random_problem(rng)
    before = Posterior.of(design.T @ design, 1e-6)
    batch = before.updated(more)
    step, last = before, before.variances(design)
    for row in more:
        step = step.updated(row[None])
        now = step.variances(design)
        assert (now <= last * (1 + 1e-9)).all()
        last = now
    np.testing.assert_allclose(step.variances(design), batch.variances(design), rtol=1e-8)
    refit = Posterior(np.diag(before.prior) + design.T @ design + more.T @ more, before.prior)
    np.testing.assert_allclose(batch.variances(more), refit.variances(more), rtol=1e-8)
    # negative control: a prior that is taken anew from the new information is another belief
    anew = Posterior.of(design.T @ design + more.T @ more, 0.1)
    old = Posterior.of(design.T @ design, 0.1).updated(more)
    assert abs(anew.variances(more) / old.variances(more) - 1).max() > 1e-3


def test_variances_are_those_of_the_inverse_and_of_the_draws() -> None:
    rng = np.random.default_rng(8)
    design, more = _random_problem(rng)
    belief = Posterior.of(design.T @ design, 1e-3)
    inverse = np.linalg.inv(belief.precision)
    np.testing.assert_allclose(
        belief.variances(more), np.einsum("ri,ij,rj->r", more, inverse, more), rtol=1e-6
    )
    blocks = more[:24].reshape(8, 3, 7)
    np.testing.assert_allclose(
        np.trace(belief.covariances(blocks), axis1=1, axis2=2),
        belief.variances(more[:24]).reshape(8, 3).sum(axis=1),
        rtol=1e-9,
    )
    drawn = belief.draws(4000, rng) @ more.T
    low, high = chi2.ppf([1e-5, 1 - 1e-5], 4000) / 4000
    ratio = (drawn**2).mean(axis=0) / belief.variances(more)
    assert (low < ratio).all()
    assert (ratio < high).all()


def test_a_known_sigma_is_recovered() -> None:
    """Labels of a linear model with noise of known size: errors are as large as sigma says."""
    rng = np.random.default_rng(9)
    truth, prior, noise = rng.normal(size=12) * 3.0, 1 / 9.0, 0.2
    z2 = []
    for _ in range(300):
        truth = rng.normal(size=12) * 3.0
        design = rng.normal(size=(20, 12))
        labels = design @ truth + noise * rng.normal(size=20)
        belief = Posterior(design.T @ design / noise**2 + prior * np.eye(12), np.full(12, prior))
        mean = np.linalg.solve(belief.precision, design.T @ labels / noise**2)
        row = rng.normal(size=(1, 12))
        z2.append(((row @ (truth - mean)) ** 2 / belief.variances(row))[0])
    low, high = chi2.ppf([1e-4, 1 - 1e-4], 300)
    assert low < np.sum(z2) < high
    # negative control: sigma taken 1.5 times too small is found out
    assert not low < np.sum(z2) * 1.5**2 < high


def test_updates_of_a_models_belief_are_one_by_one_what_they_are_together(
    trained: Checkpoint,
) -> None:
    """The same on the rows of a MACE: label by label, or all at once; variances never rise."""
    model, accuracy = OneModel(trained), 0.1
    before = model.posterior(1e-6)
    new = [found.forces.reshape(-1, len(model.mean)) for found in model.rows(columns(ethanol(80)))]
    design = np.concatenate(new) / accuracy
    seen = np.concatenate([f.energy for f in model.rows(columns(ethanol(81), copper(82)))])
    step, last = before, before.variances(seen)
    for row in design:
        step = step.updated(row[None])
        now = step.variances(seen)
        assert (now <= last * (1 + 1e-9)).all()
        last = now
    batch = before.updated(design)
    np.testing.assert_allclose(last, batch.variances(seen), rtol=1e-8)
    # negative control: labels that count twice are another belief
    assert (batch.updated(design).variances(seen) < last * (1 - 1e-3)).any()


def test_the_known_uncertainty_of_a_model_is_recovered(trained: Checkpoint) -> None:
    """Labels drawn from the belief of a MACE, 1.7 times as wide, with noise of known size.

    Negative control: with the noise left out of the account the factor is too large.
    """
    frames, rng = columns(*(ethanol(s) for s in range(100, 160))), np.random.default_rng(4)
    settings = UncertaintySettings(method="last_layer")
    found, model = predict(trained, frames, settings), OneModel(trained)
    draws = 1.7 * model.posterior(settings.ridge).draws(60, rng)
    pieces = list(model.rows(frames, batch_size=1))
    energy = found.energy + [float(p.energy[0] @ d) for p, d in zip(pieces, draws, strict=True)]
    forces = [p.forces @ d for p, d in zip(pieces, draws, strict=True)]
    sigma = (
        float(np.sqrt(found.energy_variance.mean())),
        float(np.sqrt(found.force_covariance.mean())),
    )
    noise = Noise(theory_id="t", sigma_energy=sigma[0], sigma_forces=sigma[1], source="made")
    labels = labelled([ethanol(s) for s in range(100, 160)])
    answers = {
        "purpose": np.full(60, PURPOSES.index("probe")),
        "energy": energy + sigma[0] * rng.normal(size=60),
        "forces": found.forces + np.concatenate(forces) + sigma[1] * rng.normal(size=(540, 3)),
    }
    labels = Labels.from_arrays({**labels.arrays, **answers}, labels.attributes)
    right, wrong = (
        calibrate(found, labels, each, CalibrateSettings(), None, "g000")
        for each in (noise, noise.model_copy(update={"sigma_energy": 0.0, "sigma_forces": 0.0}))
    )
    low, high = np.sqrt(chi2.ppf([1e-3, 1 - 1e-3], 60) / 60) * np.sqrt(1.7**2 + 1)
    assert low**2 - 1 < right.energy.alpha**2 < high**2 - 1
    assert right.forces.alpha == pytest.approx(1.7, rel=0.15)
    assert wrong.energy.alpha > right.energy.alpha
    assert wrong.forces.alpha > right.forces.alpha


@pytest.mark.parametrize("method", ["last_layer", "shallow"])
def test_a_model_without_information_is_refused(method: str) -> None:
    with pytest.raises(InvalidInput, match="information matrix"):
        asked(untrained(members=1), method, ethanol(0))


@pytest.mark.parametrize("method", NAMES)
def test_no_frames_and_unknown_elements(trained: Checkpoint, method: str) -> None:
    none = predict(trained, columns(), UncertaintySettings(method=method))
    assert len(none) == 0
    with pytest.raises(InvalidInput, match="not trained on N"):
        asked(trained, method, Atoms("N2", positions=[[0, 0, 0], [0, 0, 1.1]]))
