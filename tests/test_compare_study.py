"""A study as a user runs it: real `dvc exp run`, killed in the middle, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
from ase.build import bulk
from projects import EMT_TEST, Project, made

STUDY = ("compare", "run", "--strategies", "random,farthest_point", "--seeds", "2", "--jobs", "2")

TINY = {
    "oracle": {"name": "emt", "settings": {}},
    "explore.samplers.0.steps": 60,
    "train.members": 2,
    "train.steps": 10,
    "acquire.batch": 4,
    "seed.test": EMT_TEST,
}


def children_of(root: Path) -> list[psutil.Process]:
    """Processes that work in the project or in a copy of it."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(root) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_killed_study_goes_on_and_its_runs_share_the_ledger(tmp_path: Path) -> None:
    cell = tmp_path / "cell.xyz"
    bulk("Au", "fcc", a=4.0, cubic=True).write(cell)
    project = made(tmp_path / "project", cell, TINY, generations=1)
    study = subprocess.Popen(
        ["aldata", *STUDY], cwd=project.root, env=project.environment(), stdout=subprocess.PIPE
    )
    assert study.stdout is not None
    for line in study.stdout:
        if b"done after" in line:
            break
    study.send_signal(signal.SIGKILL)
    study.wait()
    study.stdout.close()
    deadline = time.monotonic() + 30
    while children_of(project.root) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert children_of(project.root) == []
    before = project.ended_calls()

    text = project.ok("aldata", *STUDY)
    assert "4 experiments, 0 of them there already" not in text
    assert "aldata compare show" in text
    names = set(project.ok("dvc", "exp", "list", "--name-only").split())
    strategies = ("random", "farthest_point")
    assert {f"study-{s}-{seed}" for s in strategies for seed in (1, 2)} <= names
    assert set(before) <= set(project.ended_calls())
    _shares_the_ledger(project)

    text = project.ok("aldata", *STUDY)
    assert "4 experiments, 4 of them there already" in text
    shown = json.loads(project.ok("aldata", "compare", "show", "--json"))
    assert len(shown["experiments"]) == 4
    assert not shown["unlike"]
    assert all(not run["missing"] for run in shown["experiments"])
    (difference,) = shown["differences"]
    assert difference["interval"]["seeds"] == 2


def _shares_the_ledger(project: Project) -> None:
    """The calls of the ledger are the union of what the experiments asked for: none was repeated."""
    asked: set[str] = set()
    for name in project.ok("dvc", "exp", "list", "--name-only").split():
        for generation in ("seed", "g000"):
            path = f"{name}:generations/{generation}/record/calls.json"
            text = project.ok("git", "show", _reference(project, path))
            asked |= {call["call_id"] for call in json.loads(text)}
    assert set(project.ended_calls()) == asked


def _reference(project: Project, path: str) -> str:
    name, _, file = path.partition(":")
    listed = project.ok("git", "for-each-ref", "--format=%(refname)", "refs/exps/").split()
    (reference,) = [ref for ref in listed if ref.endswith(f"/{name}")]
    return f"{reference}:{file}"
