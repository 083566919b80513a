"""Experiments as processes: some at a time, each by one `aldata compare run`, ended with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aldata import compare
from aldata.cli.compare.copies import claimed, cleared, forget
from aldata.cli.project import environment, is_busy
from aldata.compare import Planned
from aldata.execution import killed_with_parent

FOLDER = Path(".aldata") / "compare"
"""Where the output of every experiment goes, beside its claim."""

LOOK = 0.5
"""Seconds between two looks at the experiments that run."""

GRACE = 30.0
"""Seconds that an interrupted experiment has to end by itself, so that DVC takes its copy away."""

STARTED = ("Running stage", "Stage '", "is cached")
"""What DVC says once it has the repository copied: only then the next experiment may begin."""

PATIENCE = 600.0
"""Seconds for which an experiment is started again and again before it counts as failed."""


@dataclass
class Running:
    """An experiment's process, its log, and its claim, which is locked while a process of it lives."""

    item: Planned
    process: subprocess.Popen[bytes]
    log: Path
    claim: IO[str]
    began: float
    copied: bool = False

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def has_begun(self) -> bool:
        """Whether DVC has copied the repository: another may start without disturbing it."""
        if not self.copied:  # the log of one that has begun grows long: it is not read again
            self.copied = self.has_ended or any(sign in self.text for sign in STARTED)
        return self.copied

    @property
    def has_ended(self) -> bool:
        """Whether its process has ended."""
        return self.process.poll() is not None

    @property
    def was_refused(self) -> bool:
        """Whether it ended because another command held the repository: it is started again."""
        return self.process.returncode != 0 and is_busy(self.text)

    def signal(self, number: int) -> None:
        """Send a signal to DVC and to the stage that it runs: a group of processes."""
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def _prepared() -> Callable[[], None]:
    """What an experiment's process does first: end with its parent, and hear SIGINT.

    What a script starts in the background (`aldata compare run ... &`) ignores SIGINT, and so would DVC.
    """
    end_with_parent = killed_with_parent()

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if end_with_parent is not None:
            end_with_parent()

    return prepare


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
                for one in [one for one in self.active if one.has_ended]:
                    self._collect(one)
                time.sleep(LOOK)
        finally:
            self._end()
        return self.failed

    def _end(self) -> None:
        """End what runs: as Ctrl-C does, so that DVC takes its copies away, and after a while hard."""
        if not self.active:
            return
        print(
            f"ending the experiments that run, {GRACE:.0f} s at most", file=sys.stderr, flush=True
        )
        try:
            for one in self.active:
                one.signal(signal.SIGINT)
            deadline = time.monotonic() + GRACE
            while time.monotonic() < deadline and not all(one.has_ended for one in self.active):
                time.sleep(LOOK / 5)
        finally:
            for one in self.active:
                one.signal(signal.SIGKILL)
                one.process.wait()
            forget(self.root, self.folder, [one.item.name for one in self.active])
            for one in self.active:
                with one.claim:
                    cleared(self.root, one.claim)

    def _start_next(self) -> None:
        """Start the next experiment that no other program runs."""
        if not self.waiting:
            return
        item = self.waiting.popleft()
        claim = claimed(self.folder / f"{item.name}.lock")
        if claim is None:
            self.waiting.append(item)  # another `compare run` is at it: look again later
            return
        if item.name in compare.experiments(self.root):
            claim.close()
            self._say(item, "there already")
            return
        self.active.append(self._started(item, claim))
        if item.name not in self.refused:
            print(f"{item.name}: started", flush=True)

    def _started(self, item: Planned, claim: IO[str]) -> Running:
        """Start DVC in a group of its own: Ctrl-C in a terminal reaches it through `_end` alone."""
        log = self.folder / f"{item.name}.log"
        number = claim.fileno()
        dvc = ["-m", "aldata.store.dvc", "--claim", str(number), "exp", "run", "--temp"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *dvc, "--name", item.name, *item.changes],
                cwd=self.root,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[number],
                process_group=0,
                preexec_fn=_prepared(),
            )
        return Running(item, process, log, claim, time.monotonic())

    def _collect(self, one: Running) -> None:
        """Take an experiment that has ended off the list, or put it back if DVC was busy."""
        self.active.remove(one)
        with one.claim:
            cleared(self.root, one.claim)
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
