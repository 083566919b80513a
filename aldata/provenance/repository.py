"""What git knows of the project: the current commit, and which generations it has recorded."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from aldata.errors import ProjectError


def git(project: Path, *arguments: str) -> str | None:
    """Standard output of a git command in `project`; None when git refuses.

    Raises ProjectError when git is not installed.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise ProjectError("git is not installed", next_step="install git") from None
    return done.stdout if done.returncode == 0 else None


def head_of(project: Path) -> tuple[str | None, bool]:
    """The current commit (None without one) and whether tracked files differ from it."""
    commit = git(project, "rev-parse", "HEAD")
    if commit is None:
        return None, False
    changes = git(project, "status", "--porcelain", "--untracked-files=no")
    return commit.strip(), bool(changes)


def recorded_generations(project: Path) -> set[str]:
    """Generations, the seed included, whose labels the current commit's dvc.lock holds: paid for."""
    # Relative to the project, which may lie below the repository's root.
    lock = git(project, "show", "HEAD:./dvc.lock")
    found = re.findall(r"^  (?:label@([a-z0-9_]+)|(seed)):", lock or "", flags=re.MULTILINE)
    return {generation or seed for generation, seed in found}
