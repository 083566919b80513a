"""Experiments beside each other: curves from git, paired differences, verdicts, and a real study."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aldata.compare import (
    Curve,
    Difference,
    Interval,
    cost_to_reach,
    differences,
    planned,
    verdict,
)
from aldata.compare.statistics import error_at, mean_interval
from aldata.errors import InvalidInput

METRIC = "test_forces_rmse_meV_per_A"
TEMPLATE = Path(__file__).parents[1] / "params.yaml"
GENERATIONS = ("g000", "g001", "g002", "g003")

Study = Callable[..., None]


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
