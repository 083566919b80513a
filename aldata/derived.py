"""Files that can be deleted at any time: what they hold is made again from something else."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path


def opened(path: Path | None, tables: str, version: int) -> sqlite3.Connection:
    """A SQLite database with these tables; in memory without a path.

    tables : the SQL that makes them where they are missing. version : of these tables: a file of
    another version, or one that cannot be read, is replaced by an empty one.
    """
    name = ":memory:" if path is None else str(path)
    connection = sqlite3.connect(name, timeout=60.0, isolation_level=None)
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError:
        found = -1
    if found not in (0, version) and path is not None:
        connection.close()
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        connection = sqlite3.connect(name, timeout=60.0, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")  # it is made again where a power cut breaks it
    connection.executescript(tables)
    connection.execute(f"PRAGMA user_version = {version}")
    return connection
