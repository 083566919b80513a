"""Laws of the information gain, on the rows of a real MACE model and on made ones."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from made_potentials import SMALL, copper, ethanol, in_process, labelled
from scipy.spatial.transform import Rotation

from aldata.acquire.information import gram, greedy, information, scalar_gain
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import as_configurations
from aldata.potentials.uncertainty.one_model import OneModel
from aldata.train import TrainingFrames, TrainSettings, train

SIGMA_E, SIGMA_F = 0.01, 0.05


@pytest.fixture(scope="module")
def model() -> OneModel:
    frames = labelled([*(ethanol(s) for s in range(8)), *(copper(s) for s in range(4))])
    roles = ["valid" if k % 4 == 3 else "train" for k in range(12)]
    settings = TrainSettings(members=1, steps=40, architecture=SMALL)
    data = TrainingFrames(frames, roles, np.array([1, 6, 8, 29]), np.zeros(4), "00" * 32)
    return OneModel(train(data, settings, [0], in_process).checkpoint)


def grams_of(model: OneModel, atoms: list) -> np.ndarray:
    """G_x of frames, whitened by the model's posterior."""
    posterior, found = model.posterior(1e-6), []
    frames = as_configurations([from_atoms(a) for a in atoms])
    for rows in model.rows(frames, batch_size=1):
        energy = posterior.whitened(rows.energy)[0]
        forces = posterior.whitened(rows.forces.reshape(-1, rows.forces.shape[-1]))
        found.append(gram(energy, forces, SIGMA_E, SIGMA_F))
    return np.stack(found)


@pytest.fixture(scope="module")
def grams(model: OneModel) -> np.ndarray:
    return grams_of(model, [ethanol(s, 0.15) for s in range(30, 38)])


def test_one_number_has_the_scalar_gain() -> None:
    row = np.array([0.3, -0.2, 0.5])
    one = gram(row, np.zeros((0, 3)), 0.1, 1.0)
    assert information(one[None]) == pytest.approx(scalar_gain(row @ row, 0.1), rel=1e-12)
    assert scalar_gain(np.array(3.0), 1.0) == pytest.approx(np.log(2.0))


def test_the_chain_rule(grams: np.ndarray) -> None:
    _, gains = greedy(grams, 5)
    rows, _ = greedy(grams, 5)
    assert gains.sum() == pytest.approx(information(grams[rows]), rel=1e-10)


def test_more_labels_tell_more_and_each_less_than_before(grams: np.ndarray) -> None:
    for x in range(3, 8):
        alone = information(grams[[x]])
        after_one = information(grams[[0, x]]) - information(grams[[0]])
        after_three = information(grams[[0, 1, 2, x]]) - information(grams[[0, 1, 2]])
        assert 0 < after_three <= after_one * (1 + 1e-12) <= alone * (1 + 1e-12)


def test_the_same_frame_twice_is_worth_less_than_two(grams: np.ndarray) -> None:
    for x in range(8):
        twice = information(grams[[x, x]])
        assert information(grams[[x]]) < twice < 2 * information(grams[[x]])


def test_summing_the_scalar_gain_over_components_counts_twice(model: OneModel) -> None:
    """Negative control: the sum exceeds the joint gain, and changes when the molecule is turned."""
    posterior, sums, joint = model.posterior(1e-6), [], []
    turned = ethanol(50)
    turned.positions = turned.positions @ Rotation.random(random_state=3).as_matrix().T
    for atoms in (ethanol(50), turned):
        rows = next(model.rows(as_configurations([from_atoms(atoms)])))
        flat = rows.forces.reshape(-1, rows.forces.shape[-1])
        sums.append(scalar_gain(posterior.variances(flat), SIGMA_F).sum())
        joint.append(information(grams_of(model, [atoms])))
    assert sums[0] > joint[0]
    assert joint[1] == pytest.approx(joint[0], rel=1e-9)
    assert abs(sums[1] / sums[0] - 1) > 1e-4


@pytest.mark.parametrize("count", [1, 2, 3])
def test_greedy_is_near_the_best_batch(grams: np.ndarray, count: int) -> None:
    rows, _ = greedy(grams, count)
    best = max(information(grams[list(c)]) for c in combinations(range(len(grams)), count))
    assert information(grams[rows]) >= (1 - 1 / np.e) * best
    if count == 1:
        assert information(grams[rows]) == pytest.approx(best, rel=1e-12)


