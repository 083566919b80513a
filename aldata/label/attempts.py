"""One attempt at a call: what is asked, and what the process of its own does that answers it.

That process asks the oracle and nothing else. The claim, the ledger and the record are its worker's
(`aldata.label.calls`): a process that was just forked pays for every page of memory that it touches.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aldata.artifacts.calls import Attempt, CallRecord
from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Configuration
from aldata.errors import LedgerError
from aldata.label import raw
from aldata.label.book import CallBook
from aldata.label.oracles import Answer, Oracle, OracleFailure
from aldata.label.settings import LabelSettings
from aldata.label.theories import build
from aldata.label.verdicts import Verdict, of_crash

MOST_WARNINGS = 20
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class CallJob:
    """All that a worker needs to compute one call.

    `former` are the ids of the attempts that were there before this run: what came after, and never
    ended although nobody holds the claim, was lost with its worker.
    """

    call_id: str
    configuration: Configuration
    theory: Theory
    book: CallBook
    settings: LabelSettings
    former: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Report:
    """What came of a job: a conclusive record, or the failure that this run ends with.

    `new` says whether this run computed the call, rather than another process that held its claim.
    """

    record: CallRecord | None
    verdict: Verdict
    attempt: Attempt | None
    new: bool


@dataclass(frozen=True)
class Question:
    """What a call's own process is asked: nothing of the ledger but the folder for its files."""

    theory: Theory
    configuration: Configuration
    folder: Path


@dataclass(frozen=True)
class Told:
    """What it said: an answer, or how it failed (`Verdict`); warnings on the way, and its pid."""

    answer: Answer | None
    failed: Verdict | None
    warnings: list[str]
    pid: int


def ask(question: Question, begin: Callable[[], None]) -> Told:
    """In the call's own process: ask the oracle. Raises LedgerError for a disk that is full."""
    begin()
    folder = question.folder
    with _disk_is_the_ledgers(folder):
        _print_to(folder / raw.PRINTED)
        oracle: Oracle = build(question.theory)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            answer, failed = _answer(oracle, question)
        _remove_if_empty(folder / raw.PRINTED)
    texts = [f"{w.category.__name__}: {w.message}" for w in caught]
    if answer is not None:
        texts += answer.warnings
    return Told(answer, failed, texts[:MOST_WARNINGS], os.getpid())


def _answer(oracle: Oracle, question: Question) -> tuple[Answer | None, Verdict | None]:
    try:
        return oracle.label(question.configuration, question.folder), None
    except OracleFailure as problem:
        return None, Verdict("failed", problem.failure, problem.message)
    except OSError as problem:
        if problem.errno in DISK_ERRORS:
            raise
        return None, _crash(problem)
    except MemoryError as problem:
        return None, Verdict("failed", "out_of_memory", str(problem))
    except Exception as problem:  # whatever foreign code raises is one failed call, not the end
        return None, _crash(problem)


def _crash(problem: Exception) -> Verdict:
    traceback.print_exc()
    return of_crash(f"{type(problem).__name__}: {problem}")


@contextlib.contextmanager
def _disk_is_the_ledgers(folder: Path) -> Iterator[None]:
    """A disk that is full is no failure of one call: it stops the run. Raises LedgerError."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in DISK_ERRORS:
            raise
        raise LedgerError(
            f"an oracle's files cannot be written: {os.strerror(problem.errno)}",
            where=str(folder),
            next_step="free disk space, then run again: calls that have ended are safe",
        ) from None


def _print_to(path: Path) -> None:
    """Send all that this process prints, below Python too, to a file; a crash's stack as well."""
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    faulthandler.enable(2)


def _remove_if_empty(path: Path) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if path.stat().st_size == 0:
        path.unlink()
