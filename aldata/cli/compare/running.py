"""`aldata compare run`: the experiments of a study, some at a time, each once."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aldata import compare, params, provenance
from aldata.cli.compare.copies import COPIES, sweep
from aldata.cli.compare.runner import FOLDER, Runner
from aldata.cli.project import Project
from aldata.cli.staleness import forecast_of_new
from aldata.compare import Planned
from aldata.errors import InvalidInput, ProjectError


def run(options: argparse.Namespace) -> int:
    """Start what is missing, wait for it, and say how to look at it. Returns 1 when one failed."""
    project = Project.here()
    parameters = params.load(project.params)
    if options.jobs < 1:
        raise InvalidInput("at least one experiment runs at a time", where="--jobs")
    strategies = [name for name in options.strategies.split(",") if name]
    plan = compare.planned(options.study, strategies, options.seeds, parameters.random_seed)
    _refuse_changes(project)
    there = set(compare.experiments(project.root))
    todo = [item for item in plan if item.name not in there]
    print(f"{len(plan)} experiments, {len(plan) - len(todo)} of them there already.", flush=True)
    if todo:
        print(_expected(project, parameters, todo), flush=True)
    runner = Runner(project.root, options.jobs, todo)
    _clear(project.root)
    _end_like_ctrl_c()
    failed = runner.run()
    for name in failed:
        print(f"{name} failed: {FOLDER / f'{name}.log'} says why", file=sys.stderr)
    print(f"Next:\n  aldata compare {'run ...  (goes on)' if failed else 'show'}")
    return 1 if failed else 0


def _end_like_ctrl_c() -> None:
    """A queue's time limit and a terminal that is closed end the experiments in the same way."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _clear(root: Path) -> None:
    """Remove the copies of the workspace that killed studies have left; say of others where they are."""
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


def _refuse_changes(project: Project) -> None:
    """Experiments of a study start from one commit: changes that are not in it would differ."""
    head, changed = provenance.head_of(project.root)
    if head is None or changed:
        raise ProjectError(
            "the experiments of a study start from the current commit, and "
            + ("tracked files differ from it" if head else "there is none"),
            where=str(project.root),
            next_step='git add . && git commit -m "start of the study"'
            + (", or, if a killed study left them: git checkout -f BRANCH" if head else ""),
        )
    if provenance.git(project.root, "symbolic-ref", "--quiet", "HEAD") is None:
        print(
            "git is on no branch, as a killed experiment can leave it: git checkout BRANCH",
            file=sys.stderr,
        )


def _expected(project: Project, parameters: params.Parameters, todo: Sequence[Planned]) -> str:
    """What the experiments may cost: the ledger shares what two of them ask for."""
    ahead = [forecast_of_new(project, parameters, name) for name in parameters.generations]
    calls = len(todo) * sum(item.new_calls_at_most for item in ahead)
    seconds = [item.oracle_seconds for item in ahead if item.oracle_seconds is not None]
    cost = f", about {len(todo) * sum(seconds):.0f} CPU s" if seconds else ""
    seeds = len({item.seed for item in todo} - {parameters.random_seed})
    test = parameters.seed.test.frames if parameters.seed.test else 0
    more = f", and {test} for the test set of each of {seeds} new seeds" if test and seeds else ""
    return f"At most {calls} new calls{cost}{more}; what the ledger holds is not asked for again."
