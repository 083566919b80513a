"""`aldata verify`: whether the chain from the calls to the models holds."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from functools import partial

from aldata import audit
from aldata.audit.verification import Findings, verify
from aldata.audit.verification.outside import Tags
from aldata.audit.versions import WORKSPACE, Version
from aldata.cli.project import Project
from aldata.errors import ProjectError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata verify`."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--rev", help="a revision, tag, branch or experiment (default: the workspace)"
    )
    which.add_argument(
        "--all", action="store_true", help="the workspace and every recorded version"
    )
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="exit with 0 although something is not on this machine and was not verified",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 where a link does not hold, or something is missing that is not allowed to be."""
    project = Project.here()
    with audit.Index(project.root) as index:
        graph = audit.Graph(index)
        found = verify(graph, _versions(graph, options), project.ledger, partial(_tags, project))
    print(json.dumps(found.content(), indent=1) if options.json else _page(found))
    return 1 if found.broken or (found.missing and not options.allow_missing) else 0


def _versions(graph: audit.Graph, options: argparse.Namespace) -> list[Version]:
    if options.all:
        return list(graph.versions.values())
    key = WORKSPACE if options.rev is None else audit.version_at(graph, options.rev)
    return [graph.versions[key]]


def _tags(project: Project, runs: Sequence[str]) -> Tags | None:
    """MLflow's tags of these runs; None where it cannot be asked."""
    from aldata.train import tags_of

    try:
        return tags_of(project.home, os.environ.get("MLFLOW_TRACKING_URI"), runs)
    except ProjectError:
        return None


def _page(found: Findings) -> str:
    lines = [f"BROKEN {item}" for item in found.broken]
    lines += [f"MISSING {item}" for item in found.missing]
    lines += [f"note: {note}" for note in found.notes]
    lines.append("checked: " + ", ".join(f"{n} {what}" for what, n in found.checked.items()))
    lines.append(
        f"{len(found.broken)} links do not hold, {len(found.missing)} could not be looked at"
        if found.broken or found.missing
        else "every link holds"
    )
    return "\n".join(lines)
