"""Experiments beside each other: curves from git, paired differences, verdicts, and a real study."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aldata import params
from aldata.cli.main import main
from aldata.compare import (
    Curve,
    Difference,
    Interval,
    calls_to_reach,
    curves_of,
    differences,
    experiments,
    planned,
    unlike,
    verdict,
)
from aldata.compare.statistics import at_calls, mean_interval
from aldata.errors import AldataError, InvalidInput

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
    assert at_calls(values, 30) == 200.0
    assert at_calls(values, 60) == 80.0
    assert at_calls(values, 61) is None
    assert at_calls(values, 19) is None
    assert calls_to_reach(values, 100.0) == 40.0
    assert calls_to_reach(values, 90.0) == 50.0
    assert calls_to_reach(values, 400.0) == 20.0
    assert calls_to_reach(values, 79.0) is None
    assert calls_to_reach([], 1.0) is None


def test_an_error_that_comes_back_was_not_reached() -> None:
    values = [(20, 300.0), (40, 80.0), (60, 120.0), (80, 80.0)]
    assert calls_to_reach(values, 100.0) == 70.0
    assert calls_to_reach(values[:3], 100.0) is None


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
    assert found.missing == (1, 4)
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
    text = verdict(Difference("max_variance", "random", interval, {}, ()))
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


# experiments in git


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A project in git, and a function that records an experiment's learning curve in it."""
    monkeypatch.chdir(tmp_path)

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "params.yaml").write_text(TEMPLATE.read_text())
    git("add", ".")
    git("commit", "-qm", "start")
    head = git("rev-parse", "HEAD")

    def record(
        name: str,
        errors: list[float],
        seconds: float = 5.0,
        others: dict[str, float] | None = None,
        **changes: Any,
    ) -> None:
        """seconds : cost of a call. others : further metrics, as multiples of the errors."""
        params.set_values(tmp_path / "params.yaml", changes)
        for place, generation in enumerate(GENERATIONS[: len(errors)]):
            folder = tmp_path / "generations" / generation / "record"
            folder.mkdir(parents=True, exist_ok=True)
            points = [
                {"generation": GENERATIONS[k], "calls": 20 * (k + 1), METRIC: errors[k],
                 "oracle_seconds": seconds * 20 * (k + 1),
                 **{name: factor * errors[k] for name, factor in (others or {}).items()}}
                for k in range(place + 1)
            ]  # fmt: skip
            (folder / "history.json").write_text(json.dumps(points))
        git("add", ".")
        git("commit", "-qm", name)
        git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")
        git("reset", "-q", "--hard", head)

    return record


def test_curves_come_from_what_git_recorded(recorded: Study, tmp_path: Path) -> None:
    recorded("a", [300.0, 200.0, 150.0, 120.0], **{"acquire.strategy": "random"})
    recorded("b", [300.0, 150.0], **{"acquire.strategy": "max_variance", "random_seed": 5})
    assert experiments(tmp_path) == ["a", "b"]
    a, b = curves_of(tmp_path, ["a", "b"])
    assert (a.strategy, a.seed, a.missing) == ("random", 1, ())
    assert a.values(METRIC) == [(20, 300.0), (40, 200.0), (60, 150.0), (80, 120.0)]
    assert (b.strategy, b.seed, b.missing) == ("max_variance", 5, ("g002", "g003"))
    assert unlike([a, b]) == []
    (short,) = curves_of(tmp_path, ["a"], "g001")
    assert len(short.points) == 2
    with pytest.raises(InvalidInput, match="there is no metric 'guess'"):
        a.values("guess")
    with pytest.raises(AldataError, match="guess"):
        curves_of(tmp_path, ["guess"])
    with pytest.raises(AldataError, match="g009"):
        curves_of(tmp_path, ["a"], "g009")


def test_show_says_what_is_missing_and_not_alike(
    recorded: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for seed in (1, 2, 3):
        recorded(
            f"s-random-{seed}",
            [300.0 + seed, 200.0, 150.0, 100.0],
            **{"acquire.strategy": "random", "random_seed": seed},
        )
        recorded(
            f"s-max_variance-{seed}",
            [300.0 + seed, 150.0, 100.0, 60.0 + seed],
            **{"acquire.strategy": "max_variance", "random_seed": seed},
        )
    recorded("cut", [310.0], **{"acquire.strategy": "permuted", "random_seed": 1})
    recorded(
        "longer",
        [200.0, 100.0, 50.0, 20.0],
        **{"acquire.strategy": "permuted", "random_seed": 2, "train.steps": 9000},
    )
    picture = tmp_path / "curves.png"
    assert main(["compare", "show", "--plot", str(picture)]) == 0
    text = capsys.readouterr().out
    assert "max_variance is better: error -38 % against random (95 % interval" in text
    assert "permuted: left out, one of the pair is missing: seed 3" in text
    assert "cut: cut short, it has not recorded g001, g002, g003" in text
    assert "NOT ALIKE" in text
    assert "train.steps: 3000 (7); 9000 (1)" in text or "train.steps: 9000 (1); 3000 (7)" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["compare", "show", "--json", "--target", "100"]) == 0
    document = json.loads(capsys.readouterr().out)
    reached = {run["experiment"]: run["calls_to_reach"] for run in document["experiments"]}
    assert reached["s-random-1"] == 80.0
    assert reached["s-max_variance-1"] == 60.0
    assert reached["cut"] is None
    assert {item["strategy"] for item in document["differences"]} == {"max_variance", "permuted"}