def plain(grams: np.ndarray, count: int, bonus: np.ndarray) -> list[int]:
    """Every gain computed anew for every pick."""
    rows: list[int] = []
    for _ in range(count):
        now = information(grams[rows]) if rows else 0.0
        worth = [
            -np.inf if x in rows else information(grams[[*rows, x]]) - now + bonus[x]
            for x in range(len(grams))
        ]
        rows.append(int(np.argmax(worth)))
    return rows


@pytest.mark.parametrize("seed", range(20))
def test_lazy_greedy_picks_what_plain_greedy_picks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wide = rng.normal(size=(25, 6, 9)) * rng.uniform(0.01, 2.0, size=(25, 1, 1))
    grams, bonus = wide.transpose(0, 2, 1) @ wide, rng.uniform(size=25)
    rows, scores = greedy(grams, 10, lambda: bonus)
    assert rows.tolist() == plain(grams, 10, bonus)
    without, gains = greedy(grams, 10)
    assert without.tolist() == plain(grams, 10, np.zeros(25))
    assert (np.diff(gains) <= 1e-9).all()
    assert len(set(rows.tolist())) == 10
    assert np.isfinite(scores).all()


def test_copies_are_not_asked_for_twice(grams: np.ndarray) -> None:
    """The most telling frame three times: top-k by score takes all, the joint gain looks elsewhere."""
    alone = np.array([information(g[None]) for g in grams])
    best = int(np.argmax(alone))
    pool = np.concatenate([grams[[best, best]], grams])
    scores = np.concatenate([alone[[best, best]], alone])
    copies = {0, 1, best + 2}
    top = np.argsort(-scores, kind="stable")[:3]
    assert set(top.tolist()) == copies
    rows, _ = greedy(pool, 3)
    assert len(copies & set(rows[:2].tolist())) == 1
    assert information(pool[rows]) > information(pool[top])


def test_noise_is_not_chased() -> None:
    """Equal epistemic variance, ten times the noise: the clean frames come first.

    Negative control: the total variance ranks the noisy ones first.
    """
    rng = np.random.default_rng(4)
    directions = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    noise = np.array([0.1] * 4 + [1.0] * 4)
    grams = np.stack(
        [gram(0.5 * d, np.zeros((0, 8)), s, 1.0) for d, s in zip(directions, noise, strict=True)]
    )
    rows, _ = greedy(grams, 8)
    assert set(rows[:4].tolist()) == {0, 1, 2, 3}
    total = 0.5**2 + noise**2
    assert set(np.argsort(-total)[:4].tolist()) == {4, 5, 6, 7}


def test_the_noise_of_a_models_frames_is_not_chased(model: OneModel) -> None:
    """The same on rows of a MACE: each frame twice, once with labels ten times as noisy."""
    posterior, clean, noisy, spread = model.posterior(1e-6), [], [], []
    frames = as_configurations([from_atoms(ethanol(s, 0.15)) for s in range(30, 35)])
    for rows in model.rows(frames, batch_size=1):
        energy = posterior.whitened(rows.energy)[0]
        forces = posterior.whitened(rows.forces.reshape(-1, rows.forces.shape[-1]))
        clean.append(gram(energy, forces, SIGMA_E, SIGMA_F))
        noisy.append(gram(energy, forces, 10 * SIGMA_E, 10 * SIGMA_F))
        spread.append(np.square(forces).sum())
    rows, _ = greedy(np.stack([*noisy, *clean]), 5)
    assert set(rows.tolist()) == {5, 6, 7, 8, 9}
    # negative control: by total variance the noisy copy of each frame comes before its clean one
    total = np.array(spread + spread)
    total += 27 * np.array([100.0] * 5 + [1.0] * 5) * SIGMA_F**2
    assert (total[:5] > total[5:]).all()


def test_more_picks_than_frames_are_all_frames(grams: np.ndarray) -> None:
    rows, _ = greedy(grams, 50)
    assert sorted(rows.tolist()) == list(range(8))
    none, scores = greedy(grams[:0], 3)
    assert len(none) == len(scores) == 0
