"""Claims: one configuration asked for by two processes at once is computed once."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from aldata.ledger.objects import unwritable


@contextlib.contextmanager
def claim(path: Path) -> Iterator[None]:
    """Hold the exclusive claim that the file `path` stands for; wait for another holder first.

    The kernel holds the lock for the process: it ends with the process, however that ends, and a
    stale file claims nothing. The file is removed on release. Raises LedgerError.
    """
    try:
        handle = _acquire(path)
    except OSError as problem:
        raise unwritable(path, problem) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(handle)


def _acquire(path: Path) -> int:
    while True:
        try:
            handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        # the former holder removed the file that we waited on: that lock is worth nothing now
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)
