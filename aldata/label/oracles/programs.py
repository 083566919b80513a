"""Codes that are programs of their own: start one, and tell how it ended."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from aldata.artifacts.calls import Geometry
from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles.protocol import OracleFailure
from aldata.records import Record

NO_MEMORY = (
    *("cannot allocate memory", "unable to allocate", "insufficient virtual memory"),
    *("out of memory", "not enough memory", "bad_alloc", "allocation would exceed memory"),
    *("failed to allocate", "memoryerror", "error allocating"),
)
"""Texts by which programs say that memory ran out."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Ended:
    """A program that ended: its exit code (negative for a signal), and what it printed."""

    exit_code: int
    output: str
    errors: str

    @property
    def everything(self) -> str:
        """Both texts."""
        return f"{self.output}\n{self.errors}"


def call(
    command: str,
    arguments: list[str],
    directory: Path,
    output: str,
    **environment: str,
) -> Ended:
    """Run a program in `directory`, with one thread unless the environment says otherwise.

    What it prints goes to the file `output`, its errors to `errors.txt`. There is no time limit
    here: the call's process group has one. Raises OracleFailure where it cannot be started, was
    killed or had no memory; any other exit code is for the oracle to judge.
    """
    with (
        (directory / output).open("wb") as printed,
        (directory / "errors.txt").open("wb") as errors,
    ):
        try:
            done = subprocess.run(
                [*shlex.split(command), *arguments],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=errors,
                env=_surroundings(**environment),
                check=False,
            )
        except (FileNotFoundError, PermissionError) as problem:
            raise OracleFailure("crashed", f"{command} cannot be started: {problem}") from None
    ended = Ended(done.returncode, _text(directory / output), _text(directory / "errors.txt"))
    _raise_for_death(ended, command)
    if not ended.errors:
        (directory / "errors.txt").unlink()
    return ended


def _surroundings(**environment: str) -> dict[str, str]:
    """The environment of a program: without the places of this Python's own packages.

    Workers in jobs and the processes of calls find their modules by PYTHONPATH; a code that runs in
    a Python of its own would find them as well, before its own.
    """
    around = {**dict.fromkeys(THREADS, "1"), **os.environ, **environment}
    ours = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")}
    kept = [
        place
        for place in around.pop("PYTHONPATH", "").split(os.pathsep)
        if place and ours.isdisjoint([Path(place), *Path(place).parents]) and Path(place).is_dir()
    ]
    return {**around, "PYTHONPATH": os.pathsep.join(kept)} if kept else around


def _raise_for_death(ended: Ended, command: str) -> None:
    if ended.exit_code == 0:
        return
    if any(text in ended.everything.lower() for text in NO_MEMORY):
        raise OracleFailure("out_of_memory", f"{command} ended for want of memory")
    if ended.exit_code < 0:
        name = signal.Signals(-ended.exit_code).name
        raise OracleFailure("crashed", f"{command} was ended by {name}")


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


@lru_cache(maxsize=16)
def banner(command: str, *arguments: str, **environment: str) -> str:
    """What a program prints when it has nothing to do; one look per process.

    Raises OracleUnavailable where it cannot be started.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [*shlex.split(command), *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_surroundings(**environment),
                timeout=120,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as problem:
            raise OracleUnavailable(
                f"cannot be started: {problem}",
                where=command,
                next_step="correct `codes` in .aldata/config.yaml",
            ) from None
    return done.stdout.decode(errors="replace")


def on_path(*names: str) -> str | None:
    """The first of these programs that is on the PATH."""
    return next((name for name in names if shutil.which(name)), None)


def write_input(directory: Path, settings: Record, configuration: Configuration) -> None:
    """Write `input.json`: what was asked, as every oracle does."""
    content = {"settings": settings.content(), "geometry": Geometry.of(configuration).content()}
    (directory / "input.json").write_text(json.dumps(content, indent=1))
