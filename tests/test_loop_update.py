"""The loop with models that go on from their parents; diversity first, information later."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest
from ase.io import read, write
from projects import Project

from aldata import digest, params
from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import Calibration
from aldata.artifacts.frames import Candidates, Selection
from aldata.artifacts.schema import SAMPLERS

SHORT = {
    "name": "molecular_dynamics",
    "steps": 120,
    "interval": 10,
    "temperatures": [400.0],
    "decorrelate": False,
}
SCHEDULE: dict[str, dict[str, Any]] = {
    "g002": {
        "parent": "g001",
        "acquire": {"strategy": "farthest_point"},
        "train": {"update": "last_layer"},
    },
    "g003": {
        "parent": "g002",
        "acquire": {"strategy": "information_gain", "where": "sigma_forces > 0"},
        "train": {"update": "warm_start", "steps": 20},
    },
}


@pytest.fixture(scope="module")
def scheduled(metal: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two more generations: an updated last layer, then a warm start from it."""
    project = Project(tmp_path_factory.mktemp("scheduled") / "project")
    shutil.copytree(metal.root, project.root, symlinks=True)
    for name, changes in SCHEDULE.items():
        entry = {"parent": changes["parent"], **{verb: {} for verb in params.VERBS}}
        looks = {"samplers": [SHORT, *([_pool(project)] if name == "g003" else [])]}
        project.set({f"generations.{name}": entry | changes | {"explore": looks}})
    project.ok("dvc", "repro")
    return project


def _pool(project: Project) -> dict[str, Any]:
    """A file of a user's own frames, as a sampler."""
    cell = read(project.root / "structures" / "cell.xyz")
    frames = [cell.copy() for _ in range(5)]
    for number, frame in enumerate(frames):
        frame.rattle(0.1, seed=number)
    path = project.root / "pools" / "mine.xyz"
    write(path, frames)
    return {"name": "imported", "file": "pools/mine.xyz", "sha256": digest.of_file(path)[:16]}


def test_a_generation_looks_in_its_own_way(scheduled: Project) -> None:
    kinds = {name: scheduled.read(Candidates, name).sampler for name in ("g002", "g003")}
    assert {SAMPLERS[kind] for kind in kinds["g002"]} == {"dynamics"}
    assert sum(SAMPLERS[kind] == "imported" for kind in kinds["g003"]) == 5
    used = scheduled.json("g003", "record/explore.activity")["used"]
    assert used["pools/mine.xyz"] == digest.of_file(scheduled.root / "pools" / "mine.xyz")
    went = scheduled.json("g003", "metrics")["explore"]
    assert went["trajectories"] == 2
    assert 0 < went["stable_share"] <= 1


def test_each_generation_asks_as_the_schedule_says(scheduled: Project) -> None:
    rows = scheduled.status()["generations"]
    assert [row["strategy"] for row in rows] == [
        "farthest_point",
        "information_gain_diversity",
        "farthest_point",
        "information_gain",
    ]
    assert scheduled.read(Selection, "g003").attributes["settings"]["where"] == "sigma_forces > 0"


def test_the_last_layer_is_updated_and_nothing_else(scheduled: Project) -> None:
    before, after = (scheduled.read(Checkpoint, g) for g in ("g001", "g002"))
    assert after.card["updates"] == before.digest
    changed = (after.weights != before.weights).mean(axis=1)
    assert ((changed > 0) & (changed < 0.1)).all()
    information = [np.trace(c.information, axis1=1, axis2=2) for c in (before, after)]
    assert (information[1] > information[0]).all()
    assert scheduled.json("g002", "metrics")["test"]["generated"]["forces_rmse_meV_per_A"] > 0


def test_a_warm_start_goes_on_from_it(scheduled: Project) -> None:
    before, after = (scheduled.read(Checkpoint, g) for g in ("g002", "g003"))
    moved = np.linalg.norm(after.weights - before.weights) / np.linalg.norm(before.weights)
    cold = scheduled.read(Checkpoint, "g000").weights
    apart = np.linalg.norm(cold - before.weights) / np.linalg.norm(before.weights)
    assert 0 < moved < 0.5 * apart


def test_thresholds_and_the_stop_signal_are_there_with_their_numbers(scheduled: Project) -> None:
    row = scheduled.status()["generations"][-1]
    calibration = scheduled.read(Calibration, "g003")
    assert row["thresholds"] == calibration.exploration().content()
    assert 0 < row["thresholds"]["sigma_lo"] < row["thresholds"]["sigma_hi"]
    stop = row["stop"]
    assert stop["reached"] is False  # a training of 60 steps
    assert stop["probe_frames"] == calibration.forces.frames
    assert stop["information_per_call"] > 0
    assert stop["forces_rmse_meV_per_A"] > stop["wanted_forces_rmse_meV_per_A"] == 20.0
    text = scheduled.ok("aldata", "status")
    assert "g003 has not reached the target: errors on its lineage's" in text
    assert "g003 is at home below sigma_forces" in text
    assert "g002 has not" not in text


def test_the_plots_are_drawn_by_our_templates(scheduled: Project) -> None:
    found = json.loads(scheduled.ok("dvc", "plots", "show", "--json"))
    for name, mark in (
        ("map", "training set"),
        ("scores", "rank"),
        ("reliability", "bottom"),
        ("sigma_error", "log"),
    ):
        drawn = [v for k, v in found["data"].items() if k.endswith(f"g003/{name}.json")]
        assert len(drawn) == 1, found["data"].keys()
        assert mark in json.dumps(drawn)
    assert not found.get("errors")
