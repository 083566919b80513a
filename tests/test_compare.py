"""Runs beside each other: paired differences, targets, verdicts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from aldata.compare import (
    Curve,
    Difference,
    Interval,
    acted_alike,
    cost_to_reach,
    differences,
    doings,
    error_at,
    planned,
    reached,
    sentences,
    verdict,
    warnings,
)
from aldata.compare.statistics import mean_interval
from aldata.errors import InvalidInput
from aldata.evaluate import METRICS, is_error
from aldata.evaluate.report import CURVE, CURVE_TEST

METRIC = "test_forces_rmse_meV_per_A"


def curve(strategy: str, seed: int, errors: list[float], calls: int = 20) -> Curve:
    points = [{"calls": calls * (k + 1), METRIC: error} for k, error in enumerate(errors)]
    return Curve(f"{strategy}-{seed}", "0" * 40, strategy, seed, tuple(points), (), {})


# curves and statistics


def test_between_generations_the_error_is_on_a_straight_line() -> None:
    values = [(20, 300.0), (40, 100.0), (60, 80.0)]
    assert error_at(values, 30) == 200.0
    assert error_at(values, 60) == 80.0
    assert error_at(values, 61) is None
    assert error_at(values, 19) is None
    assert cost_to_reach(values, 100.0) == 40.0
    assert cost_to_reach(values, 90.0) == 50.0
    assert cost_to_reach(values, 400.0) == 20.0
    assert cost_to_reach(values, 79.0) is None
    assert cost_to_reach([], 1.0) is None


def test_an_error_that_comes_back_was_not_reached() -> None:
    values = [(20, 300.0), (40, 80.0), (60, 120.0), (80, 80.0)]
    assert cost_to_reach(values, 100.0) == 70.0
    assert cost_to_reach(values[:3], 100.0) is None


def test_strategies_are_compared_seed_by_seed_at_equal_calls() -> None:
    """Seeds differ by a factor of ten, the strategy by a fifth: only pairs show it."""
    scale = {1: 100.0, 2: 1000.0, 3: 10.0}
    random = [curve("random", s, [3 * k, 2 * k]) for s, k in scale.items()]
    better = [curve("max_variance", s, [2 * k, 1.6 * k, k]) for s, k in scale.items()]
    (found,) = differences([*random, *better], METRIC, "random")
    assert found.costs == {1: 40, 2: 40, 3: 40}
    assert found.interval is not None
    assert found.interval.mean == pytest.approx(-0.2)
    assert found.interval.high == pytest.approx(-0.2)
    assert verdict(found).startswith("max_variance is better: error -20 % against random")


def test_a_missing_seed_is_named_and_left_out() -> None:
    runs = [curve("random", s, [2.0]) for s in (1, 2, 3)]
    runs += [curve("permuted", s, [2.0 + s]) for s in (2, 3, 4)]
    (found,) = differences(runs, METRIC, "random")
    assert found.missing == {1: "no run of permuted", 4: "no run of random"}
    assert found.interval is not None
    assert found.interval.seeds == 2
    assert "from 2 seeds: at least 3 are needed" in verdict(found)


@pytest.mark.parametrize("seeds", [3, 4, 5, 10])
def test_the_interval_covers_the_truth_as_often_as_it_says(seeds: int) -> None:
    """Bounds: 0.95 and two standard errors of 250 trials. A bootstrap alone holds three's mean in 75 %."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(250):
        found = mean_interval(rng.normal(0.1, 0.2, size=seeds).tolist())
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= math.expm1(0.1) <= found.high
    assert 0.92 <= hits / 250 <= 0.98


