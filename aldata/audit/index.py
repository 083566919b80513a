"""The index: what every version's documents say, in SQLite, so that a question takes milliseconds.

It is derived. It is brought up to date before every use, by reading the versions that it does not know;
what git no longer holds is forgotten; it may be deleted at any time. A document is read once, however
many versions hold it: git's ids of blobs, and DVC's md5, say which are the same.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aldata import derived, digest
from aldata.audit.documents import Reader
from aldata.audit.sources import Document, Records, Sources, expected, mark_of
from aldata.audit.versions import WORKSPACE, Version, versions

FILE = Path(".aldata") / "audit.sqlite"
VERSION = 2
"""Version of the tables; an index of another version is made anew."""

TABLES = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, call BLOB UNIQUE, configuration BLOB);
CREATE INDEX IF NOT EXISTS by_configuration ON calls (configuration);
CREATE TABLE IF NOT EXISTS blobs (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE, name TEXT, summary TEXT, problem TEXT);
CREATE TABLE IF NOT EXISTS entries (
    blob INTEGER, call INTEGER, status TEXT, role TEXT, purpose TEXT, lineage TEXT, result BLOB,
    duplicate_of BLOB);
CREATE INDEX IF NOT EXISTS entries_of_blob ON entries (blob);
CREATE INDEX IF NOT EXISTS entries_of_call ON entries (call);
CREATE TABLE IF NOT EXISTS facts (
    blob INTEGER, call INTEGER, status TEXT, failure TEXT, cpu_seconds REAL, wall_seconds REAL,
    host TEXT, start TEXT, ended TEXT, version TEXT, new INTEGER, PRIMARY KEY (blob, call))
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS facts_of_call ON facts (call);
CREATE INDEX IF NOT EXISTS facts_of_host ON facts (host);
CREATE INDEX IF NOT EXISTS facts_of_start ON facts (start);
CREATE TABLE IF NOT EXISTS picks (
    blob INTEGER, configuration BLOB, rank INTEGER, score REAL, probe INTEGER, reason TEXT,
    origin TEXT,
    PRIMARY KEY (blob, configuration)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS picks_of_configuration ON picks (configuration);
CREATE TABLE IF NOT EXISTS noise_calls (
    blob INTEGER, measurement TEXT, part TEXT, call INTEGER);
CREATE INDEX IF NOT EXISTS noise_calls_of_call ON noise_calls (call);
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE, generation TEXT, documents TEXT);
CREATE TABLE IF NOT EXISTS versions (
    key TEXT PRIMARY KEY, position INTEGER, names TEXT, complete INTEGER);
CREATE TABLE IF NOT EXISTS places (
    version TEXT, generation TEXT, record INTEGER, PRIMARY KEY (version, generation)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (path TEXT PRIMARY KEY, mark TEXT, key TEXT);
"""


class Index:
    """What is on record in every version of the project at `root`. Close it after use."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self.connection = _opened(root / FILE)
            self._update()
        except sqlite3.DatabaseError:  # a broken or read-only file: everything is there without it
            self.connection = _opened(None)
            self._update()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a query."""
        return self.connection.execute(query, values)

    def content(self, key: str) -> Any:
        """A document of the workspace or of git, parsed, by the key of its bytes; None if gone."""
        sources = Sources(self.root)
        try:
            found = self.connection.execute("SELECT path FROM marks WHERE key = ?", (key,))
            path = next(found, (None,))[0]
            if key.startswith("md5:"):
                path = sources.cached(key.removeprefix("md5:"))
            content = sources.bytes_of(Document(key, None if path is None else Path(path)))
            return None if content is None else json.loads(content)
        finally:
            sources.close()

    def _update(self) -> None:
        sources = Sources(self.root)
        try:
            with self.connection:
                self.connection.execute("BEGIN IMMEDIATE")
                self._take_in(versions(self.root), sources)
        finally:
            sources.close()

    def _take_in(self, present: list[Version], sources: Sources) -> None:
        known = dict(self.rows("SELECT key, complete FROM versions"))
        gone = [(key,) for key in known.keys() - {version.key for version in present}]
        self.connection.executemany("DELETE FROM places WHERE version = ?", gone)
        self.connection.executemany("DELETE FROM versions WHERE key = ?", gone)
        marks = {path: (mark, key) for path, mark, key in self.rows("SELECT * FROM marks")}
        for position, version in enumerate(present):
            complete = bool(known.get(version.key, False))
            # documents that were missing may have been fetched since; files may have changed
            if not complete or version.key == WORKSPACE:
                complete = self._read(version, sources.records(version, marks), sources)
            self.connection.execute(
                "INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?)",
                (version.key, position, json.dumps(version.names), complete),
            )

    def _read(self, version: Version, records: Records, sources: Sources) -> bool:
        """Take in the records of one version; whether all of its documents were there."""
        reader = Reader(self.connection)
        self.connection.execute("DELETE FROM places WHERE version = ?", (version.key,))
        complete = True
        for generation, documents in records.items():
            blobs = {
                name: reader.taken_in(name, document.key, lambda d=document: sources.bytes_of(d))  # type: ignore[misc]
                for name, document in documents.items()
            }
            whole = {name: blob for name, blob in blobs.items() if blob is not None}
            complete &= set(whole) >= set(expected(generation))
            self.connection.execute(
                "INSERT INTO places VALUES (?, ?, ?)",
                (version.key, generation, self._record(generation, whole)),
            )
            if version.key == WORKSPACE:
                self._mark(documents)
        return complete

    def _record(self, generation: str, blobs: dict[str, int]) -> int:
        """The id of the record with exactly these documents."""
        text = json.dumps(blobs, sort_keys=True)
        key = digest.of_json([generation, text])
        self.connection.execute(
            "INSERT OR IGNORE INTO records (key, generation, documents) VALUES (?, ?, ?)",
            (key, generation, text),
        )
        found = self.connection.execute("SELECT id FROM records WHERE key = ?", (key,))
        return int(found.fetchone()[0])

    def _mark(self, documents: dict[str, Document]) -> None:
        rows = [
            (str(document.path), mark_of(document.path), document.key)
            for document in documents.values()
            if document.path is not None and not document.key.startswith("md5:")
        ]
        self.connection.executemany("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", rows)


def _opened(path: Path | None) -> sqlite3.Connection:
    """The database, in its folder, tuned for reading all of it."""
    if path is not None:
        with contextlib.suppress(OSError):
            path.parent.mkdir(exist_ok=True)
    connection = derived.opened(path, TABLES, VERSION)
    connection.execute("PRAGMA mmap_size = 1073741824")  # read through the system's cache of files
    connection.execute("PRAGMA cache_size = -65536")  # 64 MB
    return connection
