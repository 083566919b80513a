"""One zip per generation: its record, and one folder per call with the raw files of every attempt."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aldata.audit.graph import Graph, Recorded
from aldata.ledger import Ledger

LISTING = "sha256.txt"
"""In every zip: the sha256 of every other file in it, as `sha256sum --check` reads it."""

NO_TIME = (1980, 1, 1, 0, 0, 0)
"""The same files give the same zip."""


@dataclass(frozen=True)
class Parcel:
    """What a zip holds: how many files and calls, and what should have been in it and is not here."""

    generation: str
    path: Path
    files: int
    calls: int
    missing: list[str]


def write_parcel(path: Path, graph: Graph, record: Recorded, ledger: Ledger | None) -> Parcel:
    """Write the zip of one recorded generation; without a ledger it holds the record only."""
    lines: list[str] = []
    missing = [f"{record.generation}: no {name}" for name in record.missing]
    calls = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _documents(graph, record):
            lines.append(_added(archive, f"record/{name}.json", content))
        for call in _calls(graph, record) if ledger is not None else ():
            files = list(_of_call(ledger, call)) if ledger is not None else []
            calls += bool(files)
            if not files:
                missing.append(f"{record.generation}: call {call} is not in the ledger")
            lines += [_added(archive, f"calls/{call}/{name}", data) for name, data in files]
        _added(archive, LISTING, "".join(f"{line}\n" for line in lines).encode())
    return Parcel(record.generation, path, len(lines) + 1, calls, missing)


def _added(archive: zipfile.ZipFile, name: str, content: bytes) -> str:
    item = zipfile.ZipInfo(name, NO_TIME)
    item.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(item, content)
    return f"{hashlib.sha256(content).hexdigest()}  {name}"


def _documents(graph: Graph, record: Recorded) -> Iterator[tuple[str, bytes]]:
    for name, blob in sorted(record.blobs.items()):
        key = next(graph.index.rows("SELECT key FROM blobs WHERE id = ?", (blob,)))[0]
        content = graph.index.content(key)
        if content is not None:
            text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
            yield name, (text + "\n").encode()


def _calls(graph: Graph, record: Recorded) -> list[str]:
    """Ids of the calls that the generation asked for; imported labels are no calls of ours."""
    query = (
        "SELECT lower(hex(calls.call)) FROM facts JOIN calls ON calls.id = facts.call "
        "WHERE blob = ? ORDER BY 1"
    )
    return [row[0] for row in graph.index.rows(query, (record.blobs.get("calls", -1),))]


def _of_call(ledger: Ledger, call: str) -> Iterator[tuple[str, bytes]]:
    """The record of a call, and what its attempts read and wrote."""
    record = ledger.find(call)
    if record is None:
        return
    yield "call.json", (json.dumps(record.content(), indent=1) + "\n").encode()
    raw = ledger.folder / "raw" / call[:2] / call
    for path in sorted(p for p in raw.rglob("*") if p.is_file()):
        yield path.relative_to(raw).as_posix(), path.read_bytes()
