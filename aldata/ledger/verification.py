"""Is every object of the ledger what it says? Looks only: nothing is moved, changed or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from aldata import digest
from aldata.artifacts.calls import Attempt, CallRecord
from aldata.artifacts.documents import call_id
from aldata.errors import LedgerError
from aldata.ledger import objects
from aldata.ledger.ledger import Ledger
from aldata.records import Record

R = TypeVar("R", bound=Record)


@dataclass
class Inspection:
    """What an inspection found: counts, damages (file and what is wrong with it), and notes."""

    calls: int = 0
    attempts: int = 0
    raw_files: int = 0
    damages: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(ledger: Ledger) -> Inspection:
    """Check every object and raw file by content.

    Objects: their digest, the id in their name, the ids of configuration, level of theory and call
    computed anew. Raw files: the sha256 that the attempt lists.
    """
    found = Inspection()
    listed: dict[tuple[str, str], Attempt] = {}
    for path in sorted(ledger.folder.glob("calls/??/[!.]*.json")):
        found.calls += 1
        record, problems = _read(path, CallRecord)
        if record is not None:
            problems += problems_of_record(record)
            if record.call_id != path.stem or path.parent.name != path.stem[:2]:
                problems.append(f"lies under another name than its call id {record.call_id}")
            listed |= {(path.stem, attempt.id): attempt for attempt in record.attempts}
        found.damages += [(str(path), problem) for problem in problems]
    for path in sorted(ledger.folder.glob("attempts/??/*/[!.]*.json")):
        found.attempts += 1
        attempt, problems = _read(path, Attempt)
        if attempt is not None:
            if attempt.id != path.stem:
                problems.append(f"lies under another name than its id {attempt.id}")
            listed.setdefault((path.parent.name, attempt.id), attempt)
        found.damages += [(str(path), problem) for problem in problems]
    _check_raw(ledger, listed, found)
    _note_the_rest(ledger, found)
    return found


def _read(path: Path, kind: type[R]) -> tuple[R | None, list[str]]:
    """An object's record, or why there is none."""
    try:
        content = objects.parse(path.read_bytes())
        return kind.checked(content, where=path.name, error=LedgerError), []
    except objects.DamageError as problem:
        return None, [str(problem)]
    except LedgerError as problem:
        return None, [problem.what]
    except OSError as problem:
        return None, [f"cannot be read: {problem.strerror or problem}"]


def problems_of_record(record: CallRecord) -> Iterator[str]:
    """Where a record contradicts itself: ids that its content does not give, sizes that differ."""
    if record.configuration.configuration().id != record.configuration_id:
        yield "holds another configuration than its configuration id says"
    if record.theory.id != record.theory_id:
        yield "holds another level of theory than its theory id says"
    if call_id(record.configuration_id, record.theory_id) != record.call_id:
        yield "has a call id that its configuration and level of theory do not give"
    if record.forces is not None and len(record.forces) != len(record.configuration.numbers):
        yield "has not one force per atom"
    if record.status == "accepted" and (record.energy is None or record.forces is None):
        yield "is accepted without a result"


def _check_raw(ledger: Ledger, listed: dict[tuple[str, str], Attempt], found: Inspection) -> None:
    absent = unlisted = 0
    for (identity, name), attempt in listed.items():
        folder = ledger.folder / "raw" / identity[:2] / identity / name
        if attempt.files is None:
            unlisted += folder.is_dir() and attempt.outcome != "running"
            continue
        if attempt.files and not folder.is_dir():
            absent += 1
            continue
        for raw in attempt.files:
            found.raw_files += 1
            path = folder / raw.name
            if not path.is_file():
                found.damages.append((str(path), "is missing"))
            elif digest.of_file(path) != raw.sha256:
                found.damages.append((str(path), "is not the file that the attempt left"))
    if absent:
        found.notes.append(f"raw files of {absent} attempts are not here (exchanged without --raw)")
    if unlisted:
        found.notes.append(f"raw files of {unlisted} attempts have no list of digests to check")


def _note_the_rest(ledger: Ledger, found: Inspection) -> None:
    parts = sum(
        1 for kind in ("calls", "attempts") for _ in (ledger.folder / kind).rglob(".*.part")
    )
    aside = sum(1 for _ in ledger.folder.glob("damaged/*"))
    if parts:
        found.notes.append(f"{parts} interrupted writes left a part behind (*.part): no harm")
    if aside:
        found.notes.append(f"{aside} damaged objects were set aside earlier, in damaged/")
