"""An index of the calls in SQLite, for questions about all of them.

It is derived from the objects, brought up to date before every use, and may be deleted at any time.
Objects are what counts: nothing is bought, skipped or labelled by what the index says.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from aldata import derived
from aldata.artifacts.calls import CallRecord
from aldata.errors import LedgerError
from aldata.ledger import objects
from aldata.ledger.ledger import Ledger

FILE = "index.sqlite"
VERSION = 1
"""Version of the tables; an index of another version is made anew."""

_TABLES = """
CREATE TABLE IF NOT EXISTS calls (
    call_id TEXT PRIMARY KEY, configuration_id TEXT, theory_id TEXT, status TEXT, failure TEXT,
    cpu_seconds REAL, wall_seconds REAL, attempts INTEGER, rebuilt INTEGER, mark TEXT);
CREATE INDEX IF NOT EXISTS by_configuration ON calls (configuration_id);
CREATE TABLE IF NOT EXISTS theories (theory_id TEXT PRIMARY KEY, oracle TEXT, record TEXT);
"""


@dataclass(frozen=True)
class Row:
    """What the index knows of one call; see `CallRecord`."""

    call_id: str
    configuration_id: str
    theory_id: str
    status: str
    failure: str
    cpu_seconds: float
    wall_seconds: float
    attempts: int
    rebuilt: bool

    @classmethod
    def of(cls, record: CallRecord) -> Self:
        """The row of a record."""
        return cls(
            record.call_id,
            record.configuration_id,
            record.theory_id,
            record.status,
            record.failure,
            record.cpu_seconds,
            sum(attempt.wall_seconds for attempt in record.attempts),
            len(record.attempts),
            record.rebuilt is not None,
        )


_NAMES = ", ".join(field.name for field in fields(Row))


class Index:
    """All calls of a ledger in one table; up to date when made. Close it after use."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.damaged: list[Path] = []
        try:
            self._connection = _opened(ledger.folder / FILE)
            self._update()
        except sqlite3.DatabaseError:  # a broken or read-only file: the objects are all there
            self._connection = _opened(None)
            self._update()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM calls").fetchone()[0])

    def rows(self) -> Iterator[Row]:
        """Every call, in the order of the ids."""
        found = self._connection.execute(f"SELECT {_NAMES} FROM calls ORDER BY call_id")
        return (Row(*values) for values in found)

    def theories(self) -> dict[str, dict[str, Any]]:
        """Every level of theory by its id: `oracle` and `record`."""
        found = self._connection.execute("SELECT theory_id, oracle, record FROM theories")
        return {i: {"oracle": oracle, "record": json.loads(record)} for i, oracle, record in found}

    def of_configurations(self, prefix: str) -> list[Row]:
        """Calls about the configurations whose id begins with `prefix` (hexadecimal digits)."""
        found = self._connection.execute(
            f"SELECT {_NAMES} FROM calls WHERE configuration_id >= ? AND configuration_id < ? "
            "ORDER BY configuration_id, call_id",
            (prefix, prefix + "g"),
        )
        return [Row(*values) for values in found]

    def _update(self) -> None:
        """Take in objects that are new or were replaced, and forget those that are gone."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            known = dict(self._connection.execute("SELECT call_id, mark FROM calls"))
            present = dict(_marks(self.ledger.folder / "calls"))
            gone = [(identity,) for identity in known.keys() - present.keys()]
            self._connection.executemany("DELETE FROM calls WHERE call_id = ?", gone)
            for identity, mark in present.items():
                if known.get(identity) != mark:
                    self._take_in(identity, mark)

    def _take_in(self, identity: str, mark: str) -> None:
        path = self.ledger.path_of(identity)
        try:
            content = objects.parse(path.read_bytes())
            record = CallRecord.checked(content, where=str(path), error=LedgerError)
        except FileNotFoundError:
            return
        except objects.DamageError:
            self.damaged.append(path)
            self._connection.execute("DELETE FROM calls WHERE call_id = ?", (identity,))
            return
        row = Row.of(record)
        values = [getattr(row, field.name) for field in fields(Row)]
        places = ", ".join("?" * (len(values) + 1))
        self._connection.execute(f"INSERT OR REPLACE INTO calls VALUES ({places})", (*values, mark))
        self._connection.execute(
            "INSERT OR IGNORE INTO theories VALUES (?, ?, ?)",
            (row.theory_id, record.theory.oracle, json.dumps(record.theory.record)),
        )


def _marks(calls: Path) -> Iterator[tuple[str, str]]:
    """Every object's id, and what changes when it is replaced: inode, size, time of change."""
    with contextlib.suppress(FileNotFoundError):
        for folder in sorted(calls.iterdir()):
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.endswith(".json") and not entry.name.startswith("."):
                        facts = entry.stat()
                        mark = f"{facts.st_ino} {facts.st_size} {facts.st_mtime_ns}"
                        yield entry.name.removesuffix(".json"), mark


def _opened(path: Path | None) -> sqlite3.Connection:
    """The database; in memory for a ledger whose folder is not there."""
    return derived.opened(path if path and path.parent.is_dir() else None, _TABLES, VERSION)
