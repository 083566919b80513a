"""acquire: the contract of every strategy, the probe, and what each strategy is for."""

from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from ase.build import molecule
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from made_potentials import informed, untrained
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from aldata import digest
from aldata.acquire import STRATEGIES, AcquireSettings, LastLayerBelief, Pool, acquire
from aldata.acquire import distances as blocks
from aldata.acquire.distances import nearest, typical_spacing
from aldata.acquire.known import Known
from aldata.acquire.questions import PoolSource
from aldata.acquire.strategies import farthest_point
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.documents import Calibration, Factor
from aldata.artifacts.frames import (
    Descriptors,
    Predictions,
    Selection,
    as_configurations,
)
from aldata.describe import NAMES as DESCRIPTORS
from aldata.describe import DescribeSettings, describe
from aldata.errors import InvalidInput, InvalidParameters
from aldata.query import values

every_strategy = pytest.mark.parametrize("strategy", sorted(STRATEGIES))
ATOMS = 4


def identity(name: object) -> str:
    return digest.of_bytes(str(name).encode())


def described(vectors: np.ndarray, names: list[object], atoms: int = ATOMS) -> Descriptors:
    """Descriptors of frames of `atoms` atoms, two elements in turn."""
    frames = len(vectors) // atoms
    return Descriptors(
        configuration_id=digest.to_bytes([identity(name) for name in names]),
        row_size=np.full(frames, atoms),
        numbers=np.tile(np.arange(atoms) % 2 + 1, frames) if atoms > 1 else np.ones(frames),
        descriptor=vectors,
        attributes={"descriptor_id": "d"},
    )


def unit(rng: np.random.Generator, count: int, features: int = 5) -> np.ndarray:
    vectors = rng.normal(size=(count, features))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def predicted(candidates: Descriptors, rng: np.random.Generator) -> Predictions:
    atoms, frames = len(candidates.numbers), len(candidates)
    roots = rng.normal(size=(atoms, 3, 3)) * rng.gamma(1.0, size=(atoms, 1, 1))
    return Predictions(
        configuration_id=candidates.configuration_id,
        row_size=candidates.row_size,
        energy=rng.normal(size=frames),
        energy_variance=rng.random(frames),
        forces=rng.normal(size=(atoms, 3)),
        force_covariance=roots @ roots.transpose(0, 2, 1),
        attributes={"checkpoint": "c" * 64, "members": 4},
    )


def pool(seed: int = 0, frames: int = 40, training: int = 8, **changes: Any) -> Pool:
    rng = np.random.default_rng(seed)
    candidates = described(unit(rng, frames * ATOMS), [("c", seed, i) for i in range(frames)])
    known = described(unit(rng, training * ATOMS), [("t", seed, i) for i in range(training)])
    parts = {
        "candidates": candidates,
        "training": known,
        "predictions": predicted(candidates, rng),
        "belief": Made(rng, frames),
        "target": (1e-3, 2e-2),
        **changes,
    }
    return Pool(**parts)


class Made:
    """A made-up belief about a last layer of seven parameters."""

    def __init__(self, rng: np.random.Generator, frames: int) -> None:
        self.energies = rng.normal(size=(frames, 7)) * rng.gamma(1.0, size=(frames, 1))
        self.training = rng.normal(size=(5, 7))
        sizes = rng.gamma(1.0, size=(frames, 1, 1))
        self._forces = sizes * rng.normal(size=(frames, 3 * ATOMS, 7))

    @property
    def variances(self) -> np.ndarray:
        return np.asarray(np.square(self.energies).sum(axis=1))

    def forces(self, row: int) -> np.ndarray:
        return np.asarray(self._forces[row])

    def take(self, rows: np.ndarray) -> "Made":
        new = object.__new__(Made)
        new.energies, new.training = self.energies[rows], self.training
        new._forces = self._forces[rows]
        return new


def blind(original: Pool) -> Pool:
    """The pool before there is a model."""
    return Pool(
        candidates=original.candidates,
        training=original.training,
        predictions=Predictions.empty({}),
        known_ids=original.known_ids,
    )


def asked(selection: Selection) -> dict[str, tuple[float, int, bool]]:
    rows = zip(selection.score, selection.rank, selection.probe, strict=True)
    return dict(zip(selection.ids, ((float(s), int(r), bool(p)) for s, r, p in rows), strict=True))


def same(first: Selection, second: Selection, tolerance: float = 1e-9) -> bool:
    if first.ids != second.ids or (first.probe != second.probe).any():
        return False
    return bool(np.allclose(first.score, second.score, rtol=tolerance, atol=tolerance))