def test_equal_cost_may_mean_equal_cpu_time(
    recorded: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A strategy that asks for large frames: better at equal calls, not at equal CPU time."""
    for seed in (1, 2, 3):
        same = {"acquire.strategy": "random", "random_seed": seed}
        recorded(f"r{seed}", [320.0, 160.0, 80.0, 40.0 + seed], **same)
        same |= {"acquire.strategy": "max_variance"}
        recorded(f"v{seed}", [160.0, 80.0, 40.0 + seed, 30.0], 10.0, **same)
    picture = tmp_path / "curves.svg"
    assert main(["compare", "show"]) == 0
    assert "max_variance is better" in capsys.readouterr().out
    line = ["compare", "show", "--against", "seconds", "--target", "80"]
    assert main([*line, "--plot", str(picture)]) == 0
    text = capsys.readouterr().out
    assert "after so many CPU s of the oracle" in text
    assert "max_variance is worse: error +91 % against random" in text
    assert main([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["against"] == "seconds"
    assert {r["experiment"]: r["seconds_to_reach"] for r in document["experiments"]} == {
        "r1": 300.0, "r2": 300.0, "r3": 300.0, "v1": 400.0, "v2": 400.0, "v3": 400.0,
    }  # fmt: skip
    assert document["differences"][0]["costs"] == {"1": 400.0, "2": 400.0, "3": 400.0}
    assert "CPU time of the oracle (s)" in picture.read_text()


def test_several_test_sets_stand_side_by_side(
    recorded: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hot, largest = "test_hot_forces_rmse_meV_per_A", "test_hot_forces_max_meV_per_A"
    for seed in (1, 2, 3):
        same = {"acquire.strategy": "random", "random_seed": seed}
        recorded(f"r{seed}", [300.0, 100.0], others={hot: 2.0, largest: 9.0}, **same)
        same |= {"acquire.strategy": "farthest_point"}
        further = {hot: 1.0} if seed > 1 else {}
        recorded(f"f{seed}", [300.0, 101.0 - 2 * (seed - 2)], others=further, **same)
    picture = tmp_path / "curves.png"
    assert main(["compare", "show", "--metric", "test_*", "--plot", str(picture)]) == 0
    text = capsys.readouterr().out
    table = [line.split() for line in text.splitlines() if line.startswith("random ")]
    assert table[:2] == [
        ["random", "g000", "20", "3", "300", "600", "2700"],
        ["random", "g001", "40", "3", "100", "200", "900"],
    ]
    assert "(2)" in next(line for line in text.splitlines() if line.startswith("farthest_point"))
    for metric in (METRIC, hot, largest):
        assert f"\n{metric}\n" in text
    assert "f1: does not report it" in text
    assert "error -50 % against random, from 2 seeds" in text
    assert "farthest_point: left out, one of the pair is missing: seed 1" in text
    assert main(["compare", "show", "--metric", f"{METRIC},{hot}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["comparisons"]
    assert [(item["metric"], item["without"]) for item in found] == [(METRIC, []), (hot, ["f1"])]
    assert main(["compare", "show", "--metric", "dipole_*"]) == 1
    assert "there is no metric 'dipole_*'" in capsys.readouterr().err
    assert main(["compare", "show", "--metric", "test_*", "--target", "3"]) == 1
    assert "--target is in the unit of one metric" in capsys.readouterr().err


def test_an_experiment_that_was_removed_is_missing_by_name(
    recorded: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As `dvc exp remove` leaves it: its reference is gone."""
    for seed in (1, 2, 3, 4):
        for name in ("random", "permuted"):
            values = {"acquire.strategy": name, "random_seed": seed}
            recorded(f"s-{name}-{seed}", [300.0, 100.0 + seed], **values)
    listed = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)", "refs/exps/"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    (gone,) = [name for name in listed if name.endswith("/s-random-2")]
    subprocess.run(["git", "update-ref", "-d", gone], check=True)
    assert main(["compare", "show"]) == 0
    text = capsys.readouterr().out
    assert "permuted: left out, one of the pair is missing: seed 2" in text
    assert "3 seeds" in text
    assert main(["compare", "show", "s-random-2", "s-permuted-2"]) == 1
    assert "s-random-2" in capsys.readouterr().err


def test_without_experiments_or_commits_the_next_step_is_named(
    recorded: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["compare", "show"]) == 1
    assert "aldata compare run --strategies" in capsys.readouterr().err
    params.set_values(tmp_path / "params.yaml", {"random_seed": 3})
    assert main(["compare", "run", "--strategies", "random"]) == 1
    assert "git add . && git commit" in capsys.readouterr().err
    assert main(["compare", "run", "--strategies", "random,guess"]) == 1
    assert "there is no strategy guess" in capsys.readouterr().err
