"""`aldata compare run` that is interrupted or killed: what DVC leaves behind, and who may take it away.

Real `aldata compare run` and real `dvc exp run --temp`, on a pipeline of one stage that waits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from ase.build import molecule
from projects import Project, entry_of, hear_sigint, made

from aldata import params
from aldata.cli.compare import running
from aldata.cli.compare.copies import COPIES, LIST, claimed, forget, sweep
from aldata.cli.compare.cost import cost_of
from aldata.cli.compare.runner import FOLDER
from aldata.cli.main import main
from aldata.cli.project import Project as ProjectHere
from aldata.compare import planned

WAITING = """\
stages:
  wait:
    cmd: python wait.py
    params: [random_seed, acquire.strategy]
"""

PYTHON = """\
import pathlib, signal, time
if pathlib.Path("deaf").exists():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
pathlib.Path("begun").touch()
while not pathlib.Path("go").exists():
    time.sleep(0.05)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project whose only stage waits for a file; whatever still works in it is killed in the end."""
    molecule("H2O").write(tmp_path / "water.xyz")
    project = made(tmp_path / "project", tmp_path / "water.xyz", {"seed.test": None}, generations=1)
    (project.root / "dvc.yaml").write_text(WAITING)
    (project.root / "wait.py").write_text(PYTHON)
    with (project.root / ".gitignore").open("a") as stream:
        stream.write("begun\ngo\n")
    project.commit("a pipeline that waits")
    yield project
    kill_all(project)


def workers_of(root: Path) -> list[psutil.Process]:
    """Processes that work in the project or in a copy of it."""
    found = []
    for process in psutil.process_iter():
        try:
            at_home = Path(process.cwd()).is_relative_to(root) and process.pid != os.getpid()
            if at_home and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_for(condition: Callable[[], object], seconds: float = 300.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, condition
        time.sleep(0.1)


def copies(project: Project) -> set[Path]:
    """Copies of the workspace that DVC has made and nobody has removed."""
    return set((project.root / COPIES).glob("tmp*"))


def begun(project: Project) -> set[Path]:
    """Copies in which the stage runs, or has run."""
    return {copy for copy in copies(project) if (copy / "begun").exists()}


def started(
    project: Project, *options: str, first: Callable[[], None] = hear_sigint
) -> subprocess.Popen[str]:
    command = ["aldata", "compare", "run", "--strategies", "random", *options]
    return subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=first,
    )


def by_hand(project: Project, name: str, seed: int) -> subprocess.Popen[bytes]:
    """A plain `dvc exp run --temp`, as a user starts it, whose stage has begun."""
    before = begun(project)
    process = subprocess.Popen(
        ["dvc", "exp", "run", "--temp", "--name", name, "-S", f"random_seed={seed}"],
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: begun(project) - before)
    return process


def kill_all(project: Project) -> None:
    """Kill what works in the project, and wait until it is gone."""
    for process in workers_of(project.root):
        process.kill()
    wait_for(lambda: workers_of(project.root) == [])


def is_as_before(project: Project) -> bool:
    """Whether git's HEAD is on its branch and nothing that it tracks has changed."""
    branch = project.run("git", "symbolic-ref", "HEAD")
    status = project.ok("git", "status", "--porcelain", "--untracked-files=no")
    return branch.returncode == 0 and status == ""


def ignore_sigint() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize(
    ("number", "first"),
    [
        pytest.param(signal.SIGINT, hear_sigint, id="ctrl-c"),
        pytest.param(signal.SIGTERM, ignore_sigint, id="kill, of a shell's background job"),
    ],
)
def test_an_interruption_leaves_nothing_behind(
    project: Project, number: signal.Signals, first: Callable[[], None]
) -> None:
    study = started(project, "--seeds", "3", "--jobs", "2", first=first)
    wait_for(lambda: len(begun(project)) == 2)
    study.send_signal(number)
    text = study.communicate(timeout=120)[0]
    assert study.returncode == 130, text
    assert "ending the experiments that run" in text
    assert copies(project) == set()
    assert workers_of(project.root) == []
    assert is_as_before(project)
    for name in ("study-random-1", "study-random-2"):
        log = (project.root / FOLDER / f"{name}.log").read_text()
        assert "failed to reproduce 'wait'" in log, "DVC has ended by itself"


def test_a_stage_that_does_not_hear_is_killed_at_the_second_ctrl_c(project: Project) -> None:
    (project.root / "deaf").touch()
    project.commit("a stage that does not hear")
    study = started(project, "--seeds", "1")
    wait_for(lambda: begun(project))
    study.send_signal(signal.SIGTERM)
    time.sleep(3.0)
    assert study.poll() is None, "it waits"
    study.send_signal(signal.SIGINT)
    study.communicate(timeout=120)
    assert study.returncode == 130
    assert workers_of(project.root) == []
    assert copies(project) == set()


