"""The chain behind every newest model: calls, data sets, checkpoints, as the audit finds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aldata import audit

LINK = (
    "generation",
    "strategy",
    "dataset",
    "checkpoint",
    "calibration",
    "decision",
    "explored_with",
    "update",
    "accepted",
    "rejected",
    "failed",
    "cpu_seconds",
    "git_baseline",
    "experiment",
    "ended",
    "host",
)


def lineages(root: Path, newest: list[str], rev: str | None) -> list[dict[str, Any]]:
    """Of each of these generations: the chain, calls by use, and what is not on record."""
    if not newest:
        return []
    with audit.Index(root) as index:
        graph = audit.Graph(index)
        version = None if rev is None else audit.version_at(graph, rev)
        return [_lineage(graph, name, version) for name in newest]


def _lineage(graph: audit.Graph, generation: str, version: str | None) -> dict[str, Any]:
    found = audit.audit_model(graph, audit.found_model(graph, generation, version))
    theory = found["theory"] or {}
    return {
        "generation": generation,
        "checkpoint": found["checkpoint"],
        "chain": [{name: link.get(name) for name in LINK} for link in found["chain"]],
        "totals": found["totals"],
        "tainted": found["tainted"],
        "missing": found["missing"],
        "theory": theory.get("record", {}),
        "origin": (found["origin"] or {}).get("used", {}),
    }
