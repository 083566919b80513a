"""`aldata compare run`: the experiments of a study, some at a time, each once."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aldata import compare, params, provenance
from aldata.cli.compare.copies import COPIES, forget, sweep
from aldata.cli.compare.cost import cost_of
from aldata.cli.compare.runner import FOLDER, Runner
from aldata.cli.project import Project
from aldata.compare import Planned
from aldata.errors import InvalidInput, InvalidParameters, ProjectError
from aldata.ledger import MINIMUM_FREE_BYTES

INPUTS = ("structures", "test_sets", "pools")
"""Folders of the user's files that stages read."""


def run(options: argparse.Namespace) -> int:
    """Start what is missing, wait for it, and say how to look at it. Returns 1 when one failed."""
    project = Project.here()
    parameters = params.load(project.params)
    if options.jobs < 1:
        raise InvalidInput(
            "at least one experiment runs at a time", where="--jobs", expected="1 or more"
        )
    strategies = [name.strip() for name in options.strategies.split(",") if name.strip()]
    plan = compare.planned(options.study, strategies, options.seeds, parameters.random_seed)
    _refuse_own_strategies(parameters)
    _refuse_changes(project)
    _refuse_full_disk(project.root)
    there = set(compare.experiments(project.root))
    todo = [item for item in plan if item.name not in there]
    print(f"{len(plan)} experiments, {len(plan) - len(todo)} of them there already.", flush=True)
    if todo:
        print(cost_of(project, parameters, todo), flush=True)
    failed = _carried_out(project.root, options.jobs, todo)
    for name in failed:
        print(f"{name} failed: {FOLDER / f'{name}.log'} says why", file=sys.stderr)
    print(f"Next:\n  aldata compare {'run ...  (goes on)' if failed else 'show'}")
    return 1 if failed else 0


def _carried_out(root: Path, jobs: int, todo: Sequence[Planned]) -> list[str]:
    """Run the experiments; names of those that failed. Raises ProjectError where nothing can be written."""
    try:
        runner = Runner(root, jobs, todo)
        _clear(root)
        _end_like_ctrl_c()
        return runner.run()
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise ProjectError(
            f"cannot be written: {problem.strerror or problem}",
            where=str(problem.filename or root / FOLDER),
            next_step="free disk space or make the folder writable; the same command goes on",
        ) from None


def _end_like_ctrl_c() -> None:
    """A queue's time limit and a terminal that is closed end the experiments in the same way."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _clear(root: Path) -> None:
    """Remove the copies of the workspace that killed studies have left; say of others where they are."""
    for name in forget(root, root / FOLDER):
        print(f"{name}: taken off DVC's list of experiments to run, where a kill has left it")
    found = sweep(root, root / FOLDER)
    if found.removed:
        print(f"Removed {len(found.removed)} copies of the workspace that a killed study left.")
    for copy in found.kept:
        print(
            f"{COPIES / copy.name}: left by a killed study; a process works in it, or it cannot be removed",
            file=sys.stderr,
        )
    if found.others:
        names = " ".join(str(COPIES / copy.name) for copy in found.others)
        print(
            f"{len(found.others)} copies of the workspace were not made by `aldata compare run`, and no "
            "process of this machine works in them. If no `dvc exp run` is running anywhere:\n"
            f"  rm -r {names}",
            file=sys.stderr,
        )


def _refuse_own_strategies(parameters: params.Parameters) -> None:
    """A generation whose strategy the plan names would keep it in all runs, and they would not differ."""
    plan = parameters.generations.items()
    own = {name: entry.acquire["strategy"] for name, entry in plan if "strategy" in entry.acquire}
    if own:
        listed = ", ".join(f"{name} ({strategy})" for name, strategy in own.items())
        raise InvalidParameters(
            f"these generations have a strategy of their own and would keep it in all runs: {listed}",
            where="params.yaml: generations.*.acquire.strategy",
            expected="generations that follow acquire.strategy, which is what a study varies",
            next_step="take `strategy` out of these entries and commit; to compare schedules, start "
            "`dvc exp run --temp --name NAME -S ...` yourself, then aldata compare show NAME ...",
        )


def _refuse_full_disk(root: Path) -> None:
    """On a full disk every experiment would fail, and could not even say why."""
    free = shutil.disk_usage(root).free
    if free < MINIMUM_FREE_BYTES:
        raise ProjectError(
            f"{free / 1e6:.0f} MB are free",
            where=str(root),
            expected=f"{MINIMUM_FREE_BYTES / 1e6:.0f} MB at least, without which no call is started",
            next_step="free disk space; the same command goes on",
        )


def _refuse_changes(project: Project) -> None:
    """Experiments of a study start from one commit: changes that are not in it would differ."""
    head, changed = provenance.head_of(project.root)
    if head is None or changed:
        raise ProjectError(
            "the experiments of a study start from the current commit, and "
            + ("tracked files differ from it" if head else "there is none"),
            where=str(project.root),
            next_step='git add . && git commit -m "start of the study"'
            + (
                "  (git diff: has a killed study left its settings in params.yaml?)" if head else ""
            ),
        )
    listed = provenance.git(project.root, "ls-files", "--others", "--exclude-standard", *INPUTS)
    if listed:
        raise ProjectError(
            "not in git, so no experiment would have them: " + ", ".join(listed.splitlines()),
            where=str(project.root),
            next_step=f'git add {" ".join(INPUTS)} && git commit -m "start of the study"',
        )
    if provenance.git(project.root, "symbolic-ref", "--quiet", "HEAD") is None:
        print(
            "git is on no branch, as a killed experiment can leave it: git checkout BRANCH",
            file=sys.stderr,
        )
