"""A pool larger than memory: the same picks block by block, and those of the plain algorithms."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from test_acquire import ATOMS, described, every_strategy, points, pool, unit

from aldata import store
from aldata.acquire import AcquireSettings, Pool, acquire, map_points, score_points
from aldata.acquire.distances import nearest
from aldata.acquire.frontier import Frontier
from aldata.acquire.known import Known
from aldata.acquire.strategies import farthest_point
from aldata.artifacts.frames import Descriptors, Predictions


@every_strategy
@pytest.mark.parametrize("block", [1, 30])
def test_the_picks_do_not_depend_on_the_size_of_a_block(strategy: str, block: int) -> None:
    settings = AcquireSettings(strategy=strategy, batch=12)
    small, large = (acquire(replace(pool(), block=size), settings, 4) for size in (block, 10**6))
    assert small.ids == large.ids
    np.testing.assert_allclose(small.score, large.score, rtol=1e-9)


def plain(candidates: np.ndarray, known: np.ndarray, count: int) -> list[int]:
    """Farthest point sampling as it is written in a book."""
    distance = cdist(candidates, known).min(axis=1)
    rows: list[int] = []
    for _ in range(count):
        free = np.where(np.isin(np.arange(len(candidates)), rows), -1.0, distance)
        rows.append(int(np.argmax(free)))
        distance = np.minimum(distance, cdist(candidates, candidates[rows[-1:]])[:, 0])
    return rows


@given(seed=st.integers(0, 10**6), block=st.integers(1, 60), dense=st.booleans())
@examples(max_examples=60, deadline=None)
def test_the_front_gives_the_picks_of_the_plain_algorithm(
    seed: int, block: int, dense: bool
) -> None:
    """Points of a small grid have many exact ties, in which the lowest row is picked."""
    rng = np.random.default_rng(seed)
    if dense:
        values = rng.integers(-3, 4, size=(80, 2)).astype(np.float32)
    else:
        values = rng.normal(size=(80, 2)).astype(np.float32)
    whole = Pool(
        candidates=points(values[:70].tolist(), list(range(70))),
        training=points(values[70:].tolist(), [f"t{k}" for k in range(10)]),
        predictions=Predictions.empty({}),
        block=block,
    )
    picks = farthest_point.pick(whole, 25, rng).rows.tolist()
    assert picks == plain(values[:70], values[70:], 25)


def test_only_what_may_be_farthest_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng, 4000, 8).astype(np.float32)
    whole = Pool(
        candidates=described(vectors, list(range(4000)), atoms=1),
        training=described(unit(rng, 200, 8), [f"t{k}" for k in range(200)], atoms=1),
        predictions=Predictions.empty({}),
        block=200,
    )
    looked: list[int] = []
    original = Frontier._update
    monkeypatch.setattr(
        Frontier, "_update", lambda s, r, d, n: (looked.append(len(r)), original(s, r, d, n))
    )
    picks = farthest_point.pick(whole, 60, rng).rows
    assert picks.tolist() == plain(vectors, whole.training.descriptor, 60)
    assert sum(looked) < 0.3 * 60 * 4000


@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-5, 1e-2, 1.0]))
@examples(max_examples=40, deadline=None)
def test_distances_found_in_float32_are_those_of_float64(seed: int, scale: float) -> None:
    """Vectors near each other and far from the origin: where float32 alone would be wrong."""
    rng = np.random.default_rng(seed)
    far = unit(rng, 1, 60)
    ours = (far + scale * rng.normal(size=(50, 60))).astype(np.float32)
    theirs = (far + scale * rng.normal(size=(70, 60))).astype(np.float32)
    theirs[7] = ours[3]
    exact = cdist(ours.astype(np.float64), theirs.astype(np.float64)).min(axis=1)
    found = nearest(ours, theirs)
    # where many are nearly as near, the matrix product of float64 decides, with its own rounding
    np.testing.assert_allclose(found, np.where(exact < 1e-6, 0, exact), rtol=1e-6, atol=3e-8)
    assert found[3] == 0
    below = np.full(50, np.median(exact))
    np.testing.assert_allclose(
        nearest(ours, theirs, below=below), np.minimum(found, below), rtol=1e-12
    )


def test_the_pool_is_read_from_its_store_and_never_held(tmp_path: Path) -> None:
    """Memory of numpy's own arrays, while 24 MB of vectors lie on the disk; the block is 200 kB."""
    rng = np.random.default_rng(0)
    with store.writer(tmp_path / "d.zarr", Descriptors, {"descriptor_id": "d"}) as out:
        for begin in range(0, 30_000, 3000):
            vectors = unit(rng, 3000, 200)
            out.append(described(vectors, list(range(begin, begin + 3000)), atoms=1))
    stored = store.read(tmp_path / "d.zarr", Descriptors)
    whole = Pool(
        candidates=stored.part(0, 30_000),
        training=described(unit(rng, 50, 200), [f"t{k}" for k in range(50)], atoms=1),
        predictions=Predictions.empty({}),
        block=250,
    )
    tracemalloc.start()
    found = acquire(whole, AcquireSettings(strategy="farthest_point", batch=40), 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 40
    assert peak < 0.5 * stored.descriptor.nbytes
    held = replace(whole, block=10**6)
    assert acquire(held, AcquireSettings(strategy="farthest_point", batch=40), 0).ids == found.ids


def test_what_is_known_is_the_same_in_blocks() -> None:
    one, other = (Known(replace(pool(), block=size)) for size in (1, 10**6))
    one.add(3)
    other.add(3)
    np.testing.assert_allclose(one.distances(), other.distances(), rtol=1e-12)


class TestPlots:
    def test_the_map_shows_pool_training_set_picks_and_probe(self) -> None:
        whole = pool()
        selection = acquire(whole, AcquireSettings(batch=8, probe=0.25), 0)
        found = map_points(whole, selection, 1000)
        json.dumps(found, allow_nan=False)
        groups = [p["group"] for p in found]
        counts = {name: groups.count(name) for name in set(groups)}
        assert counts == {"pool": 32, "pick": 6, "probe": 2, "training set": 8}
        ranked = [p for p in found if p["rank"] is not None]
        assert [p["configuration"] for p in ranked] == [i[:8] for i in selection.ids]
        means = whole.candidates.descriptor.reshape(40, ATOMS, -1).mean(axis=1)
        both = np.concatenate([means, whole.training.descriptor.reshape(8, ATOMS, -1).mean(axis=1)])
        spread = np.linalg.eigvalsh(np.cov(both.T, ddof=0))[::-1]
        xy = np.array([[p["x"], p["y"]] for p in found])
        np.testing.assert_allclose(xy.var(axis=0), spread[:2], rtol=1e-5)
        thinned = map_points(whole, selection, 10)
        assert [p["group"] for p in thinned].count("pool") == 8

    def test_scores_are_those_of_the_picks_in_their_order(self) -> None:
        selection = acquire(pool(), AcquireSettings(batch=8, probe=0.25), 0)
        found = score_points(selection)
        assert [p["rank"] for p in found] == list(range(2, 8))
        assert [p["score"] for p in found] == selection.score[2:].tolist()
        assert {p["unit"] for p in found} == {"nats"}

    @pytest.mark.parametrize("frames", [1, 2])
    def test_a_pool_of_next_to_nothing_has_a_map(self, frames: int) -> None:
        whole = pool(frames=frames, training=0)
        selection = acquire(whole, AcquireSettings(strategy="random"), 0)
        assert len(map_points(whole, selection, 10)) == frames
