"""Every version of a project that git still holds, and the files of now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aldata import provenance

WORKSPACE = "workspace"
"""Key of the files of now."""

KINDS = {"refs/heads/": "branch", "refs/tags/": "tag", "refs/remotes/": "remote branch"}
"""What a reference is called, by the beginning of its name."""

EXPERIMENTS = "refs/exps/"
OF_AN_EXPERIMENT = 4
"""Slashes in refs/exps/<2>/<38>/<name>; DVC keeps references of its own beside these."""


@dataclass(frozen=True)
class Version:
    """The workspace, or a commit that changed dvc.lock or that something points to.

    key : the commit's id, or `workspace`. names : what points to it, as a user would call it
    ("branch main", "experiment dull-jays").
    """

    key: str
    names: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What a page calls it: its names, or the first digits of the commit."""
        return ", ".join(self.names) or f"commit {self.key[:10]}"


def versions(root: Path) -> list[Version]:
    """The workspace, then what HEAD, branches, tags and experiments point to, then other commits.

    The others are the commits behind these that changed dvc.lock, the newest first.
    """
    names = _names(root)
    commits = [*names, *(c for c in _changes(root, list(names)) if c not in names)]
    return [
        Version(WORKSPACE, (WORKSPACE,)),
        *(Version(commit, tuple(names.get(commit, ()))) for commit in commits),
    ]


def is_shallow(root: Path) -> bool:
    """Whether git was told to fetch a part of the history only."""
    return (provenance.git(root, "rev-parse", "--is-shallow-repository") or "").strip() == "true"


def _names(root: Path) -> dict[str, list[str]]:
    """Commits that have a name, with all their names; HEAD's first."""
    found: dict[str, list[str]] = defaultdict(list)
    head = provenance.git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if head is not None:
        found[head.strip()].append("HEAD")
    form = "--format=%(objecttype) %(objectname) %(*objectname) %(refname)"
    listed = provenance.git(root, "for-each-ref", form) or ""
    for line in listed.splitlines():
        kind, own, *peeled, reference = line.split()
        name = _named(reference)
        if name is not None and kind in ("commit", "tag"):
            found[peeled[0] if peeled else own].append(name)
    return found


def _named(reference: str) -> str | None:
    if reference.startswith(EXPERIMENTS):
        own = reference.count("/") == OF_AN_EXPERIMENT
        return f"experiment {reference.rsplit('/', 1)[1]}" if own else None
    for beginning, kind in KINDS.items():
        if reference.startswith(beginning) and not reference.endswith("/HEAD"):
            return f"{kind} {reference.removeprefix(beginning)}"
    return None


def _changes(root: Path, tips: Iterable[str]) -> list[str]:
    """Commits that changed dvc.lock, in the history of `tips`, side branches included."""
    known = list(tips)
    if not known:
        return []
    log = provenance.git(
        root, "log", "--full-history", "--format=%H", *known, "--", "dvc.lock", "generations"
    )
    return (log or "").split()
