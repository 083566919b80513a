"""Experiments in git beside each other, as `aldata compare show` and the report find them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aldata import params
from aldata.cli.main import main
from aldata.compare import curves_of, experiments, named, unlike
from aldata.errors import AldataError
from aldata.report.comparison import comparison

METRIC = "test_forces_rmse_meV_per_A"
TEMPLATE = Path(__file__).parents[1] / "params.yaml"
GENERATIONS = ("g000", "g001", "g002", "g003")


@dataclass
class Study:
    """A project in git, and the experiments that start from its commits."""

    root: Path
    head: str = ""

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        command = ["git", "-C", str(self.root), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def begin(self, message: str) -> None:
        """A commit that experiments start from."""
        self.git("add", ".")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.head = self.git("rev-parse", "HEAD")

    def __call__(
        self,
        name: str,
        errors: list[float | None],
        seconds: float = 5.0,
        others: dict[str, float] | None = None,
        acts: dict[str, str] | None = None,
        inputs: dict[str, str] | None = None,
        **changes: Any,
    ) -> None:
        """Record an experiment's learning curve, as `dvc exp run` leaves it: a commit and a reference.

        seconds : cost of a call. others : further metrics, as multiples of the errors. acts : by
        generation, what acted in place of the strategy. inputs : path -> md5 in `dvc.lock`.
        """
        params.set_values(self.root / "params.yaml", changes)
        for place, generation in enumerate(GENERATIONS[: len(errors)]):
            points = [
                {"generation": GENERATIONS[k], "calls": 20 * (k + 1), METRIC: errors[k],
                 "strategy": (acts or {}).get(GENERATIONS[k], changes.get("acquire.strategy")),
                 "oracle_seconds": seconds * 20 * (k + 1),
                 **{name: factor * (errors[k] or 0) for name, factor in (others or {}).items()}}
                for k in range(place + 1)
            ]  # fmt: skip
            self.write(f"generations/{generation}/record/history.json", json.dumps(points))
        if inputs:
            self.write("dvc.lock", locked(inputs))
        self.keep(name)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def keep(self, name: str) -> None:
        """What lies there now as an experiment."""
        self.git("add", ".")
        self.git("commit", "-q", "--allow-empty", "-m", name)
        self.git("update-ref", f"refs/exps/{self.head[:2]}/{self.head[2:]}/{name}", "HEAD")
        self.git("reset", "-q", "--hard", self.head)

    def pair(self, seed: int, random: list[Any], other: list[Any], **further: Any) -> None:
        """One seed of `random` and of `max_variance`."""
        for name, errors in (("random", random), ("max_variance", other)):
            values = {"acquire.strategy": name, "random_seed": seed}
            self(f"study-{name}-{seed}", errors, **values, **further)


def locked(inputs: dict[str, str]) -> str:
    """A `dvc.lock` as DVC writes it, of a seed and an evaluation with these inputs."""
    stage = "".join(
        f"    - path: {path}\n      hash: md5\n      md5: {md5}.dir\n      size: 9\n      nfiles: 1\n"
        for path, md5 in inputs.items()
    )
    outs = "    outs:\n    - path: generations/{}/x.json\n      hash: md5\n      md5: {}\n      size: 3\n"
    return "schema: '2.0'\nstages:\n" + "".join(
        f"  {name}:\n    cmd: python -m pipelines.x\n    deps:\n{stage}" + outs.format(name, md5)
        for name, md5 in (("seed", "a" * 32), ("evaluate@g001", "b" * 32))
    )


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A project in git without experiments."""
    monkeypatch.chdir(tmp_path)
    study = Study(tmp_path)
    study.git("init", "-q")
    study.git("config", "core.fsync", "none")
    study.git("config", "gc.auto", "0")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "params.yaml").write_text(TEMPLATE.read_text())
    study.begin("start")
    return study


Capture = pytest.CaptureFixture[str]