class TestEveryStrategy:
    @every_strategy
    @given(seed=st.integers(0, 1000), batch=st.integers(2, 45))
    @examples(max_examples=10, deadline=None)
    def test_picks_so_many_each_once_with_a_reason(
        self, strategy: str, seed: int, batch: int
    ) -> None:
        found = acquire(pool(seed), AcquireSettings(strategy=strategy, batch=batch), seed)
        assert len(found) == min(batch, 40) == len(set(found.ids))
        assert set(found.ids) <= set(pool(seed).candidates.ids)
        assert found.rank.tolist() == list(range(len(found)))
        assert found.attributes["strategy"] == strategy == found.attributes["asked"]
        reasons = [found.attributes["reasons"][r] for r in found.reason]
        assert [r == "uniformly random probe" for r in reasons] == found.probe.tolist()
        if strategy != "largest_cluster":  # the farthest of the largest cluster, not of all
            assert (np.diff(found.score[~found.probe]) <= 1e-9).all()
        assert found.attributes["checkpoint"] == "c" * 64
        assert found.attributes["descriptor_id"] == "d"

    @every_strategy
    @given(seed=st.integers(0, 1000))
    @examples(max_examples=10, deadline=None)
    def test_the_order_of_the_pool_does_not_matter(self, strategy: str, seed: int) -> None:
        order = np.random.default_rng(seed + 1).permutation(40)
        settings = AcquireSettings(strategy=strategy)
        straight = acquire(pool(seed), settings, 3)
        assert straight.digest == acquire(pool(seed).take(order), settings, 3).digest

    @every_strategy
    def test_the_order_of_equal_candidates_does_not_matter(self, strategy: str) -> None:
        alike = described(np.tile(unit(np.random.default_rng(0), ATOMS), (12, 1)), list(range(12)))
        told = Made(np.random.default_rng(0), 1).take(np.zeros(12, dtype=int))
        ties = pool(candidates=alike, predictions=equally_uncertain(alike), belief=told)
        settings = AcquireSettings(strategy=strategy, batch=5)
        assert (
            acquire(ties, settings, 0).ids
            == acquire(ties.take(np.arange(12)[::-1]), settings, 0).ids
        )

    @pytest.mark.parametrize("descriptor", DESCRIPTORS)
    @every_strategy
    def test_turned_mirrored_moved_and_renumbered_frames_are_picked_alike(
        self, strategy: str, descriptor: str
    ) -> None:
        straight, turned = (molecules_pool(turn, descriptor) for turn in (False, True))
        settings = AcquireSettings(strategy=strategy, batch=8)
        one, other = acquire(straight, settings, 5), acquire(turned, settings, 5)
        assert one.attributes["strategy"] == strategy
        # descriptors are stored in float32; what needs none is exact
        exact = strategy in ("random", "max_variance", "information_gain", "largest_cluster")
        assert same(one, other, tolerance=1e-8 if exact else 1e-4)

    @every_strategy
    def test_seeds_repeat_and_differ(self, strategy: str) -> None:
        settings = AcquireSettings(strategy=strategy, probe=0.25)
        assert acquire(pool(), settings, 1).digest == acquire(pool(), settings, 1).digest
        assert acquire(pool(), settings, 1).ids != acquire(pool(), settings, 2).ids

    @every_strategy
    def test_nothing_known_is_asked_again_and_nothing_twice(self, strategy: str) -> None:
        whole = pool()
        known = frozenset(whole.candidates.ids[:25])
        again = np.concatenate([np.arange(40), np.arange(30, 40)])
        doubled = Pool(
            candidates=whole.candidates.take(again),
            training=whole.training,
            predictions=whole.predictions.take(again),
            known_ids=known,
            belief=whole.last_layer.take(again),
            target=whole.target,
        )
        found = acquire(doubled, AcquireSettings(strategy=strategy, batch=30), 0)
        assert sorted(found.ids) == sorted(set(whole.candidates.ids) - known)
        counts = {"candidates": 50, "known": 25, "identical": 10, "new": 15, "satisfying": 15}
        assert found.attributes["pool"] == counts
        assert "only 15" in found.attributes["warnings"][0]

    @every_strategy
    def test_nothing_new_is_an_error(self, strategy: str) -> None:
        everything = pool(known_ids=frozenset(pool().candidates.ids))
        with pytest.raises(InvalidInput, match="none of the 40"):
            acquire(everything, AcquireSettings(strategy=strategy), 0)

    @every_strategy
    def test_what_is_not_finite_is_named(self, strategy: str) -> None:
        whole = pool()
        covariance = whole.predictions.force_covariance.copy()
        covariance[4 * ATOMS + 1, 0, 2] = np.nan
        arrays = {**whole.predictions.arrays, "force_covariance": covariance}
        broken = pool(predictions=Predictions.from_arrays(arrays, whole.predictions.attributes))
        with pytest.raises(InvalidInput, match=whole.candidates.ids[4][:8]):
            acquire(broken, AcquireSettings(strategy=strategy), 0)

    @every_strategy
    def test_before_there_is_a_model_diversity_decides(self, strategy: str) -> None:
        found = acquire(blind(pool()), AcquireSettings(strategy=strategy), 0)
        replaced = strategy not in {"random", "farthest_point", "permuted"}
        assert found.attributes["strategy"] == ("farthest_point" if replaced else strategy)
        assert found.attributes["asked"] == strategy
        assert ("no model yet" in found.attributes["reasons"][1]) == replaced

    def test_a_single_member_has_no_variance_to_pick_by(self) -> None:
        arrays = pool().predictions.arrays
        arrays = {**arrays, "force_covariance": np.zeros_like(arrays["force_covariance"])}
        alone = pool(predictions=Predictions.from_arrays(arrays, {"members": 1}))
        found = acquire(alone, AcquireSettings(strategy="max_variance"), 0)
        assert found.attributes["strategy"] == "farthest_point"
        assert "one member is no committee" in found.attributes["reasons"][1]


