"""The subcommands of `aldata audit`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from aldata import audit
from aldata.audit.picture import write_picture
from aldata.cli.audit.pages import calls_page, model_page
from aldata.cli.project import Project


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of `aldata audit` and their options."""
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    model = acts.add_parser("model", help="every call that a model rests on, and what drove it")
    model.add_argument(
        "model",
        help="a generation, the first digits of a checkpoint's digest, an MLflow run id, a "
        "checkpoint.zarr or an exported model",
    )
    model.add_argument("--rev", help="the generation as it was at a revision or in an experiment")
    model.add_argument("--all", action="store_true", help="list every call, not the first 20")
    call = acts.add_parser("call", help="everything that a call has reached, in every version")
    call.add_argument(
        "selector",
        nargs="+",
        help="first digits of an id of a call, configuration, level of theory or pseudopotential; or "
        f"kind:value, kind being {', '.join(audit.KINDS)}; of several all must hold",
    )
    for act in (model, call):
        act.add_argument("--json", action="store_true", help="machine-readable, complete")
        act.add_argument("--graph", type=Path, metavar="FILE", help="a picture: .svg or .html")


def run(options: argparse.Namespace) -> int:
    """Answer one of the two questions."""
    project = Project.here()
    with audit.Index(project.root) as index:
        graph = audit.Graph(index)
        return (_model if options.act == "model" else _call)(graph, options)


def _model(graph: audit.Graph, options: argparse.Namespace) -> int:
    version = None if options.rev is None else audit.version_at(graph, options.rev)
    record = audit.found_model(graph, options.model, version)
    found = audit.audit_model(graph, record)
    page = model_page(found, None if options.all else 20)
    if options.graph is not None:
        chain = graph.chain(str(record.manifest))[0]
        records = [graph.record_of(manifest, record) for manifest in chain]
        hit = {str(found["checkpoint"]), str(found["dataset"])}
        write_picture(options.graph, graph, records, hit, _heading(found), page)
    _show(found, page, options)
    return 0


def _call(graph: audit.Graph, options: argparse.Namespace) -> int:
    calls = audit.selected(graph, options.selector)
    found = audit.audit_calls(graph, calls)
    page = calls_page(found)
    if options.graph is not None:
        reached = audit.reach(graph, calls)
        heading = f"What {' '.join(options.selector)} has reached"
        records = [item.record for item in reached]
        write_picture(options.graph, graph, records, _digests(found), heading, page)
    _show(found, page, options)
    return 0


def _show(found: dict[str, Any], page: str, options: argparse.Namespace) -> None:
    print(json.dumps(found, indent=1, default=list) if options.json else page)
    if options.graph is not None and not options.json:
        print(f"\nwritten: {options.graph}")


def _heading(found: dict[str, Any]) -> str:
    return f"What the model of {found['generation']} ({found['checkpoint'][:12]}) was made from"


def _digests(found: dict[str, Any]) -> set[str]:
    """Digests of all artifacts that were reached."""
    parts = ("dataset", "checkpoint", "calibration", "decision", "metrics")
    return {str(item[part]["digest"]) for item in found["reached"] for part in parts if item[part]}
