"""From labels back to the ledger: the calls that sealed labels hold, and whether both agree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from aldata import digest
from aldata.artifacts.calls import Attempt, CallRecord, Geometry, Outcome, Source, Status, net_force
from aldata.artifacts.documents import Theory, call_id
from aldata.artifacts.frames import Labels, result_digest
from aldata.artifacts.schema import FAILURES, PURPOSES, STATUSES
from aldata.errors import LedgerError
from aldata.ledger.ledger import Ledger

LOST = "the labels that this record was rebuilt from do not hold it"

NEVER_ASKED = ("atoms_too_close", "not_finite")
"""Reasons for which a geometry is rejected without a call."""


@dataclass
class Rebuilt:
    """Records that labels give, and how many of their rows are no record, by reason."""

    records: list[CallRecord] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def records_in(
    labels: Labels, facts: list[dict[str, Any]], theory: Theory, source: Source
) -> Rebuilt:
    """The calls that labels hold, with bit-identical results; `facts` are the stage's calls.

    `theory` is the one of all calls but those of the labels' fallbacks. Attempts and raw files are
    not in labels: a record names its source, and has one attempt with what the facts say. A rejected
    call's results are not in labels either.
    """
    found = Rebuilt()
    told = {fact["call_id"]: fact for fact in facts}
    others = _fallback_theories(labels)
    for row, identity in enumerate(labels.call_ids):
        asked_at = others.get(identity, theory)
        reason = _no_record(labels, row, asked_at)
        if reason:
            found.skipped[reason] += 1
        else:
            found.records.append(_record(labels, row, asked_at, told.get(identity, {}), source))
    return found


def _fallback_theories(labels: Labels) -> dict[str, Theory]:
    """The level of theory of every call of a fallback; stores of an older aldata name its id only."""
    return {
        call: Theory.checked(item["theory"], where="labels: fallbacks", error=LedgerError)
        for item in labels.attributes.get("fallbacks", [])
        if "theory" in item
        for call in item["calls"]
    }


def missing_and_different(labels: Labels, ledger: Ledger) -> tuple[list[str], list[str]]:
    """Calls of accepted labels that the ledger lacks, and those that it answers otherwise."""
    missing, different = [], []
    for row, identity in enumerate(labels.call_ids):
        if not labels.accepted[row] or _purpose(labels, row) == "imported":
            continue
        record = ledger.find(identity)
        if record is None:
            missing.append(identity)
        elif _digest_of(record) != digest.to_hex(labels.result_digest[row : row + 1])[0]:
            different.append(identity)
    return missing, different


def _digest_of(record: CallRecord) -> str | None:
    if record.forces is None:
        return None
    stress = None if record.stress is None else np.array(record.stress)
    return result_digest("accepted", record.energy, np.array(record.forces), stress)


def _purpose(labels: Labels, row: int) -> str:
    return PURPOSES[int(labels.purpose[row])]


def _no_record(labels: Labels, row: int, theory: Theory) -> str:
    """Why a row of labels is no call that a ledger holds; empty for one that it does."""
    status, failure = STATUSES[int(labels.status[row])], FAILURES[int(labels.failure[row])]
    if _purpose(labels, row) == "imported":
        return "imported, not asked of the oracle"
    if status == "rejected" and failure in NEVER_ASKED:
        return "rejected by its geometry, never asked of the oracle"
    if failure in get_args(Outcome):
        return "ended without a verdict"
    if call_id(labels[row].id, theory.id) != labels.call_ids[row]:
        return "asked at another level of theory than the seed's, which these labels do not hold"
    return ""


def _record(
    labels: Labels, row: int, theory: Theory, fact: dict[str, Any], source: Source
) -> CallRecord:
    configuration = labels[row]
    status: Status = STATUSES[int(labels.status[row])]  # type: ignore[assignment]
    content: dict[str, Any] = {}
    if status == "accepted":
        forces, stress = labels.forces[labels.atoms_of(row)], labels.stress[row]
        content = {
            "energy": float(labels.energy[row]),
            "forces": forces.tolist(),
            "stress": None if np.isnan(stress).all() else stress.tolist(),
            "net_force": net_force(forces),
        }
    return CallRecord(
        call_id=labels.call_ids[row],
        configuration_id=configuration.id,
        theory_id=theory.id,
        configuration=Geometry.of(configuration),
        theory=theory,
        status=status,
        failure=FAILURES[int(labels.failure[row])],
        message=fact.get("message") or "",
        converged={"by": f"the label's status ({status}); the proof: {LOST}"},
        attempts=[_attempt(fact)],
        rebuilt=source,
        **content,
    )


def _attempt(fact: dict[str, Any]) -> Attempt:
    """One attempt that stands for all, with the costs that the stage wrote down."""
    return Attempt(
        id="rebuilt",
        start=fact.get("start") or "unknown",
        end=fact.get("end"),
        wall_seconds=fact.get("wall_seconds") or 0.0,
        cpu_seconds=fact.get("cpu_seconds") or 0.0,
        host=fact.get("host"),
        pid=None,
        cores=None,
        version=fact.get("version"),
        python=None,
        outcome="conclusive",
        message=f"attempts and raw files: {LOST}",
    )