def test_the_interval_follows_what_is_skewed() -> None:
    """Nine alike and one far above: the bootstrap reaches further up than Student's t does."""
    found = mean_interval([0.0] * 9 + [3.0])
    students = 0.3 + 2.262 * 3.0 * math.sqrt(0.1) / math.sqrt(10)
    assert found.high is not None
    assert found.high > math.expm1(students)


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Interval(-0.2, -0.3, -0.1, 5), "is better: error -20 %"),
        (Interval(0.2, 0.1, 0.3, 5), "is worse: error +20 %"),
        (Interval(-0.2, -0.5, 0.3, 5), "no difference that 5 seeds can show"),
        (Interval(-0.2, None, None, 1), "from one seed: at least 3 are needed"),
        (None, "nothing can be said"),
    ],
)
def test_a_verdict_says_no_more_than_the_interval(interval: Interval | None, words: str) -> None:
    text = verdict(Difference("max_variance", "random", interval, {1: 76, 2: 80.0}, {}))
    assert ("at 76 to 80 calls" in text) == (interval is not None)
    assert words in text
    assert ("better" in text) == (interval is not None and (interval.high or 0) < 0)


def test_a_study_is_named_by_strategy_and_seed() -> None:
    names = [item.name for item in planned("mine", ["random", "max_variance"], 2, 7)]
    assert names == [
        "mine-random-7",
        "mine-max_variance-7",
        "mine-random-8",
        "mine-max_variance-8",
    ]
    assert planned("mine", ["random"], 1, 7)[0].changes == [
        "-S",
        "acquire.strategy=random",
        "-S",
        "random_seed=7",
    ]
    for study, strategies, seeds in (
        ("my study", ["random"], 1),
        ("mine", ["guess"], 1),
        ("mine", ["random", "random"], 1),
        ("mine", [], 1),
        ("mine", ["random"], 0),
    ):
        with pytest.raises(InvalidInput):
            planned(study, strategies, seeds, 1)


# targets


def test_a_target_is_the_end_of_the_reference_with_the_same_seed() -> None:
    """Ends differ by a factor of ten between seeds: of their mean, half would never be reached."""
    scale = {1: 100.0, 2: 1000.0, 3: 10.0}
    random = [curve("random", s, [3 * k, 2 * k, k]) for s, k in scale.items()]
    better = [curve("max_variance", s, [3 * k, k, k / 2]) for s, k in scale.items()]
    first, found = reached([*random, *better], METRIC, "random")
    assert (first.strategy, first.targets) == ("random", scale)
    assert first.costs == {1: 60.0, 2: 60.0, 3: 60.0}
    assert first.ratios == {}
    assert (found.costs, found.count) == ({1: 40.0, 2: 40.0, 3: 40.0}, 3)
    assert found.ratios == pytest.approx({1: 2 / 3, 2: 2 / 3, 3: 2 / 3})
    assert found.interval is not None
    assert found.interval.mean == pytest.approx(-1 / 3)
    assert found.interval.low is not None


def test_seeds_that_do_not_reach_the_target_are_counted_and_leave_a_median() -> None:
    random = [curve("random", s, [300.0, 200.0, 100.0]) for s in (1, 2, 3)]
    some = [curve("max_variance", s, [300.0, 100.0, 50.0]) for s in (1, 2)]
    few = [curve("permuted", 1, [300.0, 100.0, 50.0]), curve("permuted", 2, [300.0, 299.0, 298.0])]
    never = [curve(name, 3, [300.0, 200.0, 101.0]) for name in ("max_variance", "permuted")]
    _, found, worse = reached([*random, *some, *few, *never], METRIC, "random")
    assert found.costs == {1: 40.0, 2: 40.0, 3: None}
    assert (found.count, found.interval) == (2, None)
    assert found.median == pytest.approx(2 / 3)
    assert (worse.count, worse.median, worse.interval) == (1, None, None)