def equally_uncertain(candidates: Descriptors) -> Predictions:
    arrays = predicted(candidates, np.random.default_rng(0)).arrays
    arrays["force_covariance"] = np.tile(np.eye(3), (len(candidates.numbers), 1, 1))
    return Predictions.from_arrays(arrays, {"checkpoint": "c" * 64})


@lru_cache
def molecules_pool(turn: bool, descriptor: str = "soap") -> Pool:
    """Ethanols; turned, mirrored, moved and renumbered ones keep their names, and their covariances
    turn with them.
    """
    rng, turns = np.random.default_rng(0), np.random.default_rng(1)
    frames, covariances, seen = [], [], []
    for _ in range(24):
        atoms = molecule("CH3CH2OH")
        atoms.positions += rng.normal(0, 0.08, (9, 3))
        roots = rng.normal(size=(9, 3, 3))
        seen.append(atoms.copy())
        rotation = Rotation.random(rng=turns).as_matrix() * turns.choice([-1, 1])
        if turn:
            order = turns.permutation(9)
            atoms = atoms[order]
            atoms.positions = atoms.positions @ rotation.T + turns.normal(size=3)
            roots = (rotation @ roots)[order]
        frames.append(from_atoms(atoms))
        covariances.append(roots @ roots.transpose(0, 2, 1))
    model = informed(untrained(members=1), seen[18:])
    settings = DescribeSettings(method=descriptor)
    all_vectors = describe(as_configurations(frames), settings, [1, 6, 8], model)
    names = digest.to_bytes([identity(i) for i in range(24)])
    named = Descriptors.from_arrays(
        {**all_vectors.arrays, "configuration_id": names}, all_vectors.attributes
    )
    candidates, training = named.take(range(18)), named.take(range(18, 24))
    arrays = predicted(candidates, rng).arrays
    arrays["force_covariance"] = np.concatenate(covariances)[: 18 * 9]
    return Pool(
        candidates=candidates,
        training=training,
        predictions=Predictions.from_arrays(arrays, {"checkpoint": "c" * 64}),
        belief=LastLayerBelief(
            model,
            as_configurations(frames[:18]),
            as_configurations(frames[18:]),
            1e-6,
        ),
        target=(1e-3, 2e-2),
    )


class TestProbe:
    def test_is_the_same_for_every_strategy_and_model(self) -> None:
        drawn = set()
        for strategy in STRATEGIES:
            for whole in (pool(), blind(pool())):
                found = acquire(whole, AcquireSettings(strategy=strategy, probe=0.2), 6)
                drawn.add(tuple(np.array(found.ids)[found.probe]))
        assert len(drawn) == 1

    @pytest.mark.parametrize(
        ("batch", "share", "count"),
        [(16, 0.125, 2), (16, 0, 0), (16, 0.01, 1), (10, 0.1, 1), (2, 0.9, 1), (40, 0.5, 20)],
    )
    def test_its_share(self, batch: int, share: float, count: int) -> None:
        found = acquire(pool(), AcquireSettings(batch=batch, probe=share), 0)
        assert found.probe.sum() == count
        assert len(found) == batch

    def test_the_last_candidate_is_learned_from(self) -> None:
        found = acquire(pool().take(np.array([3])), AcquireSettings(), 0)
        assert found.probe.tolist() == [False]

    def test_is_uniform_whatever_the_scores(self) -> None:
        whole = pool(frames=10)
        counts = dict.fromkeys(whole.candidates.ids, 0)
        for seed in range(2000):
            found = acquire(whole, AcquireSettings(strategy="max_variance", batch=2), seed)
            counts[np.array(found.ids)[found.probe][0]] += 1
        expected = 200
        chi2 = sum((n - expected) ** 2 / expected for n in counts.values())
        assert chi2 < 27.9  # 99.9 % of chi-squared with 9 degrees of freedom


