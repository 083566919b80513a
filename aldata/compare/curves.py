"""Learning curves of experiments, as git recorded them: no artifact is fetched, nothing is checked out."""

from __future__ import annotations

import fnmatch
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aldata import provenance
from aldata.artifacts.layout import record_path
from aldata.errors import DamagedArtifact, InvalidInput
from aldata.params import Parameters, parse

VARIED = ("acquire.strategy", "random_seed")
"""What the experiments of a study may differ in."""

AGAINST = {"calls": "calls", "seconds": "oracle_seconds"}
"""What a learning curve can be drawn against, and the column of it: calls, or CPU time of the oracle."""


NO_METRICS = ("generation", "parent", "strategy", *AGAINST.values())
"""Columns of a learning curve that say where a point is, not how good."""


@dataclass(frozen=True)
class Curve:
    """One experiment: what was varied, and a point per generation of its lineage, the first first.

    points : flat records of the learning curve (`evaluate.report.CURVE`): calls and oracle seconds in
    all so far, and errors of the model then. missing : generations of the lineage that it has not
    recorded; such a curve is cut short. settings : its other parameters, by dotted name.
    """

    experiment: str
    commit: str
    strategy: str
    seed: int
    points: tuple[dict[str, Any], ...]
    missing: tuple[str, ...]
    settings: dict[str, str]

    def values(self, metric: str, against: str = "calls") -> list[tuple[float, float]]:
        """(cost so far, value) of every generation that reports the metric; cost as in `AGAINST`.

        Raises InvalidInput when no generation knows a metric of this name.
        """
        if self.points and not self.knows(metric):
            known = sorted({name for point in self.points for name in point} - {"generation"})
            raise InvalidInput(
                f"there is no metric '{metric}'",
                where=f"experiment {self.experiment}",
                expected=f"one of: {', '.join(known)}",
            )
        pairs = [(point.get(AGAINST[against]), point.get(metric)) for point in self.points]
        return [(float(x), float(y)) for x, y in pairs if x is not None and y is not None]

    def knows(self, metric: str) -> bool:
        """Whether one of its generations reports the metric."""
        return any(metric in point for point in self.points)


def experiments(root: Path, commit: str | None = None) -> list[str]:
    """Names of the DVC experiments that start from a commit, the current one by default, in order."""
    head = commit or provenance.head_of(root)[0]
    if head is None:
        return []
    listed = provenance.git(
        root, "for-each-ref", "--format=%(refname)", f"refs/exps/{head[:2]}/{head[2:]}/"
    )
    return sorted(name.rsplit("/", 1)[1] for name in (listed or "").split())


def metrics_of(curves: Sequence[Curve], patterns: Sequence[str]) -> list[str]:
    """Metrics of the curves by name or by pattern (`test_*_forces_*`), in the order of the curves.

    Raises InvalidInput for a pattern that no curve has a metric for.
    """
    known = dict.fromkeys(name for curve in curves for point in curve.points for name in point)
    numbers = [name for name in known if name not in NO_METRICS]
    found: dict[str, None] = {}
    for pattern in patterns:
        matching = fnmatch.filter(numbers, pattern)
        if not matching and numbers:
            raise InvalidInput(
                f"there is no metric '{pattern}'",
                where="--metric",
                expected=f"one of: {', '.join(sorted(numbers))}; or a pattern like 'test_*_forces_*'",
            )
        found |= dict.fromkeys(matching or [pattern])
    return list(found)


def curves_of(root: Path, names: Sequence[str], generation: str | None = None) -> list[Curve]:
    """The curves of experiments (or any revisions) up to a generation: by default the plan's last.

    Raises ProjectError for a name that git does not know, DamagedArtifact for a record that cannot be
    read, and InvalidParameters for a generation that the experiment's plan does not have.
    """
    return [_curve(root, name, provenance.commit_of(root, name), generation) for name in names]


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
    )


def _lineage(parameters: Parameters, generation: str | None) -> list[str]:
    """The plan's generations from the first to `generation`."""
    last = generation or next(reversed(parameters.generations), None)
    found: list[str] = []
    while last is not None and last != "seed":
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
        return {**found, "calls": int(found["calls"])}
    except (ValueError, LookupError, TypeError) as problem:
        raise DamagedArtifact(
            f"cannot be read ({problem})",
            where=f"{path} of {name}",
            next_step=f"run the experiment again: dvc exp remove {name}",
        ) from problem


def _flat(content: Any, prefix: str = "") -> dict[str, str]:
    """Parameters by dotted name, as text."""
    if not isinstance(content, dict) or not content:
        return {prefix.rstrip("."): str(content)}
    flat: dict[str, str] = {}
    for key, value in content.items():
        flat |= _flat(value, f"{prefix}{key}.")
    return flat


@dataclass(frozen=True)
class Unlike:
    """A parameter that differs between experiments although no one compares it: value -> names."""

    parameter: str
    values: dict[str, list[str]]


def unlike(curves: Sequence[Curve]) -> list[Unlike]:
    """Parameters beside strategy and seed that are not the same in all: no fair comparison."""
    found = []
    for parameter in sorted({name for curve in curves for name in curve.settings}):
        values: dict[str, list[str]] = defaultdict(list)
        for curve in curves:
            values[curve.settings.get(parameter, "(none)")].append(curve.experiment)
        if len(values) > 1:
            found.append(Unlike(parameter, dict(values)))
    return found
