"""Objects of the ledger: whole or not there, and never other than their digest says."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from aldata import digest
from aldata.errors import LedgerError

FORMAT = 2
"""Version of the objects that this code writes. It reads this one and all older ones: a record's new
fields have defaults. Format 2 added raw file lists, SCF steps, peak memory and rebuilt records."""


class DamagedObject(UserWarning):
    """An object of the ledger was not what its digest says, and was set aside."""


class DamageError(Exception):
    """The bytes of an object cannot be trusted."""


def write(path: Path, content: Any, *, durable: bool) -> None:
    """Write one object; see `write_bytes`."""
    text = digest.canonical_json(content).encode()
    head = f'{{"format": {FORMAT}, "digest": "{digest.of_bytes(text)}", "content": '
    write_bytes(path, head.encode() + text + b"}", durable=durable)


def write_bytes(path: Path, data: bytes, *, durable: bool) -> None:
    """Write one file: temporary file in the same folder, then rename; never half a file.

    `durable`: it is on the disk, not only in memory, when this returns. Raises LedgerError.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with _new_file(part) as stream:
            stream.write(data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        part.replace(path)
        if durable:
            _sync_folder(path.parent)
    except OSError as problem:
        with contextlib.suppress(OSError):
            part.unlink()
        raise unwritable(path, problem) from None


def _new_file(path: Path) -> BinaryIO:
    """A file to write; its folder is made where it is not there."""
    try:
        return path.open("wb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")


def unwritable(path: Path, problem: OSError) -> LedgerError:
    """The error for a ledger that does not take what was to be written."""
    return LedgerError(
        f"the ledger cannot be written: {problem.strerror or problem}",
        where=str(path),
        expected="a folder that this user may write to, with free space",
        next_step="free disk space or correct the permissions, then run again: "
        "calls that have ended are safe",
    )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def parse(data: bytes) -> Any:
    """The content of an object's bytes. Raises DamageError when they are damaged.

    Raises LedgerError for an object that a newer aldata wrote.
    """
    try:
        whole = json.loads(data)
        version, claimed, content = whole["format"], whole["digest"], whole["content"]
        newer = int(version) > FORMAT
    except (ValueError, KeyError, TypeError):
        raise DamageError("is not a whole object") from None
    if newer:
        raise LedgerError(
            f"an object has format {version}",
            expected=f"at most {FORMAT}",
            next_step="upgrade aldata: a newer one wrote this ledger",
        )
    if digest.of_json(content) != claimed:
        raise DamageError("does not have the digest it was written with")
    return content


def read(path: Path, aside: Path) -> Any | None:
    """The content of the object at `path`, or None if there is none.

    A damaged object is moved into the folder `aside`, with a `DamagedObject` warning, and counts as
    missing. Raises LedgerError if the file cannot be read at all.
    """
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise LedgerError(
            f"the ledger cannot be read: {problem.strerror or problem}", where=str(path)
        ) from None
    except DamageError as problem:
        warnings.warn(f"{path} {problem}; it is set aside", DamagedObject, stacklevel=3)
        return _set_aside(path, aside)


def _set_aside(path: Path, aside: Path) -> Any | None:
    """Move a damaged object away; if a sound one has replaced it meanwhile, give that back."""
    target = aside / f"{path.stem}.{secrets.token_hex(4)}.json"
    try:
        aside.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    except OSError:
        return None  # a ledger that is only read: the damaged object stays, and counts as missing
    with contextlib.suppress(DamageError, OSError):
        content = parse(target.read_bytes())
        target.replace(path)
        return content
    return None