class TestMaxVariance:
    def test_asks_for_the_largest_calibrated_variance(self) -> None:
        factor = Factor(alpha=3.0, mean_z2=9.0, frames=10, fitted=True)
        calibration = Calibration(generation="g", checkpoint="c", energy=factor, forces=factor)
        whole = pool(calibration=calibration)
        found = acquire(whole, AcquireSettings(strategy="max_variance", probe=0, batch=5), 0)
        trace = np.trace(whole.predictions.force_covariance, axis1=1, axis2=2).reshape(40, ATOMS)
        expected = 9 * trace.max(axis=1)
        best = np.argsort(-expected)[:5]
        assert found.ids == [whole.candidates.ids[row] for row in best]
        np.testing.assert_allclose(found.score, expected[best])

    def test_the_largest_cartesian_component_would_depend_on_the_frame(self) -> None:
        # the negative control of the rotation contract
        straight, turned = (molecules_pool(turn).predictions for turn in (False, True))

        def worst(predictions: Predictions) -> np.ndarray:
            return np.asarray(np.diagonal(predictions.force_covariance, axis1=1, axis2=2).max(1))

        assert not np.allclose(worst(straight), worst(turned), rtol=0.01)


def points(values: list[list[float]], names: list[object]) -> Descriptors:
    return described(np.array(values, dtype=np.float32).reshape(-1, 2), names, atoms=1)


coordinates = st.lists(
    st.tuples(st.integers(-8, 8), st.integers(-8, 8)), min_size=4, max_size=9, unique=True
)


