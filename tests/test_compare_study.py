"""A study as a user runs it, on a fixed pool of labels: real `dvc exp run`, killed in the middle, gone on
with by two commands at once, and with an experiment taken away.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from projects import Project, hear_sigint, made

from aldata import digest
from aldata.cli.compare import runner as runners
from aldata.cli.compare.copies import COPIES, claimed
from aldata.cli.project import BUSY
from aldata.compare import Planned, planned
from aldata.ledger import Ledger

STUDY = ("compare", "run", "--strategies", "random,farthest_point", "--seeds", "2")
NAMES = {f"study-{s}-{seed}" for s in ("random", "farthest_point") for seed in (1, 2)}

TINY = {
    "train.members": 2,
    "train.steps": 10,
    "acquire.batch": 8,
    "seed.test": None,
    "evaluate.test_sets": {"held": "test_sets/held.xyz"},
}


def labelled(count: int, first: int) -> list[Atoms]:
    """Displaced cells with energies and forces."""
    frames = []
    for seed in range(first, first + count):
        cell = bulk("Au", "fcc", a=4.0, cubic=True)
        cell.rattle(0.1, seed=seed)
        cell.calc = EMT()
        answer = {"energy": cell.get_potential_energy(), "forces": cell.get_forces()}
        cell.calc = SinglePointCalculator(cell, **answer)
        frames.append(cell)
    return frames


def fixed_pool(folder: Path) -> Project:
    """A project that chooses among 24 labelled frames, and asks the file that has their labels."""
    frames = labelled(24, 0)
    write(folder / "cell.xyz", frames[0].copy())  # a replay answers for frames of its file alone
    write(folder / "pool.xyz", frames)
    pool = {
        "name": "imported",
        "file": "pools/pool.xyz",
        "sha256": digest.of_file(folder / "pool.xyz"),
    }
    settings = {"file": "pools/pool.xyz", "source": "EMT", "isolated_energies": {"Au": 0.0}}
    values = {"oracle": {"name": "replay", "settings": settings}, "explore.samplers": [pool]}
    project = made(folder / "project", folder / "cell.xyz", {**TINY, **values}, generations=1)
    (folder / "pool.xyz").rename(project.root / "pools" / "pool.xyz")
    write(project.root / "test_sets" / "held.xyz", labelled(4, 100))
    project.commit("the pool")
    return project


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


def started(project: Project, jobs: int) -> subprocess.Popen[str]:
    command = ["aldata", *STUDY, "--jobs", str(jobs)]
    return subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hear_sigint,
    )


def test_strategies_share_a_fixed_pool_whatever_happens_to_the_study(tmp_path: Path) -> None:
    project = fixed_pool(tmp_path)
    study = started(project, jobs=2)
    assert study.stdout is not None
    said = ""
    for line in study.stdout:
        said += line
        if "done after" in line:
            break
    assert "At most 25 new calls (24 of a fixed pool of 24 frames, 1 of isolated atoms)" in said
    deadline = time.monotonic() + 120
    while not _copies(project) and time.monotonic() < deadline:
        time.sleep(0.1)  # on a busy machine the next experiment has none yet
    study.send_signal(signal.SIGKILL)
    study.wait()
    study.stdout.close()
    deadline = time.monotonic() + 30
    while children_of(project.root) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert children_of(project.root) == []
    _leaves_nothing_behind_at_ctrl_c(project)
    before = project.ended_calls()

    both = [started(project, jobs=1) for _ in range(2)]
    texts = [one.communicate()[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], texts
    assert all("aldata compare show" in text for text in texts)
    assert not any("4 experiments, 0 of them there already" in text for text in texts)
    done = re.findall(r"(study-\S+): done", "".join(texts))
    assert sorted(done) == sorted(set(done)), "an experiment is run by one of them"
    assert set(project.ok("dvc", "exp", "list", "--name-only").split()) >= NAMES
    assert set(before) <= set(project.ended_calls())
    assert _copies(project) == [], "neither of what was killed nor of what has ended"
    _shares_the_ledger(project)

    assert "4 experiments, 4 of them there already" in project.ok("aldata", *STUDY)
    shown = json.loads(project.ok("aldata", "compare", "show", "--json"))
    assert {run["experiment"] for run in shown["experiments"]} == NAMES
    assert not shown["unlike"]
    assert all(not run["missing"] for run in shown["experiments"])
    (difference,) = shown["differences"]
    assert difference["interval"]["seeds"] == 2

    project.ok("dvc", "exp", "remove", "study-random-2")
    text = project.ok("aldata", "compare", "show")
    assert "farthest_point: left out: seed 2 (no run of random)" in text


def _copies(project: Project) -> list[Path]:
    """Copies of the workspace that DVC has made and nobody has removed."""
    return list((project.root / COPIES).glob("tmp*"))


def _leaves_nothing_behind_at_ctrl_c(project: Project) -> None:
    """An interruption in the middle of a stage, after a kill: stage, DVC and study end by themselves."""
    assert _copies(project), "of the experiments that were killed"
    study = started(project, jobs=1)
    assert study.stdout is not None
    for line in study.stdout:
        if line.endswith(": started\n"):
            break
    log = project.root / ".aldata" / "compare" / line.replace(": started\n", ".log")
    deadline = time.monotonic() + 300
    while "Running stage" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.2)
    study.send_signal(signal.SIGINT)
    study.communicate(timeout=120)
    assert study.returncode == 130
    assert (
        "stopped; what ended is kept" in log.read_text() or "failed to reproduce" in log.read_text()
    )
    assert _copies(project) == []
    assert children_of(project.root) == []
    assert project.ok("git", "status", "--porcelain", "--untracked-files=no") == ""


def _shares_the_ledger(project: Project) -> None:
    """The calls of the ledger are the union of what the experiments asked for, each computed once."""
    asked = {name: _asked(project, name) for name in NAMES}
    union = set().union(*asked.values())
    assert set(project.ended_calls()) == union
    assert len(union) <= 25, "what the study announced"
    frames = {name: calls - set.intersection(*asked.values()) for name, calls in asked.items()}
    assert len(union) < sum(map(len, asked.values())), "what two ask for is paid for once"
    assert len(set(map(frozenset, frames.values()))) > 1
    ledger = Ledger(project.root / ".aldata" / "ledger")
    answered = [a for r in ledger.records() for a in r.attempts if a.outcome == "conclusive"]
    assert len(answered) == len(union)


def _asked(project: Project, name: str) -> set[str]:
    """Calls that an experiment asked for."""
    found: set[str] = set()
    for generation in ("seed", "g000"):
        path = f"{name}:generations/{generation}/record/calls.json"
        text = project.ok("git", "show", _reference(project, path))
        found |= {call["call_id"] for call in json.loads(text)}
    return found


def _reference(project: Project, path: str) -> str:
    name, _, file = path.partition(":")
    listed = project.ok("git", "for-each-ref", "--format=%(refname)", "refs/exps/").split()
    (reference,) = [ref for ref in listed if ref.endswith(f"/{name}")]
    return f"{reference}:{file}"


@pytest.mark.parametrize(("patience", "kept"), [(600.0, True), (0.0, False)])
def test_an_experiment_that_dvc_has_no_time_for_is_started_again_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float, kept: bool
) -> None:
    monkeypatch.setattr(runners, "PATIENCE", patience)
    (item,) = planned("study", ["random"], 1, 1)
    runner = runners.Runner(tmp_path, 1, [])
    for _ in range(20):
        one = refused(runner, item)
        runner.active.append(one)
        runner._collect(one)
    assert list(runner.waiting) == [item] * 20 * kept
    assert runner.failed == [item.name] * 20 * (not kept)


def refused(runner: runners.Runner, item: Planned) -> runners.Running:
    """An experiment that ended because another command held the repository."""
    text = f"import sys; sys.exit('ERROR: {BUSY[1]}')"
    log = runner.folder / f"{item.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", text], stderr=output)
    process.wait()
    claim = claimed(log.with_suffix(".lock"))
    assert claim is not None
    return runners.Running(item, process, log, claim, time.monotonic())
