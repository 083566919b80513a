"""`aldata compare run`: the experiments of a study, some at a time, each once."""

from __future__ import annotations

import argparse
import fcntl
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aldata import compare, params, provenance
from aldata.cli.project import Project, environment
from aldata.cli.staleness import forecast_of_new
from aldata.compare import Planned
from aldata.errors import InvalidInput, ProjectError
from aldata.execution import killed_with_parent

FOLDER = Path(".aldata") / "compare"
"""Where the output of every experiment goes, beside a lock that says that it runs."""

LOOK = 0.5
"""Seconds between two looks at the experiments that run."""

BUSY = "Unable to acquire lock"
"""What DVC says when another command holds the repository: the experiment is started again."""

STARTED = ("Running stage", "Stage '", "is cached")
"""What DVC says once it has the repository copied: only then the next experiment may begin."""

PATIENCE = 600.0
"""Seconds for which an experiment is started again and again before it counts as failed."""


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
    failed = Runner(project.root, options.jobs, todo).run()
    for name in failed:
        print(f"{name} failed: {FOLDER / f'{name}.log'} says why", file=sys.stderr)
    print(f"Next:\n  aldata compare {'run ...  (goes on)' if failed else 'show'}")
    return 1 if failed else 0


def _refuse_changes(project: Project) -> None:
    """Experiments of a study start from one commit: changes that are not in it would differ."""
    head, changed = provenance.head_of(project.root)
    if head is None or changed:
        raise ProjectError(
            "the experiments of a study start from the current commit, and "
            + ("tracked files differ from it" if head else "there is none"),
            where=str(project.root),
            next_step='git add . && git commit -m "start of the study"',
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


@dataclass
class Running:
    """An experiment's process, its log, and the lock that says that it runs."""

    item: Planned
    process: subprocess.Popen[bytes]
    log: Path
    lock: IO[str]
    began: float

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def has_begun(self) -> bool:
        """Whether DVC has copied the repository: another may start without disturbing it."""
        return self.process.poll() is not None or any(sign in self.text for sign in STARTED)

    @property
    def was_refused(self) -> bool:
        """Whether it ended because another command held the repository."""
        return self.process.returncode != 0 and BUSY in self.text


class Runner:
    """Runs experiments, `jobs` at a time. They die with this process; what had ended is kept."""

    def __init__(self, root: Path, jobs: int, todo: Sequence[Planned]) -> None:
        self.root, self.jobs = root, jobs
        self.folder = root / FOLDER
        self.folder.mkdir(parents=True, exist_ok=True)
        self.waiting = deque(todo)
        self.active: list[Running] = []
        self.failed: list[str] = []
        self.refused: dict[str, float] = {}
        self.total = len(todo)

    def run(self) -> list[str]:
        """Run them all; names of those that failed. An interruption ends those that run."""
        try:
            while self.waiting or self.active:
                if len(self.active) < self.jobs and all(one.has_begun for one in self.active):
                    self._start_next()
                for one in [one for one in self.active if one.process.poll() is not None]:
                    self._collect(one)
                time.sleep(LOOK)
        finally:
            for one in self.active:
                one.process.kill()
                one.process.wait()
        return self.failed

    def _start_next(self) -> None:
        """Start the next experiment that no other program runs."""
        if not self.waiting:
            return
        item = self.waiting.popleft()
        lock = (self.folder / f"{item.name}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            self.waiting.append(item)  # another `compare run` is at it: look again later
            return
        if item.name in compare.experiments(self.root):
            lock.close()
            self._say(item, "there already")
            return
        self.active.append(self._started(item, lock))
        if item.name not in self.refused:
            print(f"{item.name}: started", flush=True)

    def _started(self, item: Planned, lock: IO[str]) -> Running:
        log = self.folder / f"{item.name}.log"
        command = ["-m", "aldata.store.dvc", "exp", "run", "--temp", "--name", item.name]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *command, *item.changes],
                cwd=self.root,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=killed_with_parent(),
            )
        return Running(item, process, log, lock, time.monotonic())

    def _collect(self, one: Running) -> None:
        """Take an experiment that has ended off the list, or put it back if DVC was busy."""
        self.active.remove(one)
        one.lock.close()
        if one.was_refused:
            if one.item.name not in self.refused:
                print(f"{one.item.name}: waits, another command holds the repository", flush=True)
            since = self.refused.setdefault(one.item.name, one.began)
            if time.monotonic() - since < PATIENCE:
                self.waiting.append(one.item)
                return
        good = one.process.returncode == 0 and one.item.name in compare.experiments(self.root)
        seconds = time.monotonic() - one.began
        self._say(one.item, f"{'done' if good else 'FAILED'} after {seconds:.0f} s")
        if not good:
            self.failed.append(one.item.name)

    def _say(self, item: Planned, what: str) -> None:
        ended = self.total - len(self.waiting) - len(self.active)
        print(f"[{ended}/{self.total}] {item.name}: {what}", flush=True)
