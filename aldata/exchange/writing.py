"""From labels, configurations or candidates to a file: whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from aldata.errors import AldataError, InvalidInput
from aldata.exchange.formats import format_of
from aldata.exchange.frames import Frame, Statement


def write(
    path: Path, statement: Statement, frames: Iterable[Frame], name: str | None = None
) -> int:
    """Write frames in aldata's conventions to `path`; returns how many.

    The file appears under its name only when it is complete. name: one of `FORMATS`, else by the
    ending. Raises InvalidInput when nothing is to be written or the file system refuses.
    """
    kind = format_of(path, name)
    kind.refuse_missing_packages(str(path))
    if path.is_dir():
        raise InvalidInput("is a folder", where=str(path), expected="a file name")
    # ASE's database knows the format by the ending: the temporary name keeps one of its own.
    suffix = path.suffix if path.suffix in kind.suffixes else kind.suffixes[0]
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{suffix}")
    try:
        written = kind.write(temporary, statement, frames)
        if written == 0:
            raise InvalidInput("there is nothing to write", where=str(path))
        _sync(temporary)
        temporary.replace(path)
    except AldataError:
        raise
    except OSError as problem:
        raise InvalidInput(
            f"cannot be written: {problem.strerror or problem}",
            where=str(path),
            next_step="name a file that you may write, on a disk that is not full",
        ) from problem
    finally:
        for name_ in (temporary, temporary.with_name(f"{temporary.name}-lock")):
            with suppress(OSError):
                name_.unlink(missing_ok=True)
    return written


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
