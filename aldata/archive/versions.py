"""Which project, and which version of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from aldata import provenance
from aldata.errors import ProjectError
from aldata.store import Revision, Tree, Workspace


def tree_of(root: str | Path | None, rev: str | None) -> Tree:
    """The files of now, or with `rev` those of a git revision, tag, branch or DVC experiment."""
    folder = project_at(root)
    if rev is None:
        return Workspace(folder)
    commit = provenance.commit_of(folder, rev)
    return Revision(
        folder,
        rev,
        commit,
        tracked=partial(provenance.file_at, folder, commit),
        experiment=partial(provenance.experiment_at, folder, commit),
    )


def project_at(root: str | Path | None) -> Path:
    """The project's folder: `root`, or the current one or the nearest above. Raises ProjectError."""
    start = Path(root or ".").resolve()
    for folder in [start] if root else [start, *start.parents]:
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder
    raise ProjectError(
        "not an aldata project: no params.yaml and dvc.yaml",
        where=str(start),
        next_step="go to the project's folder, or name it: root=...",
    )
