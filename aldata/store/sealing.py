"""Whole or not at all: a folder is built under a temporary name and put in its place in one step."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from aldata.errors import DamagedArtifact

ABANDONED_AFTER = 60.0
"""Seconds after which a temporary folder that nobody holds belonged to a killed process."""


def unwritable(path: Path, problem: OSError) -> DamagedArtifact:
    """The error for a disk that is full or cannot be written."""
    return DamagedArtifact(
        f"could not be written: {problem.strerror or problem}",
        where=str(path),
        next_step="free disk space or make the folder writable, then run the stage again",
    )


@contextmanager
def refusals_of(path: Path) -> Iterator[None]:
    """Turn what the file system refuses inside the block into one error about `path`."""
    try:
        yield
    except OSError as problem:
        raise unwritable(path, problem) from problem


class Building:
    """A folder under construction beside `path`: `seal` puts it in place, `discard` removes it.

    The folder is locked while its builder lives. What a killed builder left is removed by the next
    one at the same path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        self.folder = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
        self.folder.mkdir()
        self._lock = _locked(self.folder)

    def seal(self) -> None:
        """Make everything durable, then visible. Raises OSError."""
        sync_tree(self.folder)
        _swap(self.folder, self.path)
        sync(self.path.parent)

    def discard(self) -> None:
        """Remove what is left under the temporary name: the unfinished, or what was replaced."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """A folder beside `path` to work in, removed at the end; so is what killed processes left there.

    Raises OSError where it cannot be made.
    """
    building = Building(path)
    try:
        yield building.folder
    finally:
        building.discard()


def _locked(folder: Path) -> int | None:
    """A handle that holds the lock of `folder`; None when another process has it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _sweep(path: Path) -> None:
    """Remove what killed builders of `path` left; never what one that lives is building."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime < ABANDONED_AFTER:
                continue
            handle = _locked(left)
            if handle is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(handle)


def sync_tree(path: Path) -> None:
    """Make everything below `path` durable before a rename makes it visible."""
    # Side by side: a file system's journal then commits many files at once.
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sync, [*path.rglob("*"), path]))


def sync(path: Path) -> None:
    """Make one file or folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _swap(new: Path, path: Path) -> None:
    """Put `new` in the place of `path`; what lay there is then under the name of `new`.

    Another process may do the same at any moment: whoever comes last stays, whole.
    """
    while True:
        try:
            new.rename(path)  # nothing there, or an empty folder
            return
        except OSError as problem:
            if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        try:
            _exchange(new, path)
            return
        except FileNotFoundError:
            continue  # removed in between: rename again


def _exchange(new: Path, path: Path) -> None:
    """Exchange two paths in one step where the system can (Linux, renameat2)."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        _set_aside(new, path)
        return
    at_cwd, exchange = -100, 2
    if rename(at_cwd, os.fsencode(new), at_cwd, os.fsencode(path), exchange) == 0:
        return
    problem = ctypes.get_errno()
    if problem in (errno.EINVAL, errno.ENOSYS):  # a file system that cannot exchange
        _set_aside(new, path)
        return
    raise OSError(problem, os.strerror(problem), str(path))


def _set_aside(new: Path, path: Path) -> None:
    # Between the two renames a kill leaves no store, and the old one under the name aside.
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    path.rename(aside)
    new.rename(path)
    shutil.rmtree(aside, ignore_errors=True)
