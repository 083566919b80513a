"""What the calls in a ledger cost and how they ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from aldata.artifacts.calls import CallRecord
from aldata.records import Record


class Statistics(Record):
    """Numbers of conclusive calls by status and by failure, and the CPU seconds they took."""

    calls: int
    accepted: int
    rejected: int
    failed: int
    failures: dict[str, int]
    cpu_seconds: float
    cpu_seconds_by_theory: dict[str, float]


def statistics_of(records: Iterable[CallRecord]) -> Statistics:
    """Count `records`, all attempts of a call included in its cost."""
    status: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    for record in records:
        status[record.status] += 1
        failures[record.failure] += 1
        seconds[record.theory_id] = seconds.get(record.theory_id, 0.0) + record.cpu_seconds
    del failures["none"]
    return Statistics(
        calls=status.total(),
        accepted=status["accepted"],
        rejected=status["rejected"],
        failed=status["failed"],
        failures=dict(sorted(failures.items())),
        cpu_seconds=sum(seconds.values()),
        cpu_seconds_by_theory=dict(sorted(seconds.items())),
    )