class TestFarthestPoint:
    SETTINGS = AcquireSettings(strategy="farthest_point", probe=0, batch=2)

    @given(places=coordinates, centres=st.integers(0, 2), picks=st.integers(2, 3))
    @examples(max_examples=60, deadline=None)
    def test_covers_at_most_twice_as_badly_as_the_best_choice(
        self, places: list[tuple[int, int]], centres: int, picks: int
    ) -> None:
        fixed, free = places[:centres], places[centres:]
        picks = min(picks, len(free))
        whole = Pool(
            candidates=points([list(p) for p in free], [("c", i) for i in range(len(free))]),
            training=points([list(p) for p in fixed], [("t", i) for i in range(centres)]),
            predictions=Predictions.empty({}),
        )
        chosen = farthest_point.pick(whole, picks, np.random.default_rng(0)).rows

        def radius(rows: Any) -> float:
            known = [*fixed, *(free[row] for row in rows)]
            return float(cdist(free, known).min(axis=1).max())

        best = min(radius(rows) for rows in combinations(range(len(free)), picks))
        assert radius(chosen) <= 2 * best + 1e-5

    def test_a_copy_of_a_training_frame_is_the_last_choice(self) -> None:
        whole = pool(frames=6)
        training = Descriptors.concatenate(
            [whole.training, whole.candidates.take([2])], whole.training.attributes
        )
        copied = pool(frames=6, training=8, candidates=whole.candidates)
        copied = Pool(candidates=whole.candidates, training=training, predictions=whole.predictions)
        picks = farthest_point.pick(copied, 6, np.random.default_rng(0))
        assert picks.rows[-1] == 2
        assert picks.scores[-1] == 0
        assert farthest_point.pick(whole, 6, np.random.default_rng(0)).rows[-1] != 2

    def test_the_training_set_decides(self) -> None:
        first = acquire(pool(), self.SETTINGS, 0)
        chosen = pool().candidates.take([pool().candidates.ids.index(first.ids[0])])
        richer = Descriptors.concatenate([pool().training, chosen], {"descriptor_id": "d"})
        second = acquire(pool(training=8).take(np.arange(40)), self.SETTINGS, 0)
        assert second.ids == first.ids
        whole = pool()
        changed = Pool(candidates=whole.candidates, training=richer, predictions=whole.predictions)
        assert acquire(changed, self.SETTINGS, 0).ids[0] != first.ids[0]

    def test_one_defect_is_not_diluted_by_its_frame(self) -> None:
        rng = np.random.default_rng(0)
        common = unit(rng, 1)[0]
        frames = np.tile(common, (5 * 50, 1)) + rng.normal(0, 0.02, (250, 5))
        frames[3 * 50 + 10] = -common
        whole = Pool(
            candidates=described(frames, list(range(5)), atoms=50),
            training=described(np.tile(common, (50, 1)), ["t"], atoms=50),
            predictions=Predictions.empty({}),
        )
        assert farthest_point.pick(whole, 1, rng).rows.tolist() == [3]

    def test_elements_are_compared_with_themselves_only(self) -> None:
        vector = unit(np.random.default_rng(0), 1)[0]
        twin, other = np.stack([vector, vector]), np.stack([vector, -vector])
        whole = Pool(
            candidates=described(np.concatenate([twin, other]), ["a", "b"], atoms=2),
            training=described(other, ["t"], atoms=2),
            predictions=Predictions.empty({}),
        )
        picks = farthest_point.pick(whole, 2, np.random.default_rng(0))
        assert picks.rows.tolist() == [0, 1]
        np.testing.assert_allclose(picks.scores, [2, 0], atol=1e-6)

    def test_an_element_never_seen_is_as_far_as_can_be(self) -> None:
        whole = pool()
        training = whole.training.arrays
        one = np.arange(0, len(training["numbers"]), ATOMS)
        only_hydrogen = Descriptors(
            configuration_id=training["configuration_id"],
            row_size=np.ones(8),
            numbers=training["numbers"][one],
            descriptor=training["descriptor"][one],
            attributes={"descriptor_id": "d"},
        )
        new = Pool(
            candidates=whole.candidates, training=only_hydrogen, predictions=whole.predictions
        )
        scores = farthest_point.pick(new, 3, np.random.default_rng(0)).scores
        assert scores[0] == pytest.approx(2.0, abs=1e-6)
        assert scores[1] < 2.0

    def test_begins_with_the_most_ordinary_frame_when_nothing_is_known(self) -> None:
        nothing = Descriptors.empty({}, feature=2)
        whole = Pool(
            candidates=points([[0, 0], [4, 0], [5, 1], [9, 0]], list("abcd")),
            training=nothing,
            predictions=Predictions.empty({}),
        )
        picks = farthest_point.pick(whole, 3, np.random.default_rng(0))
        assert picks.rows.tolist() == [1, 3, 0]
        assert picks.facts["typical_spacing"] is None

    def test_scores_are_in_units_of_the_typical_spacing(self) -> None:
        whole = pool()
        picks = farthest_point.pick(whole, 2, np.random.default_rng(0))
        spacing = typical_spacing(whole.training)
        assert spacing is not None
        assert picks.facts["typical_spacing"] == spacing
        worst = max(
            nearest(
                whole.candidates.descriptor[whole.candidates.atoms_of(int(picks.rows[0]))][kind::2],
                whole.training.descriptor[whole.training.numbers == kind + 1],
            ).max()
            for kind in (0, 1)
        )
        assert picks.scores[0] == pytest.approx(worst / spacing)


class TestDistances:
    def test_blocks_agree_with_scipy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(0)
        ours, theirs = unit(rng, 57), unit(rng, 83)
        monkeypatch.setattr(blocks, "BLOCK", 7)
        np.testing.assert_allclose(
            nearest(ours, theirs), cdist(ours, theirs).min(axis=1), atol=1e-7
        )
        groups = rng.integers(0, 3, 57), rng.integers(0, 3, 83)
        apart = np.where(groups[0][:, None] == groups[1], np.inf, cdist(ours, theirs)).min(axis=1)
        np.testing.assert_allclose(nearest(ours, theirs, groups), apart, atol=1e-7)

    def test_a_copy_has_distance_zero(self) -> None:
        vectors = unit(np.random.default_rng(0), 50, 800).astype(np.float32)
        assert (nearest(vectors, vectors) == 0).all()
        assert np.isinf(nearest(vectors, vectors[:0])).all()

    def test_the_spacing_is_between_frames(self) -> None:
        places = [[float(i), 0.0] for i in range(12)]
        assert typical_spacing(points(places, list(range(12)))) == pytest.approx(1.0)
        # two atoms of one frame are no neighbours of each other
        pairs = np.repeat(np.array(places), 4, axis=0)
        assert typical_spacing(described(pairs, list(range(12)))) == pytest.approx(1.0)

    def test_too_few_or_equal_frames_have_no_spacing(self) -> None:
        assert typical_spacing(points([[0, 0], [1, 0]], [0, 1])) is None
        assert typical_spacing(points([[0, 0]] * 20, list(range(20)))) is None
        assert typical_spacing(Descriptors.empty({}, feature=3)) is None


