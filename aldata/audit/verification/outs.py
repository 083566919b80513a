"""dvc.lock against what lies at its paths, in DVC's cache, and in git."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aldata import provenance
from aldata.audit.sources import Sources
from aldata.audit.verification.findings import Findings
from aldata.audit.versions import WORKSPACE, Version

BLOCK = 2**20


@dataclass(frozen=True)
class Lock:
    """What a dvc.lock says: md5 of every out by path, and md5 of every dependency by stage and path."""

    outs: dict[str, str]
    deps: dict[tuple[str, str], str]


def lock_of(sources: Sources, version: Version, findings: Findings) -> Lock | None:
    """The dvc.lock of a version; None, and a finding, where there is none or it cannot be read."""
    import yaml

    if version.key == WORKSPACE:
        path = sources.root / "dvc.lock"
        text = path.read_bytes() if path.exists() else None
    else:
        text = sources.read(f"{version.key}:./dvc.lock")
    where = f"dvc.lock of {version.title}"
    if text is None:
        findings.lacks(where)
        return None
    try:
        stages: dict[str, Any] = yaml.load(text, Loader=_loader(yaml))["stages"] or {}
        outs = {o["path"]: o["md5"] for s in stages.values() for o in s.get("outs", [])}
        deps = {
            (name, d["path"]): d["md5"] for name, s in stages.items() for d in s.get("deps", [])
        }
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as problem:
        findings.breaks(where, f"cannot be read ({type(problem).__name__}: {problem})")
        return None
    findings.checked["dvc.lock"] += 1
    return Lock(outs, deps)


def _loader(yaml: Any) -> Any:
    # in C where it is built in: the lock of fifty generations is a megabyte
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_lock(lock: Lock, version: Version, findings: Findings) -> None:
    """Every dependency that a stage wrote has the md5 that the writing stage left."""
    for (stage, path), md5 in lock.deps.items():
        findings.checked["links of dvc.lock"] += 1
        made = lock.outs.get(path)
        if made is not None and made != md5:
            findings.breaks(
                f"dvc.lock of {version.title}",
                f"stage {stage} used {path} with md5 {md5}, but the stage that makes it left {made}",
            )


def check_outs(sources: Sources, lock: Lock, version: Version, findings: Findings) -> None:
    """Every out has the content that dvc.lock names: in the workspace, else in the cache or in git."""
    for path, md5 in lock.outs.items():
        local = sources.root / path
        if version.key == WORKSPACE and local.exists():
            findings.checked["outs in the workspace"] += 1
            found, listing = md5_of(local)
            if found != md5:
                findings.breaks(path, _difference(sources, md5, found, listing))
        elif path.endswith("/record"):
            _check_in_git(sources, path, md5, version, findings)
        elif findings.first(md5):
            _check_cached(sources, path, md5, version, findings)


def check_inputs(sources: Sources, lock: Lock, findings: Findings) -> None:
    """The user's own files are those that the stages used (in the workspace)."""
    for (stage, path), md5 in lock.deps.items():
        if path in lock.outs or not findings.first(f"{path} {md5}"):
            continue
        local = sources.root / path
        if not local.exists():
            findings.lacks(f"{path}, which {stage} used")
            continue
        findings.checked["inputs"] += 1
        found, _ = md5_of(local)
        if found != md5:
            findings.breaks(path, f"has changed since {stage} used it (md5 {found}, then {md5})")


def md5_of(path: Path) -> tuple[str, dict[str, str]]:
    """DVC's md5 of a file or folder; of a folder also the md5 of every file in it.

    A folder's is that of the JSON list of its files, sorted by path, with the ending .dir.
    """
    if path.is_file():
        return _of_file(path), {}
    files = sorted(p for p in path.rglob("*") if p.is_file())
    content = {file.relative_to(path).as_posix(): _of_file(file) for file in files}
    return of_listing(content), content


def of_listing(content: Mapping[str, str]) -> str:
    """DVC's md5 of a folder with these files."""
    rows = [{"md5": content[name], "relpath": name} for name in sorted(content)]
    text = json.dumps(rows, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def _of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _difference(sources: Sources, md5: str, found: str, listing: dict[str, str]) -> str:
    """What differs from dvc.lock: the files of a folder by name, if the cache still lists them."""
    cached = sources.cached(md5)
    if listing and cached is not None and _of_file(cached) + ".dir" == md5:
        before = {row["relpath"]: row["md5"] for row in json.loads(cached.read_bytes())}
        names = sorted(before.items() ^ listing.items())
        changed = ", ".join(dict.fromkeys(name for name, _ in names))
        return f"is not what dvc.lock names: {changed} differ (md5 {found}, expected {md5})"
    return f"is not what dvc.lock names (md5 {found}, expected {md5})"


def _check_cached(
    sources: Sources, path: str, md5: str, version: Version, findings: Findings
) -> None:
    """The cache's object of this md5, and of a folder every file that it lists."""
    cached = sources.cached(md5)
    where = f"{path} of {version.title}"
    if cached is None:
        findings.lacks(f"{where}: dvc fetch --all-commits {path}")
        return
    findings.checked["objects in DVC's cache"] += 1
    if _of_file(cached) != md5.removesuffix(".dir"):
        findings.breaks(str(cached), f"DVC's object of {where} is not what its name says")
        return
    if not md5.endswith(".dir"):
        return
    for row in json.loads(cached.read_bytes()):
        part = sources.cached(row["md5"])
        if part is None:
            findings.lacks(f"{path}/{row['relpath']} of {version.title} (md5 {row['md5']})")
        elif findings.first(row["md5"]):
            findings.checked["objects in DVC's cache"] += 1
            if _of_file(part) != row["md5"]:
                where = f"{path}/{row['relpath']} of {version.title}"
                findings.breaks(str(part), f"DVC's object of {where} is not what its name says")


def _check_in_git(
    sources: Sources, path: str, md5: str, version: Version, findings: Findings
) -> None:
    """A folder that git tracks, as dvc.lock names it."""
    commit = "HEAD" if version.key == WORKSPACE else version.key
    listed = provenance.git(sources.root, "ls-tree", "-r", "--name-only", commit, "--", path) or ""
    content = {}
    for name in listed.splitlines():
        data = sources.read(f"{commit}:./{name}") or b""
        md5_of_it = hashlib.md5(data, usedforsecurity=False).hexdigest()
        content[name.removeprefix(f"{path}/")] = md5_of_it
    if not content:
        findings.lacks(f"{path} of {version.title}: git does not track it there")
        return
    findings.checked["records in git"] += 1
    if of_listing(content) != md5:
        findings.breaks(f"{path} of {version.title}", "what git holds is not what dvc.lock names")
