"""Sealed labels from which the ledger can be rebuilt: of the workspace, and of git's history."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aldata import provenance, store
from aldata.artifacts.calls import Source
from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Labels
from aldata.artifacts.layout import SEED, path_of
from aldata.cli.project import Project
from aldata.errors import AldataError


@dataclass(frozen=True)
class Sealed:
    """The labels of one generation, with the facts of its calls and the level of theory."""

    name: str
    labels: Labels
    facts: list[dict[str, Any]]
    theory: Theory
    source: Source


def in_workspace(project: Project) -> Iterator[Sealed]:
    """The labels that lie in the project now; those that do not are named on stderr."""
    for folder in sorted((project.root / "generations").glob("*/")):
        path = project.root / path_of(folder.name, "labels")
        if path.exists():
            yield _sealed(project.root, folder.name, None)
        elif (folder / "record").is_dir():
            print(f"{path} is not here: dvc pull (or dvc checkout)", file=sys.stderr)


def in_history(project: Project) -> Iterator[Sealed]:
    """The labels of the workspace, and of every commit, branch, tag and experiment.

    Labels that DVC's cache does not hold are named on stderr.
    """
    yield from in_workspace(project)
    seen: set[tuple[str, str]] = set()
    for revision in _revisions(project.root):
        for generation, md5 in _labels_at(project.root, revision).items():
            if (generation, md5) in seen:
                continue
            seen.add((generation, md5))
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    _fetch(project.root, revision, generation, Path(scratch))
                    yield _sealed(Path(scratch), generation, revision)
                except (AldataError, OSError) as problem:
                    where = f"labels of {generation} at {revision[:12]}"
                    print(f"{where} cannot be read: {problem}", file=sys.stderr)


def _sealed(root: Path, generation: str, revision: str | None) -> Sealed:
    labels = store.read(root / path_of(generation, "labels"), Labels)
    facts = root / path_of(generation, "calls")
    theory = store.read_document(root / path_of(SEED, "theory"), Theory)
    return Sealed(
        name=generation if revision is None else f"{generation} at {revision[:12]}",
        labels=labels,
        facts=store.read_json(facts) if facts.exists() else [],
        theory=theory,
        source=Source(generation=generation, revision=revision, labels=labels.digest),
    )


def _revisions(root: Path) -> list[str]:
    """Commits that changed dvc.lock, on any branch, tag or experiment; the newest first."""
    found = provenance.git(root, "log", "--all", "--format=%H", "--", "dvc.lock")
    return (found or "").split()


def _labels_at(root: Path, revision: str) -> dict[str, str]:
    """Generations whose labels dvc.lock names at a revision, with DVC's hash of these."""
    lock = yaml.safe_load(provenance.git(root, "show", f"{revision}:./dvc.lock") or "") or {}
    found = {}
    for stage in lock.get("stages", {}).values():
        for out in stage.get("outs", []):
            path = Path(out["path"])
            if path.name == "labels.zarr" and path.parts[0] == "generations":
                found[path.parts[1]] = out.get("md5") or ""
    return found


def _fetch(root: Path, revision: str, generation: str, scratch: Path) -> None:
    """Copy what a sealed generation needs out of a revision. Raises OSError where DVC has it not."""
    paths = [path_of(generation, "labels"), path_of(generation, "calls"), path_of(SEED, "theory")]
    for path in paths:
        store.copy_at(root, revision, path, scratch / path)
