"""One call, in a process of its own, seen from the worker that has it computed.

A keeper forks a process for each attempt (`aldata.label.attempts`), which writes its result to the
ledger itself. The worker only writes down what a dead process cannot: how it died.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from aldata import digest
from aldata.artifacts.calls import Attempt
from aldata.artifacts.documents import Theory
from aldata.execution import Ending, Keeper, threads
from aldata.label import attempts, raw
from aldata.label.attempts import CallJob, Report, attempt_call, now, outcome_of
from aldata.label.theories import build
from aldata.label.verdicts import Verdict, of_crash

GB = 10**9

SCHEDULER_JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
"""Environment variables by which queues tell a job its id."""


def compute(job: CallJob) -> Report:
    """Compute one call, again as often as the settings allow. Raises LedgerError.

    Attempts are counted per class of failure and per run: a later run begins anew, because a crash
    or a limit is no verdict on a configuration.
    """
    settings = job.settings
    keeper = _keeper(build(job.theory).preload(), settings.cores)
    memory = None if settings.memory is None else round(settings.memory * GB)
    again = settings.retry.content()
    spent = 0.0
    while True:
        attempt = _new_attempt(job)
        ending = keeper.call(attempt_call, (job, attempt), settings.time_limit, memory)
        if ending.how == "raised":
            raise ending.value
        report = ending.value if ending.how == "returned" else _died(job, attempt, ending)
        assert isinstance(report, Report)
        if report.attempt is not None:
            spent += report.attempt.cpu_seconds
        failure = report.verdict.failure
        if report.record is not None or again.get(failure, 0) == 0:
            break
        again[failure] -= 1
    if report.record is None and report.attempt is not None:
        return replace(report, attempt=report.attempt.model_copy(update={"cpu_seconds": spent}))
    return report


@lru_cache(maxsize=4)
def _keeper(preload: tuple[str, ...], cores: int) -> Keeper:
    """The worker's keeper for calls that need these modules and cores."""
    return Keeper((*preload, attempts.__name__), threads(cores))


def _died(job: CallJob, attempt: Attempt, ending: Ending) -> Report:
    """In the worker: write down an attempt whose process was killed, or killed itself."""
    folder = job.book.raw_folder(job.call_id, attempt.id)
    verdict = _verdict(job, ending, folder / raw.PRINTED)
    begun = [a for a in job.book.attempts(job.call_id) if a.id == attempt.id]
    attempt = (begun or [attempt])[0].model_copy(
        update={
            "end": now(),
            "wall_seconds": ending.wall_seconds,
            "cpu_seconds": ending.cpu_seconds,
            "memory_peak_bytes": ending.memory_peak_bytes,
            "outcome": outcome_of(verdict.failure),
            "exit_code": ending.exit_code,
            "message": verdict.message,
            "files": raw.listed(folder),
        }
    )
    job.book.add_attempt(job.call_id, attempt)
    return Report(None, verdict, attempt, True)


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
