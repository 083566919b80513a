"""Workers on other machines, and whether they see what this process sees."""

from __future__ import annotations

import contextlib
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from aldata.errors import ClusterFailed


@dataclass(frozen=True)
class SharedFolder:
    """A folder that a worker must see as the driver does, by a mark in it; and the same Python."""

    mark: Path
    text: str
    python: str

    def check(self) -> None:
        """In a worker: raise ClusterFailed unless it sees the driver's mark and runs its Python."""
        where, here = socket.gethostname(), ".".join(map(str, sys.version_info[:2]))
        try:
            seen = self.mark.read_text() == self.text
        except OSError:
            seen = False
        if not seen:
            raise ClusterFailed(
                f"a worker does not see the project's folder {self.mark.parent}",
                where=where,
                expected="a file system that this machine and all workers share",
                next_step="move the project to a shared file system, or run locally",
            )
        if here != self.python:
            raise ClusterFailed(
                f"a worker runs Python {here}, this process Python {self.python}",
                where=where,
                next_step="start the workers with the Python environment of the project",
            )


@contextlib.contextmanager
def shared_folder(folder: Path) -> Iterator[SharedFolder]:
    """Leave a mark in the folder for as long as the block lasts. Raises ClusterFailed."""
    text = secrets.token_hex(16)
    mark = folder / f".shared-{text[:12]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(text)
    except OSError as problem:
        raise ClusterFailed(f"cannot be written: {problem.strerror}", where=str(mark)) from None
    try:
        yield SharedFolder(mark, text, ".".join(map(str, sys.version_info[:2])))
    finally:
        mark.unlink(missing_ok=True)


@dataclass(frozen=True)
class Checked:
    """A function that looks once per worker whether it sees the project, before the first job."""

    function: Callable[[Any], Any]
    folder: SharedFolder

    def __call__(self, job: Any) -> Any:
        """The function's result. Raises ClusterFailed."""
        _check_once(self.folder)
        return self.function(job)


@lru_cache(maxsize=16)
def _check_once(folder: SharedFolder) -> None:
    folder.check()
