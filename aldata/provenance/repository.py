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


def commit_of(project: Path, revision: str) -> str:
    """The commit of a git revision, tag, branch or DVC experiment.

    Raises ProjectError when there is none, or when several experiments have this name.
    """
    found = git(project, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if found is not None:
        return found.strip()
    listed = git(project, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/") or ""
    named = [line.split() for line in listed.splitlines()]
    commits = {commit for commit, name in named if name.split("/")[-1] == revision}
    if len(commits) == 1:
        return commits.pop()
    names = sorted({name.split("/")[-1] for _, name in named if name.count("/") >= 4})
    raise ProjectError(
        f"{len(commits)} experiments are called '{revision}'"
        if commits
        else f"there is no revision or experiment '{revision}'",
        where=str(project),
        expected=f"a commit, tag, branch, or an experiment: {', '.join(names) or 'none so far'}",
        next_step="dvc exp show  (names and commits); git log --oneline",
    )


def experiment_at(project: Path, commit: str) -> str | None:
    """Name of the DVC experiment whose commit this is; None when it is none."""
    found = git(project, "for-each-ref", "--points-at", commit, "--format=%(refname)", "refs/exps/")
    # refs/exps/<2 digits>/<38 digits of the baseline>/<name>; others are DVC's own
    names = [name.split("/")[-1] for name in (found or "").split() if name.count("/") == 4]
    return names[0] if names else None


def file_at(project: Path, commit: str, path: Path) -> str:
    """The text of a file that git tracked at `commit`. Raises ProjectError when it did not."""
    # Relative to the project, which may lie below the repository's root.
    found = git(project, "show", f"{commit}:./{path.as_posix()}")
    if found is None:
        raise ProjectError(
            f"has no {path}",
            where=f"commit {commit[:12]} of {project}",
            next_step="name a revision in which the project existed: git log --oneline",
        )
    return found