class TestPool:
    def test_parts_of_different_candidates_are_refused(self) -> None:
        with pytest.raises(InvalidInput, match="different candidates"):
            pool(predictions=pool(seed=1).predictions)

    def test_different_descriptors_are_refused(self) -> None:
        training = Descriptors.from_arrays(pool().training.arrays, {"descriptor_id": "other"})
        with pytest.raises(InvalidInput, match="different descriptors"):
            Pool(candidates=pool().candidates, training=training, predictions=pool().predictions)


def test_an_unknown_strategy_lists_the_known_ones() -> None:
    with pytest.raises(InvalidParameters) as caught:
        AcquireSettings.checked({"strategy": "best"}, "acquire")
    assert all(name in str(caught.value) for name in STRATEGIES)


class TestInformation:
    def test_labels_without_noise_are_refused(self) -> None:
        exact = pool(target=(0.0, 0.0))
        with pytest.raises(InvalidInput, match="tell infinitely much"):
            acquire(exact, AcquireSettings(strategy="information_gain"), 0)

    def test_novelty_fades_from_generation_to_generation(self) -> None:
        settings = AcquireSettings(strategy="information_gain_diversity", diversity=50.0)
        young, old = (acquire(pool(age=age), settings, 0) for age in (1, 60))
        assert young.attributes["facts"]["diversity"] == pytest.approx(50.0 * 0.7)
        told = acquire(pool(age=60), AcquireSettings(strategy="information_gain"), 0)
        assert set(old.ids) == set(told.ids) != set(young.ids)
        breadth = acquire(pool(), AcquireSettings(strategy="farthest_point"), 0)
        assert len(set(young.ids) & set(breadth.ids)) > len(set(told.ids) & set(breadth.ids))

    def test_screening_keeps_the_best_by_energy(self) -> None:
        settings = AcquireSettings(strategy="information_gain", screen=18, batch=16, probe=0.0)
        found = acquire(pool(), settings, 0)
        whole = pool()
        order = np.argsort(-np.square(whole.last_layer.energies).sum(axis=1))
        best = {whole.candidates.ids[row] for row in order[:18]}
        assert found.attributes["facts"]["screened"] == 18
        assert set(found.ids) <= best

    def test_the_last_layer_is_as_uncertain_as_the_calibrated_committee(self) -> None:
        factor = Factor(alpha=2.0, mean_z2=None, frames=9, fitted=True)
        calibration = Calibration(generation="g", checkpoint="c", energy=factor, forces=factor)
        whole = pool(calibration=calibration)
        settings = AcquireSettings(strategy="information_gain", probe=0.0)
        facts = acquire(whole, settings, 0).attributes["facts"]
        own = sum(np.square(whole.last_layer.forces(row)).sum() for row in range(40))
        theirs = np.trace(whole.predictions.force_covariance, axis1=1, axis2=2).sum()
        assert facts["alpha_forces"] == pytest.approx(2.0 * np.sqrt(theirs / own))
        arrays = whole.predictions.arrays
        exact = Predictions.from_arrays(arrays, {"members": None, "method": "last_layer"})
        facts = acquire(pool(calibration=calibration, predictions=exact), settings, 0).attributes[
            "facts"
        ]
        assert facts["alpha_forces"] == facts["alpha_energy"] == 2.0

    def test_largest_cluster_leaves_what_the_training_set_covers(self) -> None:
        rng = np.random.default_rng(0)
        whole = pool()
        belief = whole.belief
        assert isinstance(belief, Made)
        belief.training = np.zeros((1, 7))
        belief.energies = rng.normal(scale=0.01, size=(40, 7))
        belief.energies[30:] += 5.0  # a dense crowd far away, and one lone frame still farther
        belief.energies[29] -= 9.0
        settings = AcquireSettings(strategy="largest_cluster", batch=2, probe=0.0)
        ids = acquire(whole, settings, 0).ids
        crowd = set(whole.candidates.ids[30:])
        assert ids[0] == whole.candidates.ids[29]
        assert ids[1] in crowd

    def test_the_null_has_the_scores_on_other_frames(self) -> None:
        settings = [AcquireSettings(strategy=s) for s in ("permuted", "information_gain_diversity")]
        null, real = (acquire(pool(), each, 0) for each in settings)
        np.testing.assert_array_equal(null.score, real.score)
        assert set(null.ids) != set(real.ids)
        assert "shuffled" in null.attributes["reasons"][1]

    def test_the_null_picks_every_frame_as_often(self) -> None:
        whole, counts = pool(frames=10), np.zeros(10)
        for seed in range(300):
            rng = np.random.default_rng(seed)
            counts[STRATEGIES["permuted"].pick(whole, 2, rng, AcquireSettings()).rows] += 1
        chi2 = (np.square(counts - 60) / 60).sum() / (1 - 2 / 10)
        assert chi2 < 27.9  # 99.9 % of chi-squared with 9 degrees of freedom

    def test_before_there_is_a_model_the_null_draws_uniformly_and_not_what_random_draws(
        self,
    ) -> None:
        whole, counts, runs, shared = blind(pool(frames=20)), np.zeros(20), 300, 0
        place = {identity: row for row, identity in enumerate(whole.candidates.ids)}
        null, random = (
            AcquireSettings(strategy=name, batch=5, probe=0.2) for name in ("permuted", "random")
        )
        for seed in range(runs):
            found, other = acquire(whole, null, seed), acquire(whole, random, seed)
            assert found.attributes["strategy"] == "permuted"
            assert found.ids[0] == other.ids[0]  # the probe
            counts[[place[identity] for identity in found.ids]] += 1
            shared += len({*found.ids[1:]} & {*other.ids[1:]})
        expected = runs * 5 / 20
        chi2 = (np.square(counts - expected) / expected).sum() / (1 - 5 / 20) * 19 / 20
        assert chi2 < 43.8  # 99.9 % of chi-squared with 19 degrees of freedom
        # two independent draws of 4 of 19 share 16/19 in the mean, with a variance of 0.55
        assert abs(shared / runs - 16 / 19) < 3.3 * np.sqrt(0.55 / runs)

    def test_whole_runs_of_the_null_are_uniform_whatever_the_default_thinks_of_a_frame(
        self,
    ) -> None:
        # probe first, then what it left, then a second round without what is known: as in a study
        whole, counts, runs = pool(frames=20), np.zeros(20), 150
        place = {identity: row for row, identity in enumerate(whole.candidates.ids)}
        settings = AcquireSettings(strategy="permuted", batch=4, probe=0.25, screen=1)
        for run in range(runs):
            first = acquire(whole, settings, 100 * run + 1).ids
            second = acquire(
                replace(whole, known_ids=frozenset(first)), settings, 100 * run + 2
            ).ids
            assert len({*first, *second}) == 8
            counts[[place[identity] for identity in [*first, *second]]] += 1
        expected = runs * 8 / 20
        chi2 = (np.square(counts - expected) / expected).sum() * 19 / 20 / (1 - 8 / 20)
        assert chi2 < 43.8  # 99.9 % of chi-squared with 19 degrees of freedom