def shown(capsys: Capture, *arguments: str) -> str:
    """What `aldata compare show` prints."""
    assert main(["compare", "show", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: Capture, *arguments: str) -> str:
    """What `aldata compare show` complains of."""
    assert main(["compare", "show", *arguments]) == 1
    return capsys.readouterr().err


def test_curves_come_from_what_git_recorded(recorded: Study, tmp_path: Path) -> None:
    recorded("a", [300.0, 200.0, 150.0, 120.0], **{"acquire.strategy": "random"})
    recorded("b", [300.0, 150.0], **{"acquire.strategy": "max_variance", "random_seed": 5})
    assert list(experiments(tmp_path)) == ["a", "b"]
    a, b = curves_of(tmp_path, experiments(tmp_path)).curves
    assert (a.strategy, a.seed, a.missing) == ("random", 1, ())
    assert a.values(METRIC) == [(20, 300.0), (40, 200.0), (60, 150.0), (80, 120.0)]
    assert (b.strategy, b.seed, b.missing) == ("max_variance", 5, ("g002", "g003"))
    assert unlike([a, b]) == []
    assert a.values("guess") == []
    (short,) = curves_of(tmp_path, named(tmp_path, ["a"]), "g001").curves
    assert len(short.points) == 2
    with pytest.raises(AldataError, match="guess"):
        named(tmp_path, ["guess"])
    with pytest.raises(AldataError, match="g009"):
        curves_of(tmp_path, named(tmp_path, ["a"]), "g009")


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
    assert "max_variance is better: error -38 % against random at 80 calls (95 % interval" in text
    assert "permuted: error -80 % against random at 80 calls, from one seed" in text
    left_out = "permuted: left out: seed 1 (cut is cut short), seed 3 (no run of permuted)"
    assert left_out in text
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
    assert "max_variance is worse: error +91 % against random at 400 CPU s of the oracle" in text
    assert main([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["against"] == "seconds"
    assert {r["experiment"]: r["seconds_to_reach"] for r in document["experiments"]} == {
        "r1": 300.0, "r2": 300.0, "r3": 300.0, "v1": 400.0, "v2": 400.0, "v3": 400.0,
    }  # fmt: skip
    assert document["differences"][0]["costs"] == {"1": 400.0, "2": 400.0, "3": 400.0}
    assert "CPU s of the oracle" in picture.read_text()


def test_several_test_sets_stand_side_by_side(
    recorded: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hot, largest = "test_hot_forces_rmse_meV_per_A", "test_hot_forces_max_meV_per_A"
    for seed in (1, 2, 3):
        same = {"acquire.strategy": "random", "random_seed": seed}
        recorded(f"r{seed}", [300.0, 200.0, 150.0, 100.0], others={hot: 2.0, largest: 9.0}, **same)
        same |= {"acquire.strategy": "farthest_point"}
        further = {hot: 1.0} if seed > 1 else {}
        recorded(f"f{seed}", [300.0, 200.0, 150.0, 102.0 - seed], others=further, **same)
    picture = tmp_path / "curves.png"
    assert main(["compare", "show", "--metric", "test_*", "--plot", str(picture)]) == 0
    text = capsys.readouterr().out
    table = [line.split() for line in text.splitlines() if line.startswith("random ")]
    assert table[:2] == [
        ["random", "g000", "20", "3", "300", "600", "2700"],
        ["random", "g001", "40", "3", "200", "400", "1800"],
    ]
    assert "(2)" in next(line for line in text.splitlines() if line.startswith("farthest_point"))
    for metric in (METRIC, hot, largest):
        assert f"\n{metric}\n" in text
    assert "f1: does not report it" in text
    assert "farthest_point: left out: seed 1 (f1 does not report it)" in text
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
            recorded(f"s-{name}-{seed}", [300.0, 200.0, 150.0, 100.0 + seed], **values)
    listed = recorded.git("for-each-ref", "--format=%(refname)", "refs/exps/").split()
    (gone,) = [name for name in listed if name.endswith("/s-random-2")]
    recorded.git("update-ref", "-d", gone)
    assert main(["compare", "show"]) == 0
    text = capsys.readouterr().out
    assert "permuted: left out: seed 2 (no run of random)" in text
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


def test_a_study_of_a_later_commit_has_the_same_names(recorded: Study, capsys: Capture) -> None:
    """`study-random-1` under two baselines: those of the current commit are meant."""
    for half, seeds in ((1.0, (1, 2, 3)), (0.5, (1, 2, 3))):
        for seed in seeds:
            recorded.pair(seed, [400.0, 300.0, 250.0, 200.0], [400.0, 300.0, 250.0, 200.0 * half])
        if half == 1.0:
            recorded.begin("later")
    listed = recorded.git("for-each-ref", "--format=%(refname)", "refs/exps/").split()
    assert sum(name.endswith("/study-random-1") for name in listed) == 2
    assert "max_variance is better: error -50 %" in shown(capsys)
    names = [f"study-{s}-{k}" for s in ("random", "max_variance") for k in (1, 2, 3)]
    assert "max_variance is better: error -50 %" in shown(capsys, *names)
    compared = comparison(recorded.root)
    assert compared is not None
    assert len(compared["curves"]) == 6
    before = comparison(recorded.root, recorded.git("rev-parse", "HEAD~1"))
    assert before is not None
    assert before["curves"][0]["points"][-1] == (80.0, 200.0)
    recorded.begin("and none here")
    assert "2 experiments are called 'study-random-1'" in refused(capsys, "study-random-1")


def test_two_runs_of_a_strategy_and_seed_are_not_paired(recorded: Study, capsys: Capture) -> None:
    for study, last in (("a", 100.0), ("b", 20.0)):
        for seed in (1, 2, 3):
            for strategy, end in (("random", 100.0), ("max_variance", last)):
                values = {"acquire.strategy": strategy, "random_seed": seed}
                recorded(f"{study}-{strategy}-{seed}", [300.0, 200.0, 150.0, end], **values)
    text = refused(capsys)
    assert "a-max_variance-1 and b-max_variance-1; a-max_variance-2 and" in text
    assert "aldata compare show EXPERIMENT ... or --study a or --study b" in text
    assert "max_variance: no difference" in shown(capsys, "--study", "a")
    assert "max_variance is better: error -80 %" in shown(capsys, "--study", "b")
    assert "one of: a, b" in refused(capsys, "--study", "c")
    assert refused(capsys, "a-random-1", "--study", "a")
    compared = comparison(recorded.root)
    assert compared is not None
    (nothing, left_out) = compared["sentences"]
    assert nothing == "max_variance: no pair of runs with random, nothing can be said"
    both = "a-max_variance-1 and b-max_variance-1 have the same strategy and seed"
    assert f"seed 1 ({both}; a-random-1 and b-random-1 have the same" in left_out
    values = {"acquire.strategy": "random", "random_seed": 1, "train.steps": 900}
    recorded("loud-mind", [300.0, 200.0, 150.0, 10.0], **values)
    text = refused(capsys, "loud-mind", "a-random-1", "a-max_variance-1")
    assert "loud-mind and a-random-1" in text
    assert text.rstrip().endswith("EXPERIMENT ... or --study a")


def test_a_run_that_was_cut_short_is_not_compared_earlier(recorded: Study, capsys: Capture) -> None:
    """Half the error at the end, none at the start: three early ends must not dilute it."""
    for seed in (1, 2, 3, 4, 5):
        recorded.pair(seed, [300.0, 200.0, 150.0, 100.0], [300.0, 140.0, 80.0, 52.0])
    whole = "max_variance is better: error -48 % against random at 80 calls"
    assert f"{whole} (95 % interval -48 % to -48 %, 5 seeds)" in shown(capsys)
    for seed in (3, 4, 5):
        values = {"acquire.strategy": "max_variance", "random_seed": seed}
        recorded(f"study-max_variance-{seed}", [300.0], **values)
    text = shown(capsys)
    assert "max_variance: error -48 % against random at 80 calls, from 2 seeds: at least 3" in text
    assert "left out: seed 3 (study-max_variance-3 is cut short), seed 4 (" in text
    document = json.loads(shown(capsys, "--json"))
    assert document["differences"][0]["costs"] == {"1": 80.0, "2": 80.0}
    assert set(document["differences"][0]["missing"]) == {"3", "4", "5"}
    text = shown(capsys, "--generation", "g000")
    assert "no difference that 5 seeds can show: error +0 % against random at 20 calls" in text


def test_what_is_no_error_gets_no_verdict(recorded: Study, capsys: Capture) -> None:
    share = "explore_stable_share"
    for seed in (1, 2, 3):
        recorded.pair(seed, [3.0, 2.0, 1.0, 0.9], [1.0, 0.5, 0.2, 0.0], others={share: 1.0})
    text = shown(capsys, "--metric", share)
    assert text.count("g003") == 2
    assert "Not an error: less is not better, so no verdict." in text
    assert "max_variance is" not in text
    document = json.loads(shown(capsys, "--metric", share, "--json"))
    assert (document["is_error"], document["differences"], document["reached"]) == (False, [], [])
    assert "is not an error" in refused(capsys, "--metric", share, "--target", "0.5")
    text = shown(capsys)
    assert "max_variance: no pair of runs with random, nothing can be said" in text
    assert "left out: seed 1 (errors of 0 and 0.9 have no ratio)" in text
    assert "the seed has no model" in refused(capsys, "--generation", "seed")
    assert "a folder that is there" in refused(capsys, "--plot", "no/curves.png")
    for target in ("0", "-1", "nan"):
        assert "no error stays below" in refused(capsys, "--target", target)


def test_the_calls_to_a_target_are_a_ratio_in_both_outputs(
    recorded: Study, capsys: Capture
) -> None:
    for seed, end in ((1, 100.0), (2, 120.0), (3, 80.0)):
        recorded.pair(seed, [300.0, 200.0, 150.0, end], [300.0, end, end / 2, end / 3])
    text = shown(capsys)
    assert "calls until the error stays below random's last with the same seed" in text
    rows = [line.split() for line in text.splitlines() if "3 of 3" in line]
    assert rows[0] == ["random", "3", "of", "3", "-", "80,", "80,", "80"]
    assert rows[1] == [
        "max_variance",
        "3",
        "of",
        "3",
        "0.50",
        "(0.50",
        "to",
        "0.50)",
        "40,",
        "40,",
        "40",
    ]
    document = json.loads(shown(capsys, "--json"))
    assert document["target"] is None
    by_name = {run["experiment"]: run for run in document["experiments"]}
    found = by_name["study-max_variance-2"]
    assert (found["target"], found["calls_to_reach"]) == (120.0, 40.0)
    assert [one["strategy"] for one in document["reached"]] == ["random", "max_variance"]
    assert document["reached"][1]["ratios"] == {"1": 0.5, "2": 0.5, "3": 0.5}
    rows = [line.split() for line in shown(capsys, "--target", "100").splitlines()]
    assert ["random", "2", "of", "3", "-", "80,", "not", "reached,", "74.29"] in rows


def test_who_acted_is_told(recorded: Study, capsys: Capture) -> None:
    never = dict.fromkeys(GENERATIONS, "farthest_point")
    for strategy, acts in (
        ("farthest_point", {}),
        ("max_variance", never),
        ("information_gain", {"g000": "farthest_point"}),
    ):
        values = {"acquire.strategy": strategy, "random_seed": 1}
        recorded(strategy, [4.0, 3.0, 2.0, 1.0], acts=acts, **values)
    text = shown(capsys, "--reference", "farthest_point")
    assert (
        "information_gain (farthest_point in g000), "
        "max_variance (farthest_point in g000, g001, g002, g003)" in text
    )
    assert text.count("ACTED ALIKE") == 1
    assert "ACTED ALIKE: farthest_point and max_variance did the same" in text
    assert "information_gain and" not in text
    document = json.loads(shown(capsys, "--json", "--reference", "farthest_point"))
    assert "ACTED ALIKE" in document["warnings"][0]
    assert {
        "strategy": "information_gain", "generation": "g000", "instead": "farthest_point",
        "seeds": [1], "of": 1,
    } in document["acted"]  # fmt: skip
    assert "ACTED ALIKE" in shown(capsys, "--reference", "farthest_point", "--generation", "g000")


def test_files_that_differ_are_not_alike(recorded: Study, capsys: Capture) -> None:
    """Of experiments of two commits: by the hashes that `dvc.lock` has there."""
    same = {"structures": "1" * 32, "test_sets": "2" * 32}
    values = {"acquire.strategy": "random", "random_seed": 1}
    recorded("before", [4.0, 3.0, 2.0, 1.0], inputs=same, **values)
    recorded("cut", [4.0], **values | {"random_seed": 3})
    old = recorded.head
    recorded.begin("later")
    values["random_seed"] = 2
    recorded("same", [4.0, 3.0, 2.0, 1.0], inputs=same, **values)
    recorded("other", [4.0, 3.0, 2.0, 1.0], inputs=same | {"test_sets": "3" * 32}, **values)
    cut = recorded.git("rev-parse", f"refs/exps/{old[:2]}/{old[2:]}/cut")
    assert "NOT ALIKE" not in shown(capsys, "before", "same", cut)
    text = shown(capsys, "before", "other")
    assert "NOT ALIKE" in text
    assert f"files of test_sets: {'2' * 12} (1); {'3' * 12} (1)" in text
    assert "files of structures" not in text
    recorded.write("generations/seed/record/theory.json", '{"sha256": "1"}')
    recorded("theory", [4.0, 3.0, 2.0, 1.0], inputs=same, **values)
    recorded.write("generations/seed/record/theory.json", '{"sha256": "2"}')
    values["random_seed"] = 3
    recorded("theory2", [4.0, 3.0, 2.0, 1.0], inputs=same, **values)
    assert "level of theory: " in shown(capsys, "theory", "theory2")


def test_an_experiment_that_cannot_be_read_is_named(recorded: Study, capsys: Capture) -> None:
    for seed in (1, 2, 3):
        recorded.pair(seed, [4.0, 3.0, 2.0, 1.0], [4.0, 3.0, 2.0, 0.5])
    recorded.write("generations/g000/record/history.json", '[{"calls": 3, "x": "many"}]')
    recorded.keep("broken")
    recorded.write("params.yaml", "random_seed: 1\nexplore: {replicas: 3}\n")
    recorded.keep("ancient")
    text = shown(capsys)
    assert "max_variance is better: error -50 %" in text
    assert "LEFT OUT, cannot be read: broken: cannot be read (could not convert" in text
    assert "LEFT OUT, cannot be read: ancient: " in text
    assert len(json.loads(shown(capsys, "--json"))["warnings"]) == 2
    compared = comparison(recorded.root)
    assert compared is not None
    assert len(compared["curves"]) == 6
    assert compared["warnings"][0].startswith("LEFT OUT, cannot be read: ancient")
    assert "history.json of broken" in refused(capsys, "broken")
