"""Going on from the parent: warm starts, and the last layer updated in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_potentials import ISOLATED, SMALL, ethanol, in_process, labelled

from aldata.artifacts.frames import Labels
from aldata.errors import InvalidInput
from aldata.potentials import Architecture, Committee
from aldata.potentials.last_layer import prior_of
from aldata.potentials.posterior import Posterior
from aldata.train import Parent, Trained, TrainingFrames, TrainSettings, train
from aldata.train.updating import updated

NUMBERS = np.array([1, 6, 8])
FIRST = TrainSettings(members=2, architecture=SMALL, steps=80, validate_every=40)
OLD, NEW = list(range(10)), list(range(10, 16))


def frames(seeds: list[int], valid: int = 2) -> TrainingFrames:
    labels = labelled([ethanol(seed) for seed in seeds])
    roles = ["valid"] * valid + ["train"] * (len(seeds) - valid)
    isolated = np.array([ISOLATED[int(z)] for z in NUMBERS])
    return TrainingFrames(labels, roles, NUMBERS, isolated, "ab" * 32)


def went_on(parent: Trained, seeds: list[int], **changes: Any) -> Trained:
    settings = FIRST.model_copy(update=changes)
    before = Parent(parent.checkpoint, frames(OLD).of("train"))
    return train(frames(seeds), settings, list(range(settings.members)), in_process, before)


@pytest.fixture(scope="module")
def parent() -> Trained:
    return train(frames(OLD), FIRST, [0, 1], in_process)


def _blocks(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scales = 10.0 ** np.linspace(-2, 2, 9)
    return rng.normal(size=(rows, 9)) * scales, rng.normal(size=rows)


def test_incremental_equals_refit() -> None:
    """Any order, any portions, and there and back: one last layer, and one belief."""
    (a, y), (b, z), (c, w) = _blocks(0, 40), _blocks(1, 7), _blocks(2, 5)
    pull, prior = np.random.default_rng(3).normal(size=9), prior_of(a.T @ a, 1e-3)

    def refit(*blocks: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        matrix = np.diag(prior) + sum(design.T @ design for design, _ in blocks)
        right = prior * pull + sum(design.T @ values for design, values in blocks)
        return np.linalg.solve(matrix, right)

    start = refit((a, y))
    both, h = updated(start, a.T @ a, prior, [(b, z), (c, w)], [])
    np.testing.assert_allclose(both, refit((a, y), (b, z), (c, w)), rtol=1e-8)
    one, h1 = updated(start, a.T @ a, prior, [(b, z)], [])
    two, h2 = updated(one, h1, prior, [(c, w)], [])
    np.testing.assert_allclose(two, both, rtol=1e-8)
    np.testing.assert_allclose(h2, h, rtol=1e-10)
    back, h3 = updated(two, h2, prior, [], [(b, z)])
    np.testing.assert_allclose(back, refit((a, y), (c, w)), rtol=1e-8)
    before, after = (
        Posterior(a.T @ a + np.diag(prior), prior),
        Posterior(h3 + np.diag(prior), prior),
    )
    assert (after.variances(b) <= before.variances(b)).all()


def test_an_update_changes_the_last_layer_only_and_learns(parent: Trained) -> None:
    found = went_on(parent, OLD + NEW, update="last_layer").checkpoint
    last = 2 * SMALL.channels + 3  # an upper bound of what the last layer holds, per member
    changed = (found.weights != parent.checkpoint.weights).sum(axis=1)
    assert (changed > 0).all()
    assert (changed <= last).all()
    assert found.card["updates"] == parent.checkpoint.digest
    assert (
        np.diagonal(found.information, axis1=1, axis2=2).sum(1)
        > np.diagonal(parent.checkpoint.information, axis1=1, axis2=2).sum(1)
    ).all()
    new = labelled([ethanol(seed) for seed in NEW])

    def misfit(checkpoint: Any) -> float:
        predicted = Committee.from_checkpoint(checkpoint).predict(new)
        energy = (predicted.energy - new.energy) / new.row_size / FIRST.energy_accuracy
        forces = (predicted.forces - new.forces) / FIRST.forces_accuracy
        return float((energy**2).sum() + (forces**2).sum())

    assert misfit(found) < misfit(parent.checkpoint)


def test_nothing_new_changes_nothing_and_labels_can_be_taken_back(parent: Trained) -> None:
    same = went_on(parent, OLD, update="last_layer").checkpoint
    np.testing.assert_allclose(same.weights, parent.checkpoint.weights, rtol=1e-5, atol=1e-6)
    more = went_on(parent, OLD + NEW, update="last_layer")
    before = Parent(more.checkpoint, frames(OLD + NEW).of("train"))
    settings = FIRST.model_copy(update={"update": "last_layer"})
    back = train(frames(OLD), settings, [0, 1], in_process, before).checkpoint
    np.testing.assert_allclose(
        back.information, parent.checkpoint.information, rtol=1e-6, atol=1e-3
    )
    predicted = [
        Committee.from_checkpoint(c).predict(labelled([ethanol(50)])).forces
        for c in (back, parent.checkpoint)
    ]
    np.testing.assert_allclose(predicted[0], predicted[1], atol=2e-3)


def test_a_warm_start_begins_at_the_parents_weights(parent: Trained) -> None:
    barely = went_on(
        parent, OLD + NEW, update="warm_start", steps=1, learning_rate=1e-9, last_layer=False
    )
    np.testing.assert_allclose(barely.checkpoint.weights, parent.checkpoint.weights, atol=1e-6)
    cold = went_on(parent, OLD + NEW, steps=1, learning_rate=1e-9, last_layer=False)
    assert abs(cold.checkpoint.weights - parent.checkpoint.weights).max() > 0.1
    assert cold.checkpoint.card["updates"] is None
    warm = went_on(parent, OLD + NEW, update="warm_start", steps=40)
    cold = went_on(parent, OLD + NEW, update="retrain", steps=40)
    errors = [t.histories[0][-1]["valid_forces_rmse"] for t in (warm, cold)]
    assert errors[0] < errors[1]


def test_the_first_training_has_no_parent_to_go_on_from() -> None:
    settings = FIRST.model_copy(update={"update": "warm_start", "steps": 10})
    alone = train(frames(OLD), settings, [0, 1], in_process)
    assert alone.checkpoint.card["updates"] is None


def test_a_parent_that_does_not_fit_is_refused(parent: Trained) -> None:
    with pytest.raises(InvalidInput, match="another architecture"):
        went_on(parent, OLD, update="warm_start", architecture=Architecture(channels=3))
    with pytest.raises(InvalidInput, match="2 members, not 3"):
        went_on(parent, OLD, update="last_layer", members=3)
    rough = train(frames(OLD), FIRST.model_copy(update={"last_layer": False}), [0, 1], in_process)
    with pytest.raises(InvalidInput, match="not the optimum"):
        went_on(rough, OLD, update="last_layer")


def test_removed_is_what_the_parent_learned_and_this_generation_does_not(parent: Trained) -> None:
    kept: Labels = frames(OLD).of("train")
    assert len(kept) == 8
    fewer = went_on(parent, OLD[:-2], update="last_layer").checkpoint
    traces = [np.trace(c.information[0]) for c in (fewer, parent.checkpoint)]
    assert traces[0] < traces[1]
