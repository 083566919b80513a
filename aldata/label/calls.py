"""One call, in a process of its own, seen from the worker that has it computed.

The worker holds the call's claim, has a keeper fork a process for each attempt
(`aldata.label.attempts`), and stores the result the moment that process has ended. When the worker is
killed, the keeper kills the call: no result can come of a call whose claim is gone.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from aldata import digest
from aldata.artifacts.calls import Attempt, CallRecord, Geometry, Outcome, net_force
from aldata.artifacts.documents import Theory
from aldata.execution import Ending, Keeper, threads
from aldata.label import attempts, raw
from aldata.label.attempts import CallJob, Question, Report, Told, ask
from aldata.label.oracles import Answer
from aldata.label.theories import build
from aldata.label.verdicts import Verdict, of_answer, of_crash

GB = 10**9

SCHEDULER_JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
"""Environment variables by which queues tell a job its id."""


def compute(job: CallJob) -> Report:
    """Compute one call under its claim, unless another process has done so. Raises LedgerError."""
    with job.book.claim(job.call_id):
        known = job.book.find(job.call_id)
        if known is not None:
            return Report(known, Verdict(known.status, known.failure, known.message), None, False)
        earlier = job.book.attempts(job.call_id)  # under the claim nobody adds to them
        lost = [a for a in earlier if a.id not in job.former and a.outcome == "running"]
        if len(lost) > job.settings.retry.lost:
            return Report(None, _lost_too_often(lost), lost[-1], True)
        return _attempts(job, earlier)


def _attempts(job: CallJob, earlier: list[Attempt]) -> Report:
    """Attempts, as many as the settings allow, and the record of the last if it was conclusive.

    They are counted per class of failure and per run: a later run begins anew, because a crash or a
    limit is no verdict on a configuration.
    """
    again = job.settings.retry.content()
    attempts: list[Attempt] = []
    while True:
        attempt, answer, verdict = _attempt(job)
        attempts.append(attempt)
        if attempt.outcome == "conclusive":
            record = _record(job, [*earlier, *attempts], answer, verdict)
            job.book.store(record)
            job.book.add_attempt(job.call_id, attempt)
            return Report(record, verdict, attempt, True)
        job.book.add_attempt(job.call_id, attempt)
        if again.get(verdict.failure, 0) == 0:
            spent = sum(a.cpu_seconds for a in attempts)
            return Report(None, verdict, attempt.model_copy(update={"cpu_seconds": spent}), True)
        again[verdict.failure] -= 1


def _attempt(job: CallJob) -> tuple[Attempt, Answer | None, Verdict]:
    """One attempt in a process of its own: how it went, its answer, and what that is worth."""
    settings = job.settings
    attempt = _new_attempt(job)
    job.book.add_attempt(job.call_id, attempt)
    folder = job.book.raw_folder(job.call_id, attempt.id)
    keeper = _keeper(build(job.theory).preload(), settings.cores)
    memory = None if settings.memory is None else round(settings.memory * GB)
    question = Question(job.theory, job.configuration, folder)
    ending = keeper.call(ask, question, settings.time_limit, memory)
    if ending.how == "raised":
        raise ending.value
    if ending.how == "returned":
        told = ending.value
        assert isinstance(told, Told)
        answer = told.answer
        verdict = told.failed or _worth(answer, job)
        more = {"warnings": told.warnings, "pid": told.pid}
    else:
        answer, more = None, {}
        verdict = _verdict(job, ending, folder / raw.PRINTED)
    ended = {
        "end": now(),
        "wall_seconds": ending.wall_seconds,
        "cpu_seconds": ending.cpu_seconds,
        "memory_peak_bytes": ending.memory_peak_bytes,
        "outcome": outcome_of(verdict.failure),
        "exit_code": ending.exit_code,
        "message": verdict.message,
        "files": raw.listed(folder),
    }
    return attempt.model_copy(update={**ended, **more}), answer, verdict


def _worth(answer: Answer | None, job: CallJob) -> Verdict:
    """Whether an answer is converged, finite, whole and within the limits."""
    assert answer is not None
    if not answer.converged:
        return Verdict("failed", "not_converged", "the oracle's iterations did not end")
    numbers = [np.array(answer.energy), answer.forces]
    numbers += [] if answer.stress is None else [answer.stress]
    if not all(np.isfinite(n).all() for n in numbers):
        return Verdict("failed", "not_finite", "energy, forces or stress are not finite")
    if answer.forces.shape != job.configuration.positions.shape:
        return Verdict("failed", "crashed", f"forces of shape {answer.forces.shape}")
    return of_answer(answer.forces, job.settings)


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


def _lost_too_often(lost: list[Attempt]) -> Verdict:
    places = [f"{a.host} job {a.scheduler_job}" if a.scheduler_job else str(a.host) for a in lost]
    return Verdict(
        "failed",
        "crashed",
        f"{len(lost)} times its worker was lost ({', '.join(dict.fromkeys(places))}): "
        "memory of the node, or limits of the queue?",
    )


def outcome_of(failure: str) -> Outcome:
    """How an attempt ends that fails in this class ("none" for a success)."""
    if failure == "crashed":
        return "crashed"
    if failure == "time_limit":
        return "time_limit"
    return "out_of_memory" if failure == "out_of_memory" else "conclusive"


def now() -> str:
    """Now, in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@lru_cache(maxsize=4)
def _keeper(preload: tuple[str, ...], cores: int) -> Keeper:
    """The worker's keeper for calls that need these modules and cores."""
    return Keeper((*preload, attempts.__name__), threads(cores))


def _verdict(job: CallJob, ending: Ending, printed: Path) -> Verdict:
    if ending.how == "time_limit":
        return Verdict("failed", "time_limit", f"stopped after {job.settings.time_limit:g} s")
    if ending.how == "out_of_memory":
        message = f"stopped when it took more than {job.settings.memory:g} GB"
        return Verdict("failed", "out_of_memory", message)
    message = f"its process ended with exit code {ending.exit_code}"
    return of_crash(": ".join([message, *_last_words(printed)]))


def _last_words(printed: Path) -> list[str]:
    """The line that says why a process crashed, or else the last that it printed, if any."""
    lines = printed.read_text(errors="replace").split("\n") if printed.exists() else []
    fatal = [line for line in lines if line.startswith("Fatal Python error")]
    return (fatal or [line.strip() for line in lines if line.strip()])[-1:]


def _new_attempt(job: CallJob) -> Attempt:
    """An attempt that has not begun; its id begins with the time, for readers, and is unique."""
    start = now()
    stamp = start.partition(".")[0].replace("-", "").replace(":", "")
    return Attempt(
        id=f"{stamp}-{secrets.token_hex(6)}",
        start=start,
        host=socket.gethostname(),
        pid=os.getpid(),
        cores=job.settings.cores,
        scheduler_job=next(filter(None, map(os.environ.get, SCHEDULER_JOBS)), None),
        version=_version(job.theory.oracle, digest.canonical_json(job.theory.settings)),
        python=platform.python_version(),
    )


@lru_cache(maxsize=8)
def _version(oracle: str, settings: str) -> str:
    """The oracle's version, which stays while the worker lives: packages are slow to ask for it."""
    return build(Theory(oracle=oracle, settings=json.loads(settings), record={})).version()
