"""What lies outside of the version: MLflow's tags, and what git's history recorded before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aldata import provenance
from aldata.audit.graph import Graph
from aldata.audit.verification.findings import Findings
from aldata.audit.verification.links import Parsed
from aldata.audit.versions import WORKSPACE, Version, is_shallow

Tags = Mapping[str, Mapping[str, str] | None]
"""Tags of MLflow's runs by their id; None for a run that is not there."""


def runs_in(parsed: Parsed) -> dict[str, dict[str, str]]:
    """MLflow's runs that activities name, and the tags that each must have."""
    found = {}
    for generation, documents in parsed.items():
        train = documents.get("train.activity", {})
        runs = train.get("facts", {}).get("mlflow")
        if not runs:
            continue
        made = train["generated"].get(f"generations/{generation}/checkpoint.zarr", "")
        used = train["used"].get(f"generations/{generation}/dataset.json", "")
        for run in (runs["run"], *runs["members"]):
            found[run] = {
                "aldata.generation": generation,
                "aldata.checkpoint": made,
                "aldata.dataset": used,
            }
    return found


def check_tags(wanted: Mapping[str, Mapping[str, str]], tags: Tags, findings: Findings) -> None:
    """MLflow's runs carry the digests of what they trained and what they trained on."""
    for run, expected in wanted.items():
        found = tags.get(run)
        if found is None:
            findings.breaks(f"MLflow run {run}", f"of {expected['aldata.generation']} is not there")
            continue
        findings.checked["MLflow runs"] += 1
        for name, value in expected.items():
            if found.get(name) != value:
                findings.breaks(
                    f"MLflow run {run}",
                    f"its tag {name} is {found.get(name)}, the activity says {value}",
                )


def check_history(graph: Graph, version: Version, findings: Findings) -> None:
    """Every generation that the history behind a version recorded is still on record in it."""
    here = graph.places[version.key]
    tip = "HEAD" if version.key == WORKSPACE else version.key
    log = provenance.git(graph.index.root, "rev-list", tip)
    behind = set((log or "").split())
    gone: dict[str, tuple[str, Any]] = {}
    for key, place in graph.places.items():
        if key in behind:
            findings.checked["versions behind it"] += 1
            for generation, record in place.items():
                if generation not in here:
                    gone.setdefault(generation, (key, record))
    for generation, (key, record) in gone.items():
        findings.breaks(
            f"generation {generation}",
            f"was recorded in commit {key[:12]} (data set {record.manifest}) and is gone from "
            f"{version.title}",
        )
    if is_shallow(graph.index.root):
        findings.lacks("a part of git's history: git fetch --unshallow")