class TestConditions:
    @every_strategy
    def test_only_what_satisfies_the_condition_is_asked_for_the_probe_too(
        self, strategy: str
    ) -> None:
        whole = pool()
        sigma = np.sqrt(values(PoolSource(whole), "variance_forces"))
        limit = float(np.median(sigma))
        settings = AcquireSettings(
            strategy=strategy, batch=30, where=f"sigma_forces < {limit!r} and n_atoms == {ATOMS}"
        )
        found = acquire(whole, settings, 0)
        allowed = {whole.candidates.ids[row] for row in np.flatnonzero(sigma < limit)}
        assert set(found.ids) == allowed
        assert found.probe.any()
        assert found.attributes["pool"]["satisfying"] == len(allowed) < 40
        assert "satisfy" in found.attributes["warnings"][0]

    def test_a_condition_on_distance_keeps_what_is_new(self) -> None:
        whole = pool()
        far = Known(whole).novelty()
        limit = float(np.median(far))
        settings = AcquireSettings(strategy="random", batch=20, where=f"distance > {limit!r}")
        found = acquire(whole, settings, 0)
        assert set(found.ids) == {whole.candidates.ids[k] for k in np.flatnonzero(far > limit)}

    def test_bad_conditions_are_named_before_any_work(self) -> None:
        for text in ("n_atom < 3", "__import__('os')", "energy <"):
            with pytest.raises(InvalidParameters, match="where"):
                AcquireSettings.checked({"where": text}, "params.yaml: acquire")
        with pytest.raises(InvalidInput, match="none of the 40 candidates satisfies"):
            acquire(pool(), AcquireSettings(where="n_atoms > 1000"), 0)
        with pytest.raises(InvalidInput, match="does not know 'temperature'"):
            acquire(pool(), AcquireSettings(where="temperature > 300"), 0)


