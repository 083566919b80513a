"""Ask the oracle: every request becomes a label, from the ledger where it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from aldata import digest
from aldata.artifacts.calls import Attempt, CallRecord
from aldata.artifacts.documents import Theory, call_id
from aldata.artifacts.frames import Configuration, Configurations, Labels, result_digest
from aldata.artifacts.schema import FAILURES, PURPOSES, STATUSES
from aldata.errors import InvalidInput
from aldata.label.attempts import CallJob, Report
from aldata.label.book import CallBook
from aldata.label.calls import compute
from aldata.label.oracles import Oracle
from aldata.label.requests import Requests
from aldata.label.settings import LabelSettings
from aldata.label.tally import Tally
from aldata.label.theories import from_theory
from aldata.label.verdicts import Verdict, of_answer, of_energy, of_geometry

J = TypeVar("J")
R = TypeVar("R")


class Run(Protocol):
    """Runs a function over jobs and returns the results in order, as `execution.run` does."""

    def __call__(self, function: Callable[[J], R], jobs: Sequence[J], /) -> list[R]:
        """Results of `function(job)`, in the order of the jobs."""


def label(
    requests: Requests,
    theory: Theory,
    ledger: CallBook,
    settings: LabelSettings,
    run: Run,
    *,
    isolated: Mapping[int, float] | None = None,
    tally: Tally | None = None,
) -> tuple[Labels, list[dict[str, Any]]]:
    """Label every request; a call that fails is a label with a reason and stops no other.

    `isolated` are the energies of isolated atoms (eV, by atomic number) that energies are judged by;
    without them, those among the requests are. `tally` is told what is known before the run; wired
    to it (`execution.run`), it counts what ends and stops a run that loses too many calls.

    Returns
    -------
    labels : one frame per request, in order; results are NaN unless the call was accepted.
    facts : one record per distinct call: `call_id`, `status`, `failure`, `message`, `cpu_seconds`,
        `wall_seconds`, `host`, `start`, `end`, `version`, and `new` (computed in this run).

    Raises InvalidInput, before any call, for configurations that the oracle cannot compute;
    OracleUnavailable; LedgerError; CallsFailed, by the tally.
    """
    refuse_impossible(requests, from_theory(theory))
    distinct = _distinct(requests, theory)
    reports: dict[str, Report] = {}
    jobs = []
    for identity, configuration in distinct.items():
        known = _known(identity, configuration, ledger, settings)
        if known is None:
            former = frozenset(attempt.id for attempt in ledger.attempts(identity))
            jobs.append(CallJob(identity, configuration, theory, ledger, settings, former))
        else:
            reports[identity] = known
    if tally is not None:
        tally.begin(reports, [job.call_id for job in jobs], ledger)
    if jobs:
        ledger.ready()
        for job, report in zip(jobs, run(compute, jobs), strict=True):
            reports[job.call_id] = report
    atoms = isolated or _isolated(requests, theory, reports)
    reports = {identity: _judged(reports[identity], settings, atoms) for identity in distinct}
    facts = [_facts(identity, report) for identity, report in reports.items()]
    return _labels(requests, theory, reports), facts


def expected_new(
    requests: Requests,
    theory: Theory,
    ledger: CallBook,
    settings: LabelSettings | None = None,
) -> int:
    """How many calls `label` would have to compute, because the ledger does not know them."""
    limits = settings or LabelSettings()
    calls = _distinct(requests, theory).items()
    return sum(_known(identity, c, ledger, limits) is None for identity, c in calls)


def expected_cost(calls: int, theory: Theory, ledger: CallBook) -> float | None:
    """CPU seconds that `calls` new calls will take at this level of theory, judging by old ones.

    None where the ledger has none to judge by. Cells and molecules of other sizes count alike.
    """
    mean = ledger.mean_cpu_seconds(theory.id)
    return None if mean is None else calls * mean


def refuse_impossible(requests: Requests, oracle: Oracle) -> None:
    """Raise InvalidInput for configurations on which the oracle cannot succeed."""
    problems = oracle.check(list(requests.configurations))
    if problems:
        raise InvalidInput(
            problems[0] if len(problems) == 1 else "\n  - ".join(["", *problems]).strip(),
            where="configurations for the oracle",
            next_step="correct charge and spin of the structures, or the oracle's settings, "
            "in params.yaml",
        )


def _distinct(requests: Requests, theory: Theory) -> dict[str, Configuration]:
    """The distinct calls among the requests, in the order in which they first occur."""
    frames = requests.configurations
    ids = [call_id(identity, theory.id) for identity in frames.ids]
    first = {identity: row for row, identity in reversed(list(enumerate(ids)))}
    return {identity: frames[first[identity]] for identity in dict.fromkeys(ids)}


def _known(
    identity: str, configuration: Configuration, ledger: CallBook, settings: LabelSettings
) -> Report | None:
    """What is known without a call: a geometry that may not be asked for, or a recorded call."""
    verdict = of_geometry(configuration, settings)
    if verdict.status != "accepted":
        return Report(None, verdict, None, False)
    record = ledger.find(identity)
    if record is None:
        return None
    return Report(record, Verdict(record.status, record.failure, record.message), None, False)


def _isolated(
    requests: Requests, theory: Theory, reports: Mapping[str, Report]
) -> dict[int, float]:
    """Energies of the isolated atoms among the requests, by atomic number."""
    energies = {}
    for row in np.flatnonzero(requests.purpose == PURPOSES.index("isolated_atom")):
        atom = requests.configurations[int(row)]
        record = reports[call_id(atom.id, theory.id)].record
        if record is not None and record.energy is not None:
            energies[int(atom.numbers[0])] = record.energy
    return energies


def _judged(report: Report, settings: LabelSettings, isolated: Mapping[int, float]) -> Report:
    """The report under the limits of now: a recorded answer may be judged by others than then."""
    record = report.record
    if record is None or record.forces is None or record.energy is None:
        return report
    verdict = of_answer(np.array(record.forces), settings)
    if verdict.status == "accepted":
        verdict = of_energy(record.energy, record.configuration.numbers, isolated, settings)
    return Report(record, verdict, report.attempt, report.new)


def _labels(requests: Requests, theory: Theory, reports: dict[str, Report]) -> Labels:
    frames = requests.configurations
    n = len(frames)
    ids = [call_id(identity, theory.id) for identity in frames.ids]
    results = [_results(reports[identity], len(frames[row])) for row, identity in enumerate(ids)]
    return Labels(
        attributes={"theory_id": theory.id},
        **{name: frames.arrays[name] for name in Configurations.names()},
        call_id=digest.to_bytes(ids),
        result_digest=digest.to_bytes([_result_digest(reports[identity]) for identity in ids]),
        status=np.array([STATUSES.index(reports[i].verdict.status) for i in ids], np.uint8),
        failure=np.array([FAILURES.index(reports[i].verdict.failure) for i in ids], np.uint8),
        purpose=requests.purpose,
        trajectory=requests.trajectory,
        energy=np.array([energy for energy, _, _ in results], dtype=np.float64),
        forces=np.concatenate([np.zeros((0, 3)), *(forces for _, forces, _ in results)]),
        stress=np.array([stress for _, _, stress in results], dtype=np.float64).reshape(n, 6),
        sigma_energy=np.full(n, requests.sigma_energy),
        sigma_forces=np.full(n, requests.sigma_forces),
    )


def _accepted(report: Report) -> CallRecord | None:
    return report.record if report.verdict.status == "accepted" else None


def _results(report: Report, atoms: int) -> tuple[float, Any, Any]:
    """Energy, forces (atoms, 3) and stress (6,); NaN where there is nothing to use."""
    record = _accepted(report)
    if record is None:
        return np.nan, np.full((atoms, 3), np.nan), np.full(6, np.nan)
    stress = np.full(6, np.nan) if record.stress is None else np.array(record.stress)
    return float(record.energy or 0.0), np.array(record.forces).reshape(atoms, 3), stress


def _result_digest(report: Report) -> str:
    record = _accepted(report)
    if record is None:
        return result_digest(report.verdict.status, None, None, None)
    forces = np.array(record.forces)
    stress = None if record.stress is None else np.array(record.stress)
    return result_digest("accepted", record.energy, forces, stress)


def _facts(identity: str, report: Report) -> dict[str, Any]:
    """What happened to one call, for the activity of the stage; never part of a hash."""
    last: Attempt | None = report.record.attempts[-1] if report.record else report.attempt
    spent = report.record.cpu_seconds if report.record else (last.cpu_seconds if last else 0.0)
    return {
        "call_id": identity,
        "status": report.verdict.status,
        "failure": report.verdict.failure,
        "message": report.verdict.message,
        "cpu_seconds": spent,
        "wall_seconds": last.wall_seconds if last else 0.0,
        "host": last.host if last else None,
        "start": last.start if last else None,
        "end": last.end if last else None,
        "version": last.version if last else None,
        "new": report.new,
    }
