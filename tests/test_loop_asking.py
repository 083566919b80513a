"""A generation of a real project whose trajectories ask on the way: one truth, in ledger and manifest."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from projects import Project, entry_of

from aldata.artifacts.frames import Candidates, Labels, Selection
from aldata.artifacts.schema import PURPOSES
from aldata.ledger import Ledger

pytestmark = pytest.mark.slow

LOOKS: dict[str, Any] = {
    "ask": "during",
    "most_asked": 3,
    "samplers": [
        {
            "name": "molecular_dynamics",
            "steps": 60,
            "equilibration": 20,
            "temperatures": [300.0],
            "sigma_hi": 1e-6,  # lost at the first look
        },
        {"name": "displacements", "frames": 12},
    ],
}


def explore(project: Project, **extra: str) -> Any:
    return project.run(sys.executable, "-m", "pipelines.explore", "g002", **extra)


def test_labels_asked_for_on_the_way_are_labels_like_all_others(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    project.set({"generations.g002": {**entry_of("g001"), "explore": LOOKS}})
    before = set(project.ended_calls())
    project.ok("dvc", "repro", "explore@g002")
    asked = project.json("g002", "explore.activity")["facts"]["asked"]
    assert [one["status"] for one in asked] == ["accepted", "accepted"]
    calls = {one["call"] for one in asked}
    assert set(project.ended_calls()) - before == calls
    candidates = project.read(Candidates, "g002")
    digest = candidates.digest
    *_, question, _ = candidates.attributes["trajectories"]
    assert {one["call"] for one in question["asked"]} == calls
    frames = {one["configuration"] for one in question["asked"]}

    project.ok("dvc", "repro", "record@g002")
    selection, labels = project.read(Selection, "g002"), project.read(Labels, "g002")
    assert frames < set(selection.ids)
    assert not selection.probe[[selection.ids.index(one) for one in frames]].any()
    rows = [labels.call_ids.index(call) for call in calls]
    assert {PURPOSES[p] for p in labels.purpose[rows]} == {"acquired"}
    costs = {one["call_id"]: one["new"] for one in project.json("g002", "calls")}
    assert {call: costs[call] for call in calls} == dict.fromkeys(calls, False)
    assert any(costs[call] for call in costs if call not in calls)
    entries = {e["call"]: e["role"] for e in project.json("g002", "dataset")["entries"]}
    assert {entries[call] for call in calls} <= {"train", "valid"}
    text = project.ok("aldata", "audit", "call", next(iter(calls)), "--json")
    assert "g002" in json.dumps(json.loads(text[text.index("{") :]))

    assert explore(project).returncode == 0
    assert project.read(Candidates, "g002").digest == digest
    project.commit("recorded")
    project.set({"generations.g002.explore.samplers.0.timestep": 0.25})
    ended = project.ended_calls()
    refused = explore(project)
    assert refused.returncode == 1
    assert "history already holds this generation" in refused.stderr
    assert project.ended_calls() == ended
    assert project.read(Candidates, "g002").digest == digest
    assert np.isfinite(labels.energy[rows]).all()


def test_killed_between_its_questions_it_repeats_the_same_trajectories(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    """kill -9 as soon as one more call has ended: none is made again, the candidates are the same."""
    calm, disturbed = copy_of(metal), copy_of(metal)
    for project in (calm, disturbed):
        project.set({"generations.g002": {**entry_of("g001"), "explore": LOOKS}})
    before = len(calm.ended_calls())
    assert explore(calm).returncode == 0
    wanted, new = calm.ended_calls(), len(calm.ended_calls()) - before
    assert new == 2
    for ended in range(new):
        running = subprocess.Popen(
            [sys.executable, "-m", "pipelines.explore", "g002"],
            cwd=disturbed.root,
            env=disturbed.environment(ALDATA_WORKERS="1"),
        )
        while len(disturbed.ended_calls()) <= before + ended:
            assert running.poll() is None
            time.sleep(0.002)
        running.kill()
        running.wait()
        assert not (disturbed.root / "generations" / "g002" / "candidates.zarr").exists()
    done = explore(disturbed)
    assert done.returncode == 0, done.stderr
    assert disturbed.ended_calls() == wanted
    assert disturbed.read(Candidates, "g002").digest == calm.read(Candidates, "g002").digest
    ledger = Ledger.of_project(disturbed.root)
    for call in wanted:
        record = ledger.find(call)
        assert record is not None
        assert [a.outcome for a in record.attempts].count("conclusive") == 1
