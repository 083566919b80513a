"""Cancels jobs that were left in the queue, also when this process was killed.

A small process of its own reads the ids of submitted jobs from a pipe. The pipe ends when its owner
ends, by `kill -9` too; the janitor then cancels what it was told of. It belongs to no process's
family, so that nobody who kills a family kills it.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
from typing import Self

_PROGRAM = """
import os, subprocess, sys
if os.fork():
    os._exit(0)
os.setsid()
jobs = [line.strip() for line in sys.stdin]
quiet = subprocess.DEVNULL
for job in jobs:
    subprocess.run([*sys.argv[1:], job], stdin=quiet, stdout=quiet, stderr=quiet)
"""


class Janitor:
    """Owner's side: tell it every job that the queue took."""

    def __init__(self, cancel_command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *shlex.split(cancel_command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self._process.wait()  # its child does the work

    def note(self, job: str) -> None:
        """A job was submitted."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(f"{job}\n")
                self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
