"""One attempt at a call, in the call's own process.

The process takes the claim, looks into the ledger once more, computes, and stores what came out: a
result is safe the moment it exists, whoever is killed afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import os
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from aldata.artifacts.calls import Attempt, CallRecord, Geometry, Outcome, net_force
from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Configuration
from aldata.errors import LedgerError
from aldata.execution.keeping import memory_peak_bytes
from aldata.label import raw
from aldata.label.book import CallBook
from aldata.label.oracles import Answer, Oracle, OracleFailure
from aldata.label.settings import LabelSettings
from aldata.label.theories import build
from aldata.label.verdicts import Verdict, of_answer, of_crash

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


def attempt_call(task: tuple[CallJob, Attempt], begin: Callable[[], None]) -> Report:
    """In the call's own process: one attempt, under the claim."""
    job, attempt = task
    with job.book.claim(job.call_id):
        known = job.book.find(job.call_id)
        if known is not None:
            return Report(known, Verdict(known.status, known.failure, known.message), None, False)
        earlier = job.book.attempts(job.call_id)  # under the claim nobody adds to them
        lost = _lost(job, earlier)
        if len(lost) > job.settings.retry.lost:
            return Report(None, _lost_too_often(lost), lost[-1], True)
        begin()
        began = time.monotonic()
        attempt = attempt.model_copy(update={"start": now(), "pid": os.getpid()})
        job.book.add_attempt(job.call_id, attempt)
        folder = job.book.raw_folder(job.call_id, attempt.id)
        with _disk_is_the_ledgers(folder):
            _print_to(folder / raw.PRINTED)
            answer, verdict, texts = _ask(job, folder)
            _remove_if_empty(folder / raw.PRINTED)
            files = raw.listed(folder)
        attempt = attempt.model_copy(
            update={
                "end": now(),
                "wall_seconds": time.monotonic() - began,
                **_costs(),
                "outcome": outcome_of(verdict.failure),
                "exit_code": 0,
                "message": verdict.message,
                "warnings": texts,
                "files": files,
            }
        )
        return _conclude(job, [*earlier, attempt], answer, verdict)


def _lost(job: CallJob, earlier: Sequence[Attempt]) -> list[Attempt]:
    """Attempts of this run that began and never ended, as the holder of the claim sees them."""
    return [a for a in earlier if a.id not in job.former and a.outcome == "running"]


def _lost_too_often(lost: list[Attempt]) -> Verdict:
    places = [f"{a.host} job {a.scheduler_job}" if a.scheduler_job else str(a.host) for a in lost]
    return Verdict(
        "failed",
        "crashed",
        f"{len(lost)} times its worker was lost ({', '.join(dict.fromkeys(places))}): "
        "memory of the node, or limits of the queue?",
    )


def _costs() -> dict[str, float]:
    """CPU time and peak memory of this process so far, and of those children that it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "cpu_seconds": sum(usage.ru_utime + usage.ru_stime for usage in usages),
        "memory_peak_bytes": memory_peak_bytes(*usages),
    }


def _ask(job: CallJob, folder: Path) -> tuple[Answer | None, Verdict, list[str]]:
    """The oracle's answer, or the class of its failure; and the warnings on the way."""
    oracle: Oracle = build(job.theory)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        answer, verdict = _answer(oracle, job, folder)
    texts = [f"{w.category.__name__}: {w.message}" for w in caught]
    if answer is not None:
        texts += answer.warnings
    return answer, verdict, texts[:MOST_WARNINGS]


def _answer(oracle: Oracle, job: CallJob, folder: Path) -> tuple[Answer | None, Verdict]:
    try:
        answer = oracle.label(job.configuration, folder)
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
    if not answer.converged:
        return answer, Verdict("failed", "not_converged", "the oracle's iterations did not end")
    numbers = [np.array(answer.energy), answer.forces]
    numbers += [] if answer.stress is None else [answer.stress]
    if not all(np.isfinite(n).all() for n in numbers):
        return answer, Verdict("failed", "not_finite", "energy, forces or stress are not finite")
    if answer.forces.shape != job.configuration.positions.shape:
        return None, Verdict("failed", "crashed", f"forces of shape {answer.forces.shape}")
    return answer, of_answer(answer.forces, job.settings)


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


def _conclude(
    job: CallJob, attempts: list[Attempt], answer: Answer | None, verdict: Verdict
) -> Report:
    """Store the call's record if the last attempt was conclusive, and how that attempt ended."""
    attempt, record = attempts[-1], None
    if attempt.outcome == "conclusive":
        record = _record(job, attempts, answer, verdict)
        job.book.store(record)
    job.book.add_attempt(job.call_id, attempt)
    return Report(record, verdict, attempt, True)


def _record(
    job: CallJob, attempts: list[Attempt], answer: Answer | None, verdict: Verdict
) -> CallRecord:
    usable = answer if verdict.status != "failed" else None
    return CallRecord(
        call_id=job.call_id,
        configuration_id=job.configuration.id,
        theory_id=job.theory.id,
        configuration=Geometry.of(job.configuration),
        theory=job.theory,
        status=verdict.status,
        failure=verdict.failure,
        message=verdict.message,
        energy=None if usable is None else usable.energy,
        forces=None if usable is None else usable.forces.tolist(),
        stress=None if usable is None or usable.stress is None else usable.stress.tolist(),
        net_force=None if usable is None else net_force(usable.forces),
        converged={} if answer is None else answer.proof,
        scf_steps=None if answer is None else answer.scf_steps,
        attempts=attempts,
    )


def outcome_of(failure: str) -> Outcome:
    """How an attempt ends that fails in this class ("none" for a success)."""
    if failure == "crashed":
        return "crashed"
    if failure == "time_limit":
        return "time_limit"
    return "out_of_memory" if failure == "out_of_memory" else "conclusive"


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


def now() -> str:
    """Now, in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
