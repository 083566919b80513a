"""`aldata export provenance`: the provenance of a model in the forms that others read."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from aldata import audit
from aldata.audit.publication import FORMATS, write_crate, write_prov
from aldata.cli.project import Project
from aldata.errors import InvalidInput

ENDINGS = {".eln": "eln", ".json": "prov"}


def export_provenance(project: Project, options: argparse.Namespace) -> int:
    """Write the provenance of `--generation` and all its ancestors."""
    form = options.format or ENDINGS.get(options.output.suffix, "ro-crate")
    if form not in FORMATS or options.roles or options.where or options.failed:
        raise InvalidInput(
            "provenance is of a whole lineage, in one of its own formats",
            where="aldata export provenance",
            expected=f"--format {', '.join(FORMATS)}; no --roles, --where, --failed",
        )
    with audit.Index(project.root) as index:
        graph = audit.Graph(index)
        version = None if options.rev is None else audit.version_at(graph, options.rev)
        record = audit.found_model(graph, options.generation, version)
        chain = graph.chain(str(record.manifest))[0]
        records = [graph.record_of(manifest, record) for manifest in chain]
        if form == "prov":
            count = write_prov(options.output, graph, records)
            print(f"{count} records of {_named(records)} -> {options.output}")
        else:
            _crate(project, graph, records, options, options.output)
    return 0


def _crate(
    project: Project,
    graph: audit.Graph,
    records: list[audit.Recorded],
    options: argparse.Namespace,
    target: Path,
) -> None:
    ledger = project.ledger
    parcels = write_crate(
        target,
        graph,
        records,
        ledger if ledger.folder.is_dir() else None,
        options.licence or "No licence was stated: ask the authors",
        datetime.now(UTC).date().isoformat(),
    )
    calls, files = sum(p.calls for p in parcels), sum(p.files for p in parcels)
    print(f"{calls} calls, {files} files of {_named(records)} -> {target}")
    missing = [line for parcel in parcels for line in parcel.missing]
    if not ledger.folder.is_dir():
        missing.append(f"the ledger, {ledger.folder}: no call is in the crate")
    for line in missing[:20]:
        print(f"MISSING {line}", file=sys.stderr)
    if len(missing) > 20:
        print(f"MISSING and {len(missing) - 20} more", file=sys.stderr)


def _named(records: list[audit.Recorded]) -> str:
    return ", ".join(record.generation for record in records)
