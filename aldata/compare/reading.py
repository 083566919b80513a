"""Experiments as git recorded them: no artifact is fetched, nothing is checked out.

DVC keeps an experiment as the reference `refs/exps/AB/REST/NAME`, where `AB` are the first two digits of
the commit that it started from (its baseline) and `REST` the other 38. Names are unique under one
baseline only: the same study at two commits has every name twice.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aldata import digest, provenance
from aldata.artifacts.layout import SEED, record_path
from aldata.compare.curves import VARIED, WORDS, Curve
from aldata.errors import AldataError, DamagedArtifact, InvalidInput
from aldata.params import Parameters, parse

STAGE = re.compile(r"^  ([\w@.-]+):\n", flags=re.MULTILINE)
"""A stage's name in `dvc.lock`."""

INPUT = re.compile(
    r"^    - path: (?!generations/)(.+)\n(?:      hash: .+\n)?      md5: (\w+)", re.MULTILINE
)
"""What a stage of `dvc.lock` depends on outside of `generations`, and its hash."""


@dataclass(frozen=True)
class Read:
    """The curves that could be read, and why others could not, by name."""

    curves: list[Curve]
    unreadable: dict[str, AldataError]


def experiments(root: Path, commit: str | None = None) -> dict[str, str]:
    """Commits of the DVC experiments that start from a commit, the current one by default, by name.

    In the order of their names. Those of other commits may have the same names: see above.
    """
    head = commit or provenance.head_of(root)[0]
    if head is None:
        return {}
    listed = provenance.git(
        root,
        "for-each-ref",
        "--format=%(objectname) %(refname)",
        f"refs/exps/{head[:2]}/{head[2:]}/",
    )
    found = [line.split() for line in (listed or "").splitlines()]
    return {name.rsplit("/", 1)[1]: ours for ours, name in sorted(found, key=lambda pair: pair[1])}


def named(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Commits of experiments or any revisions, by the names given: the current commit's come first.

    Raises ProjectError for a name that git does not know, or that only several other commits have.
    """
    here = experiments(root)
    return {name: here.get(name) or provenance.commit_of(root, name) for name in names}


def curves_of(root: Path, commits: Mapping[str, str], generation: str | None = None) -> Read:
    """The curves of experiments (name -> commit) up to a generation: by default the plan's last.

    What cannot be read (a damaged record, a plan without this generation, parameters of another version)
    is told by name. Raises the first of these errors when none can be read.
    """
    curves: list[Curve] = []
    unreadable: dict[str, AldataError] = {}
    for name, commit in commits.items():
        try:
            curves.append(_curve(root, name, commit, generation))
        except AldataError as problem:
            unreadable[name] = problem
    if unreadable and not curves:
        raise next(iter(unreadable.values()))
    return Read(curves, unreadable)


def _curve(root: Path, name: str, commit: str, generation: str | None) -> Curve:
    text = provenance.file_at(root, commit, Path("params.yaml"))
    parameters = parse(text, f"params.yaml of {name}")
    lineage = _lineage(parameters, generation)
    points, missing = [], []
    for ancestor in lineage:
        point = _point(root, name, commit, ancestor)
        if point is None:
            missing.append(ancestor)
        elif not missing:
            points.append(point)
    settings = _flat(parameters.content())
    strategy, seed = (settings.pop(key) for key in VARIED)
    return Curve(
        experiment=name,
        commit=commit,
        strategy=strategy,
        seed=int(seed),
        points=tuple(points),
        missing=tuple(missing),
        settings=settings,
        inputs=_inputs(root, commit, lineage),
    )


def _lineage(parameters: Parameters, generation: str | None) -> list[str]:
    """The plan's generations from the first to `generation`."""
    if generation == SEED:
        raise InvalidInput("the seed has no model, and so no error", where="--generation seed")
    last = generation or next(reversed(parameters.generations), None)
    found: list[str] = []
    while last is not None and last != SEED:
        found.insert(0, last)
        last = parameters.parent_of(last)
    return found


def _point(root: Path, name: str, commit: str, generation: str) -> dict[str, Any] | None:
    """The last point of a generation's recorded history; None where it was not computed."""
    path = record_path(generation, "history")
    text = provenance.git(root, "show", f"{commit}:./{path.as_posix()}")
    if text is None:
        return None
    try:
        found: dict[str, Any] = json.loads(text)[-1]
        for column, value in found.items():
            if column not in WORDS and value is not None:
                float(value)
        return {**found, "calls": int(found["calls"])}
    except (ValueError, LookupError, TypeError, AttributeError) as problem:
        raise DamagedArtifact(
            f"cannot be read ({problem})",
            where=f"{path} of {name}",
            next_step=f"run the experiment again: dvc exp remove {name}",
        ) from problem


def _inputs(root: Path, commit: str, lineage: Sequence[str]) -> dict[str, str]:
    """Hashes of the files that the lineage was computed from, as its commit's `dvc.lock` has them.

    The level of theory is among them: it holds what parameters do not, like the content of a file of
    labels that is replayed.
    """
    lock = provenance.git(root, "show", f"{commit}:./dvc.lock") or ""
    _, *parts = STAGE.split(lock)
    found: dict[str, set[str]] = defaultdict(set)
    for stage, text in zip(parts[::2], parts[1::2], strict=True):
        if stage == SEED or stage.partition("@")[2] in lineage:
            for path, md5 in INPUT.findall(text):
                found[f"files of {path}"].add(md5[:12])
    theory = provenance.git(root, "show", f"{commit}:./{record_path(SEED, 'theory').as_posix()}")
    if theory is not None:
        found["level of theory"] = {digest.of_bytes(theory.encode())[:12]}
    return {name: ", ".join(sorted(hashes)) for name, hashes in sorted(found.items())}


def _flat(content: Any, prefix: str = "") -> dict[str, str]:
    """Parameters by dotted name, as text."""
    if not isinstance(content, dict) or not content:
        return {prefix.rstrip("."): str(content)}
    flat: dict[str, str] = {}
    for key, value in content.items():
        flat |= _flat(value, f"{prefix}{key}.")
    return flat
