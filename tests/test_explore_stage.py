"""The explore stage with paths and ring polymers in a real project: traced, killed, repeated."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from ase.io import write
from projects import Project

from aldata import digest
from aldata.artifacts.conversion import to_atoms
from aldata.artifacts.frames import Candidates
from aldata.artifacts.schema import SAMPLERS as KINDS
from aldata.cli.main import main
from aldata.provenance.activity import now
from pipelines.acquire import acquire_candidates
from pipelines.describe import describe_candidates
from pipelines.explore import explore
from pipelines.record import record
from pipelines.stage import Stage

SHORT = {
    "reaction_path": {"images": 5, "steps": 5, "neighbours": 2},
    "path_integral": {"beads": 4, "steps": 30, "equilibration": 6, "interval": 3, "timestep": 1.0},
}


@pytest.fixture(scope="module")
def project(metal: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The second generation of the gold-copper project is to look along a path and at ring polymers."""
    one = Project(tmp_path_factory.mktemp("ways") / "project")
    shutil.copytree(metal.root, one.root, symlinks=True)
    ends = one.root / "pools" / "ends.xyz"
    ends.parent.mkdir(exist_ok=True)
    frames = one.read(Candidates, "g000")
    start = to_atoms(frames[0])
    end = start.copy()
    end.positions += np.random.default_rng(0).normal(0, 0.15, end.positions.shape)
    write(ends, [start, end], format="extxyz")
    point = {"file": "pools/ends.xyz", "sha256": digest.of_file(ends)[:12]}
    path = {"name": "reaction_path", "start": point, "end": {**point, "index": 1}}
    ring = {"name": "path_integral", "temperatures": [200.0]}
    samplers = [{**path, **SHORT["reaction_path"]}, {**ring, **SHORT["path_integral"]}]
    one.set({"generations.g001.explore": {"samplers": samplers, "candidates": 20}})
    return one


def run_here(verb: str, body: Callable[[Stage], None]) -> Stage:
    """A stage in this process and folder."""
    stage = Stage(verb, "g001")
    body(stage)
    if verb != "record":
        stage.record(now())
    return stage


def processes_in(*folders: Path) -> list[int]:
    """Processes that work in or below one of these folders."""
    found = []
    for process in psutil.process_iter():
        try:
            here, dead = Path(process.cwd()), process.status() == psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            continue
        if not dead and any(here.is_relative_to(folder) for folder in folders):
            found.append(process.pid)
    return found


@pytest.mark.slow
def test_a_killed_stage_leaves_what_was_there_and_can_be_run_again(
    project: Project, tmp_path: Path
) -> None:
    before = project.read(Candidates, "g001").digest
    command = [sys.executable, "-m", "pipelines.explore", "g001"]
    environment = project.environment(TMPDIR=str(tmp_path))
    with (tmp_path / "said").open("w") as said:
        running = subprocess.Popen(
            command, cwd=project.root, env=environment, stdout=said, stderr=said
        )
    limit = time.monotonic() + 120
    while not list(tmp_path.glob("aldata-ring-*/start.xyz")):
        assert running.poll() is None, (tmp_path / "said").read_text()
        assert time.monotonic() < limit
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    while processes_in(project.root, tmp_path):
        assert time.monotonic() < limit
        time.sleep(0.1)
    assert project.read(Candidates, "g001").digest == before
    names = [p.name for p in (project.root / "generations" / "g001").iterdir()]
    assert not [name for name in names if name.endswith(".tmp")]
    project.ok(*command)
    found = project.read(Candidates, "g001").digest
    assert found != before
    project.ok(*command)
    assert project.read(Candidates, "g001").digest == found


def test_what_it_finds_can_be_traced(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.root)
    bodies = {
        "explore": explore,
        "describe": describe_candidates,
        "acquire": acquire_candidates,
        "record": record,
    }
    for verb, body in bodies.items():
        run_here(verb, body)
    candidates = project.read(Candidates, "g001")
    activity = project.json("g001", "explore.activity")
    assert "pools/ends.xyz" in activity["used"]
    kinds = np.array([KINDS[kind] for kind in candidates.sampler])
    path, ring = kinds == "reaction_path", kinds == "path_integral"
    assert path.sum() == ring.sum() == 10
    assert (candidates.image[path] >= 0).all()
    assert (candidates.bead[ring] >= 0).all()
    assert np.isfinite(candidates.sigma[path]).all()
    recorded = json.loads((project.root / "generations/g001/record/selection.json").read_text())
    for name, kind in (("image", "reaction_path"), ("bead", "path_integral")):
        pick = next(p for p in recorded["picks"] if p["sampler"] == kind)
        row = candidates.ids.index(pick["configuration"])
        assert pick[name] == int(getattr(candidates, name)[row])
        capsys.readouterr()
        assert main(["why", pick["configuration"][:16]]) == 0
        told = capsys.readouterr().out
        place = f"proposed by {kind}, trajectory {pick['trajectory']}, step {pick['step']}, "
        assert place + f"{name} {pick[name]}" in told
        ended = candidates.attributes["trajectories"][pick["trajectory"]]["ended"]
        assert f"which ended: {ended}" in told
    where = ["--generation", "g001", "--where", "bead >= 0 and generation == 'g001'"]
    assert main(["query", "candidates", *where, "--columns", "bead", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 10
