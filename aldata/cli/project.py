"""The project a command works in, and the programs it calls there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aldata import provenance
from aldata.errors import ProjectError

if TYPE_CHECKING:
    from aldata.ledger import Ledger


@dataclass(frozen=True)
class Project:
    """A folder with params.yaml and dvc.yaml inside a git and DVC repository."""

    root: Path

    @classmethod
    def here(cls) -> Project:
        """The project of the current folder. Raises ProjectError when it is not one."""
        root = Path.cwd()
        if not (root / "params.yaml").exists() or not (root / "dvc.yaml").exists():
            raise ProjectError(
                "not an aldata project: no params.yaml and dvc.yaml",
                where=str(root),
                next_step="go to the project's folder, or make one: aldata init DIR",
            )
        if provenance.git(root, "rev-parse", "--git-dir") is None:
            raise ProjectError(
                "not in a git repository", where=str(root), next_step="git init && dvc init"
            )
        if not (root / ".dvc").is_dir():
            raise ProjectError("not a DVC repository", where=str(root), next_step="dvc init")
        return cls(root)

    @property
    def params(self) -> Path:
        """Path of params.yaml."""
        return self.root / "params.yaml"

    @property
    def home(self) -> Path:
        """The main repository: in an experiment's temporary folder, the one that it belongs to."""
        return Path(os.environ.get("DVC_ROOT") or self.root)

    @property
    def ledger(self) -> Ledger:
        """The ledger, which experiments share with the main repository. Raises InvalidParameters."""
        from aldata.ledger import Ledger

        return Ledger.of_project(self.home)


def program(name: str) -> str:
    """Path of a program of this Python environment, or of the PATH. Raises ProjectError."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ProjectError(f"{name} is not installed", next_step=f"pip install {name}")
    return found


def environment() -> dict[str, str]:
    """The environment for child programs: this Python's programs first on the PATH.

    DVC runs the stages as `python -m ...`: they must find the Python that runs this command.
    """
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": here + os.pathsep + os.environ.get("PATH", "")}


def repro(folder: Path, **extra: str) -> int:
    """Run `dvc repro` in `folder` with its output on this terminal; returns its exit code.

    The same as the program does, in less time: see `aldata.store.dvc`.
    """
    return subprocess.run(
        [sys.executable, "-m", "aldata.store.dvc", "repro"],
        cwd=folder,
        env={**environment(), **extra},
        check=False,
    ).returncode


class Busy(ProjectError):
    """Another DVC command is at work on the same files."""


BUSY = ("it is being blocked by", "Unable to acquire lock")
"""What DVC says then: another holds files, or the whole repository."""


def is_busy(said: str) -> bool:
    """Whether this is what DVC says when another command is at work."""
    return any(words in said for words in BUSY)


def quiet(arguments: list[str], folder: Path) -> str:
    """Run a program in `folder` and return what it printed.

    Raises ProjectError when it fails, Busy when that is because another DVC command is at work.
    """
    done = subprocess.run(
        [program(arguments[0]), *arguments[1:]],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stderr or done.stdout).strip()
    if done.returncode != 0 and is_busy(said):
        holders = "".join(f" {one}" for one in re.findall(r"\(PID \d+\): .*", said))
        raise Busy(
            f"another DVC command is at work here{holders}",
            where=str(folder),
            next_step="wait until it has ended, and try again",
        )
    if done.returncode != 0:
        raise ProjectError(
            f"'{' '.join(arguments)}' failed: {said}",
            where=str(folder),
        )
    return done.stdout