def test_copies_of_a_killed_study_go_and_those_of_others_stay(project: Project) -> None:
    killed = started(project, "--seeds", "2", "--jobs", "2")
    wait_for(lambda: len(begun(project)) == 2)
    killed.kill()
    killed.communicate()
    left = copies(project)
    wait_for(lambda: set(sweep(project.root, project.root / FOLDER).kept) == left)
    assert copies(project) == left, "the stages live: these ones outlive DVC"
    kill_all(project)
    project.ok("git", "checkout", "--quiet", "--detach")  # as a kill while DVC starts may leave it

    dead = by_hand(project, "dead", 11)
    kill_all(project)
    dead.wait()
    (forsaken,) = copies(project) - left
    alive = by_hand(project, "study-random-1", 12)  # a name that the study has a claim for
    (in_use,) = copies(project) - left - {forsaken}
    study = started(project, "--seeds", "2")
    wait_for(lambda: len(begun(project) - left) == 3)
    assert not copies(project) & left
    assert {forsaken, in_use} < copies(project)
    found = sweep(project.root, project.root / FOLDER)
    assert (found.removed, found.kept, found.others) == ([], [], [forsaken])

    (in_use / "go").touch()
    assert alive.wait(timeout=300) == 0
    assert "study-random-1" in project.ok("dvc", "exp", "list", "--name-only").split()
    study.send_signal(signal.SIGINT)
    text = study.communicate(timeout=120)[0]
    assert "Removed 2 copies of the workspace that a killed study left" in text
    assert "git is on no branch, as a killed experiment can leave it" in text
    assert f"rm -r {COPIES / forsaken.name}\n" in text
    assert copies(project) == {forsaken}


def refused(project: Project, *options: str) -> str:
    """What `aldata compare run` says when it refuses: one error, before anything is written."""
    done = project.run("aldata", "compare", "run", *options)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (project.root / FOLDER).exists()
    return done.stderr


def test_what_a_kill_left_on_the_list_of_dvc_is_not_run(project: Project) -> None:
    """DVC's own queue puts experiments where one that is killed before its copy is made stays."""
    for name in ("study-random-1", "mine"):
        project.ok("dvc", "exp", "run", "--queue", "--name", name, "-S", "random_seed=7")
    queued = project.ok("git", "rev-parse", "refs/exps/celery/stash").strip()
    log = project.ok("git", "log", "-g", "--format=%H %gs", "refs/exps/celery/stash")
    for line in reversed(log.splitlines()):
        commit, _, words = line.partition(" ")
        project.ok("git", "update-ref", "--create-reflog", "-m", words, LIST, commit)
    assert project.ok("git", "rev-parse", LIST).strip() == queued
    folder = project.root / FOLDER
    folder.mkdir(parents=True)
    claim = claimed(folder / "study-random-1.lock")
    assert claim is not None
    with claim:
        assert forget(project.root, folder) == []  # a process of it lives
    assert forget(project.root, folder) == ["study-random-1"]
    left = project.ok("git", "log", "-g", "--format=%gs", LIST)
    assert "mine" in left
    assert "study" not in left
    assert forget(project.root, folder, ["mine"]) == ["mine"]
    assert project.run("git", "rev-parse", "--verify", LIST).returncode != 0


def test_a_generation_with_a_strategy_of_its_own_is_refused(project: Project) -> None:
    entry = {**entry_of("g000"), "acquire": {"strategy": "max_variance"}}
    project.set({"generations": {"g000": entry_of("seed"), "g001": entry}})
    project.commit("a schedule")
    text = refused(project, "--strategies", "random,farthest_point")
    assert "would keep it in all runs: g001 (max_variance)" in text
    assert "take `strategy` out of these entries" in text


def test_what_cannot_be_started_is_refused_before_anything_is_written(project: Project) -> None:
    assert "at least one seed" in refused(project, "--strategies", "random", "--seeds", "0")
    assert "1000000 experiments" in refused(project, "--strategies", "random", "--seeds", "1000000")
    assert "there is no strategy bald" in refused(project, "--strategies", "random,bald")
    assert "there is no strategy bald" in refused(project, "--strategies", " random , bald")
    pool = project.root / "pools" / "my pool.xyz"
    pool.write_text("0\n\n")
    text = refused(project, "--strategies", "random", "--seeds", "1")
    assert "not in git, so no experiment would have them: pools/my pool.xyz" in text
    pool.unlink()
    name = ("--study", "a/b <script>")
    assert "cannot be the name" in refused(project, "--strategies", "random", *name)
    project.set({"random_seed": 2**31 - 1})
    text = refused(project, "--strategies", "random", "--seeds", "1")
    assert "tracked files differ" in text
    project.commit("the last seed")
    assert "seeds below 2147483648" in refused(project, "--strategies", "random", "--seeds", "2")
    (project.root / ".aldata").write_text("no folder")
    text = refused(project, "--strategies", "random", "--seeds", "1")
    assert "cannot be written" in text


def test_the_announced_cost_is_what_a_run_asks_for(metal: Project) -> None:
    parameters = params.load(metal.root / "params.yaml")
    base = parameters.random_seed
    one = cost_of(ProjectHere(metal.root), parameters, planned("study", ["random"], 1, base))
    assert one.calls == len(metal.ended_calls()), "this very run was made"
    assert (one.batches, one.tests, one.atoms, one.pool) == (16, 6, 2, None)
    plan = planned("study", ["random", "farthest_point"], 3, base)
    many = cost_of(ProjectHere(metal.root), parameters, plan)
    assert (many.batches, many.tests, many.atoms) == (6 * 16, 3 * 6, 2)
    assert many.seconds is not None
    assert f"about {many.calls * many.seconds:.0f} CPU s" in str(many)


def test_a_full_disk_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(running, "MINIMUM_FREE_BYTES", 1 << 80)
    monkeypatch.chdir(project.root)
    assert main(["compare", "run", "--strategies", "random"]) == 1
    assert "MB are free" in capsys.readouterr().err
    assert not (project.root / FOLDER).exists()
