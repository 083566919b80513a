"""The generations of a report: calls, costs, errors, calibration."""

from __future__ import annotations

import json
from typing import Any

from aldata.artifacts.layout import SEED, path_of, record_path
from aldata.errors import DamagedArtifact, ProjectError
from aldata.params import Parameters
from aldata.store import Tree

Row = dict[str, Any]

PLOTS = ("map", "sigma_error", "reliability")
"""Documents that no record has."""

MESSAGE = 400
"""Characters of an oracle's message that the page shows."""


def document_of(tree: Tree, generation: str, name: str) -> Any:
    """A JSON artifact of a generation, or its copy on record; None where there is neither.

    Raises DamagedArtifact for one of now that cannot be read.
    """
    path = path_of(generation, name)
    if tree.holds(path):
        try:
            return tree.json(path)
        except DamagedArtifact:
            if not tree.version:
                raise
    return record_of(tree, generation, name)


def record_of(tree: Tree, generation: str, name: str) -> Any:
    """A document as git recorded it; None where there is none (yet)."""
    path = record_path(generation, name)
    try:
        return json.loads(tree.text(path))
    except (OSError, ProjectError):
        return None
    except ValueError as problem:
        raise DamagedArtifact(f"cannot be read ({problem})", where=f"{path}") from problem


def not_fetched(tree: Tree, names: list[str]) -> list[str]:
    """Plots that a past version has and this machine has not."""
    lines = []
    for name in names:
        paths = [path_of(name, plot) for plot in PLOTS]
        gone = [p for p in paths if tree.holds(p) and document_of(tree, name, p.stem) is None]
        if gone:
            files = ", ".join(path.name for path in gone)
            lines.append(f"Not here: {files} of {name}. To fetch them: dvc fetch --all-commits")
    return lines


def generation_rows(tree: Tree, parameters: Parameters) -> list[Row]:
    """A row per generation of the plan, the seed first and parents before children.

    `calls` counts by status and is None before the oracle was asked, `metrics` before it was evaluated;
    `cpu_seconds` are those of its own calls.
    """
    return [_row(tree, parameters, name) for name in (SEED, *parameters.in_order())]


def _row(tree: Tree, parameters: Parameters, name: str) -> Row:
    is_seed = name == SEED
    calls = document_of(tree, name, "calls")
    metrics = None if is_seed else document_of(tree, name, "metrics")
    planned = None if is_seed else parameters.settings_of("acquire", name).content()["strategy"]
    return {
        "name": name,
        "parent": None if is_seed else parameters.parent_of(name),
        "strategy": (metrics or {}).get("strategy", planned),
        "calls": None if calls is None else _by_status(calls),
        "cpu_seconds": None if calls is None else sum(call["cpu_seconds"] for call in calls),
        "metrics": metrics,
        "calibration": document_of(tree, name, "calibration"),
        "reliability": document_of(tree, name, "reliability") or [],
        "bands": document_of(tree, name, "bands") or [],
    }


def _by_status(calls: list[Row]) -> dict[str, int]:
    statuses = [call["status"] for call in calls]
    return {status: statuses.count(status) for status in ("accepted", "rejected", "failed")}


def failures(tree: Tree, names: list[str], most: int) -> Row:
    """Calls without a label: counts by class and generation, and the first `most` with their messages."""
    counts: dict[str, dict[str, int]] = {}
    listed: list[Row] = []
    for name in names:
        for call in document_of(tree, name, "calls") or []:
            if call["failure"] == "none":
                continue
            of_class = counts.setdefault(call["failure"], {})
            of_class[name] = of_class.get(name, 0) + 1
            listed.append(_failure(name, call))
    total = sum(sum(of_class.values()) for of_class in counts.values())
    return {"counts": counts, "total": total, "calls": listed[:most]}


def _failure(generation: str, call: Row) -> Row:
    return {
        "generation": generation,
        "call": call["call_id"],
        "status": call["status"],
        "failure": call["failure"],
        "message": str(call.get("message") or "")[:MESSAGE],
        "host": call.get("host"),
    }