def test_a_run_that_was_cut_short_sets_no_target_and_reaches_none() -> None:
    random = [curve("random", s, [300.0, 200.0, 100.0]) for s in (1, 2, 3)]
    random[0] = replace(random[0], points=random[0].points[:1], missing=("g001", "g002"))
    others = [curve("max_variance", s, [300.0, 100.0, 50.0]) for s in (1, 2, 3)]
    others[2] = replace(others[2], missing=("g003",))
    first, found = reached([*random, *others], METRIC, "random")
    assert first.targets == {2: 100.0, 3: 100.0}
    assert found.costs == {2: 40.0}
    assert found.missing == {1: "random-1 is cut short", 3: "max_variance-3 is cut short"}
    _, stated = reached([*random, *others], METRIC, "random", target=150.0)
    assert stated.costs == {1: 35.0, 2: 35.0}
    assert stated.ratios == pytest.approx({2: 35.0 / 50.0})
    assert stated.missing == {3: "max_variance-3 is cut short"}
    alone = reached(others, METRIC, "random", target=150.0)[1]
    assert alone.costs == {1: 35.0, 2: 35.0}
    assert (alone.ratios, alone.median, alone.interval) == ({}, None, None)


# what has no ratio, and what no verdict


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_what_is_not_positive_has_no_ratio(bad: float) -> None:
    random = [curve("random", s, [3.0, 2.0]) for s in (1, 2, 3, 4)]
    others = [curve("max_variance", s, [3.0, bad if s == 4 else 1.0]) for s in (1, 2, 3, 4)]
    (found,) = differences([*random, *others], METRIC, "random")
    assert found.interval is not None
    assert (found.interval.seeds, found.interval.mean) == (3, pytest.approx(-0.5))
    assert "have no ratio" in found.missing[4]
    assert "seed 4 (errors of" in sentences([*random, *others], [found], "random")[1]


def test_a_run_without_the_metric_at_its_end_is_not_compared_earlier() -> None:
    random = [curve("random", s, [3.0, 2.0]) for s in (1, 2)]
    others = [curve("max_variance", s, [3.0, 1.0]) for s in (1, 2)]
    others[0].points[-1][METRIC] = None
    (found,) = differences([*random, *others], METRIC, "random")
    assert found.missing == {1: "max_variance-1 has no value in its last generation"}
    assert found.costs == {2: 40}


@pytest.mark.parametrize("column", [*CURVE, *(f"test_{name}" for name in CURVE_TEST)])
def test_less_is_better_for_what_has_the_unit_of_an_energy_or_a_force(column: str) -> None:
    metric = None if column not in CURVE else METRICS[CURVE[column]]
    unit = metric.unit if metric else "meV"
    assert is_error(column) == (unit.startswith("meV") and column != "explore_barrier_meV")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.0028, -0.0002, "better: error -0.15 % against random at 76 to 80 calls (95 % interval "
                           "-0.28 % to -0.02 %"),
        (-0.5, -0.004, "-50 % to -0.4 %"),
        (-0.2, 0.0, "-20 % to +0 %"),
    ],
)  # fmt: skip
def test_an_interval_that_excludes_zero_does_not_show_it(
    low: float, high: float, words: str
) -> None:
    interval = Interval((low + high) / 2 if low > -0.1 else low, low, high, 5)
    text = verdict(Difference("max_variance", "random", interval, {1: 76.0, 2: 80.0}, {}))
    assert words in text
    assert "-0 %" not in text


# what acted


def test_strategies_that_did_the_same_are_named() -> None:
    def acting(strategy: str, seed: int, *deeds: str) -> Curve:
        points = [{"generation": f"g{k:03d}", "strategy": deed} for k, deed in enumerate(deeds)]
        return Curve(f"{strategy}-{seed}", "", strategy, seed, tuple(points), (), {})

    far, most = "farthest_point", "max_variance"
    curves = [acting(far, 1, far, far), acting(far, 2, far, far)]
    curves += [acting(most, 1, far, far), acting(most, 2, far, far)]
    assert acted_alike(curves) == [(far, most)]
    assert doings(curves) == ["max_variance (farthest_point in g000, g001)"]
    assert "ACTED ALIKE: farthest_point and max_variance" in warnings(curves)[0]
    curves[-1] = acting(most, 2, far, most)
    assert acted_alike(curves) == []
    assert doings(curves) == ["max_variance (farthest_point in g000, g001 of seed 1)"]
    assert warnings(curves) == []