class TestAvoidance:
    """Candidates near failed calls are left out, for as long as nothing accepted is near."""

    SPACING = 0.1

    def made(self, failed: list[float] | None, training: list[float] | None = None) -> Pool:
        """Environments on a line: training at 0, 0.1, ... 1, candidates at 2, 2.2, ... 3.8."""
        line = training or [self.SPACING * i for i in range(11)]
        candidates = [2.0 + 0.2 * i for i in range(10)]
        return Pool(
            candidates=points(
                [[x, 0.0] for x in candidates], [("c", round(x, 3)) for x in candidates]
            ),
            training=points([[x, 0.0] for x in line], [("t", round(x, 3)) for x in line]),
            predictions=Predictions.empty({}),
            failed=None
            if failed is None
            else points([[x, 0.0] for x in failed], [*map(str, failed)]),
        )

    @every_strategy
    def test_neither_strategy_nor_probe_asks_near_a_failed_call(self, strategy: str) -> None:
        settings = AcquireSettings(strategy=strategy, batch=10, probe=0.3)
        selection = acquire(self.made([2.03, 3.01]), settings, 1)
        left_out = {identity(("c", 2.0)), identity(("c", 3.0))}
        assert (
            set(selection.ids)
            == {identity(("c", round(2 + 0.2 * i, 3))) for i in range(10)} - left_out
        )
        facts = selection.attributes["avoided"]
        assert (facts["candidates"], facts["failed"], facts["environments"]) == (2, 2, 2)
        assert facts["distance"] == pytest.approx(0.05)
        assert selection.attributes["pool"]["identical"] == 0
        assert "not near a failed call" in selection.attributes["warnings"][0]

    def test_the_distance_is_in_units_of_the_spacing_and_0_is_off(self) -> None:
        for distance, count in ((0.0, 10), (0.2, 10), (0.5, 9), (2.0, 8)):
            settings = AcquireSettings(batch=10, avoid_failed=distance)
            selection = acquire(self.made([2.03 if distance < 2 else 2.1]), settings, 1)
            assert len(selection) == count, distance

    def test_an_environment_that_training_frames_have_is_not_to_blame(self) -> None:
        training = [0.1 * i for i in range(11)] + [2.02]
        selection = acquire(self.made([2.03], training), AcquireSettings(batch=10), 1)
        assert len(selection) == 10
        assert selection.attributes["avoided"]["environments"] == 0

    def test_without_a_typical_spacing_nothing_is_left_out(self) -> None:
        selection = acquire(self.made([2.0], [0.0, 0.1]), AcquireSettings(batch=10), 1)
        assert len(selection) == 10
        assert selection.attributes["avoided"]["distance"] is None

    def test_a_pool_of_nothing_else_is_an_error(self) -> None:
        everywhere = [2.0 + 0.2 * i for i in range(10)]
        with pytest.raises(InvalidInput, match="all 10 new candidates lie near"):
            acquire(self.made(everywhere), AcquireSettings(batch=4), 1)

    def test_elements_are_not_compared_with_each_other(self) -> None:
        original = pool(frames=20, training=30)
        swapped = original.candidates.numbers[::-1].copy()
        failed = described(original.candidates.descriptor, [("f", i) for i in range(20)])
        other = Descriptors.from_arrays({**failed.arrays, "numbers": swapped}, failed.attributes)
        settings = AcquireSettings(batch=4, avoid_failed=1e-3)
        with pytest.raises(InvalidInput, match="lie near"):
            acquire(pool(frames=20, training=30, failed=failed), settings, 1)
        kept = acquire(pool(frames=20, training=30, failed=other), settings, 1)
        assert kept.attributes["avoided"]["candidates"] == 0


def test_what_was_asked_for_already_is_selected_first_and_is_no_probe() -> None:
    """Whatever the strategy and the condition, within the batch; without any, nothing changes."""
    fresh = pool(frames=40)
    early = frozenset(fresh.ids()[5:8])
    for strategy in ("random", "farthest_point", "max_variance"):
        settings = AcquireSettings(strategy=strategy, batch=10, probe=0.2)
        found = acquire(replace(fresh, asked=early), settings, 3)
        assert len(found) == 10
        assert early < set(found.ids)
        rows = [found.ids.index(identity) for identity in sorted(early)]
        assert not found.probe[rows].any()
        assert found.probe.sum() == 2
        reasons = [found.attributes["reasons"][found.reason[row]] for row in rows]
        assert all("during exploration" in reason for reason in reasons)
        assert max(found.rank[rows]) < min(
            found.rank[row] for row in range(10) if row not in rows and not found.probe[row]
        )
        plain = acquire(fresh, settings, 3)
        assert plain.digest == acquire(replace(fresh, asked=frozenset()), settings, 3).digest
        assert len(plain.attributes["reasons"]) == 2
    many = acquire(replace(fresh, asked=frozenset(fresh.ids()[:12])), settings, 3)
    assert len(many) == 14  # twelve that are paid for, and the probe
    every = acquire(replace(fresh, asked=frozenset(fresh.ids())), settings, 3)
    assert len(every) == 40
    assert not every.probe.any()
