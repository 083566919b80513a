"""ASE's database: SQLite (.db) and JSON (.json), and its LMDB backend (.aselmdb, fairchem's format)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from aldata.errors import InvalidInput
from aldata.exchange.frames import (
    RESULTS,
    Content,
    Frame,
    Statement,
    atoms_of,
    frame_of_atoms,
    statement_of,
)

STATEMENT = "aldata"
"""Key of the database's metadata that holds our statement."""
BLOCK = 256
QUERIED = ("status", "purpose", "role", "sampler")
"""Facts that are key-value pairs as well, so that `ase db` can select by them."""
JSON_LIMIT = 200
"""ASE writes a JSON database anew for every row: 300 rows take half a minute, 1000 five."""


def read(path: Path) -> Content:
    """Every row; `data` and key-value pairs are values of the frame, below what was calculated."""
    with _opened(path, reading=True) as database:
        metadata = database.metadata or {}
    return Content(statement_of(metadata.get(STATEMENT), str(path)), _frames(path))


def _frames(path: Path) -> Iterator[Frame]:
    with _opened(path, reading=True) as database:
        yield from map(_frame, _rows(database) if path.suffix == ".db" else database.select())


def _rows(database: Any) -> Iterator[Any]:
    """The rows of an SQLite database, of which ASE would fetch all before it gives the first."""
    last = 0
    while rows := list(database.select(f"id>{last}", sort="id", limit=BLOCK)):
        yield from rows
        last = rows[-1].id


def _frame(row: Any) -> Frame:
    frame = frame_of_atoms(row.toatoms())
    values = {**row.key_value_pairs, **row.data, **frame.values}
    return replace(frame, values=values)


def write(path: Path, statement: Statement, frames: Iterable[Frame]) -> int:
    """One row per frame; returns how many."""
    written = 0
    with _opened(path, reading=False) as database:
        for frame in frames:
            if path.suffix == ".json" and written == JSON_LIMIT:
                raise InvalidInput(
                    f"more than {JSON_LIMIT} frames do not go into a JSON database",
                    where=str(path),
                    next_step="choose a file name that ends in .db or .aselmdb",
                )
            data = {k: v for k, v in frame.values.items() if k not in RESULTS}
            pairs = {k: data[k] for k in QUERIED if k in data}
            database.write(atoms_of(frame), key_value_pairs=pairs, data=data)
            written += 1
        if written:  # a JSON database must have rows before it takes metadata
            database.metadata = {STATEMENT: statement.text()}
    return written


@contextmanager
def _opened(path: Path, reading: bool) -> Iterator[Any]:
    from ase.db import connect

    kind = path.suffix.removeprefix(".")
    if reading and kind == "aselmdb":
        _refuse_truncated(path)
    options: dict[str, Any] = {"readonly": reading} if kind == "aselmdb" else {}
    database = connect(str(path), type=kind, use_lock_file=False, **options)
    if reading and kind == "aselmdb":
        try:
            yield database
        finally:
            database.close()
            path.with_name(f"{path.name}-lock").unlink(missing_ok=True)
        return
    with database:
        yield database
    path.with_name(f"{path.name}-lock").unlink(missing_ok=True)


def _refuse_truncated(path: Path) -> None:
    """Raise InvalidInput for an LMDB file that ends before its last page: reading it would crash."""
    import lmdb

    with lmdb.open(str(path), subdir=False, readonly=True, lock=False) as environment:
        size = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if path.stat().st_size < size:
        raise InvalidInput(f"is truncated: {path.stat().st_size} bytes of {size}", where=str(path))
