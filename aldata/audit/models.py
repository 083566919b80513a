"""Everything one model was made from."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

from aldata import provenance
from aldata.artifacts.layout import SEED
from aldata.audit.graph import Graph, Manifest, Recorded, titles
from aldata.audit.listing import UsedCalls
from aldata.audit.selectors import SHORTEST
from aldata.audit.sources import VERBS
from aldata.audit.used import uses_of
from aldata.audit.versions import WORKSPACE
from aldata.errors import InvalidInput

STAMP = re.compile(rb"aldata-checkpoint:([0-9a-f]{64})")
"""What `potentials.export` writes into the models that it makes."""


def found_model(graph: Graph, selector: str, version: str | None = None) -> Recorded:
    """The recorded generation whose model a user means.

    selector : a generation's name (in the version with key `version`, else in the workspace), the
    beginning of a checkpoint's digest, an MLflow run id, a checkpoint.zarr or an exported model.
    Raises InvalidInput.
    """
    record = graph.places[version or WORKSPACE].get(selector)
    if record is not None and (record.trained or selector == SEED):
        return record
    digits = _stamped(Path(selector)) if Path(selector).exists() else selector.lower()
    for candidate in graph.records:
        if digits in candidate.runs:
            return candidate
    matches = {
        checkpoint: records
        for checkpoint, records in graph.of_checkpoint.items()
        if checkpoint.startswith(digits)
    }
    if len(matches) == 1 and len(digits) >= SHORTEST:
        records = next(iter(matches.values()))
        return next((r for r in records if any(v.key == version for v in r.versions)), records[0])
    names = [name for name, r in graph.places[version or WORKSPACE].items() if r.trained]
    raise InvalidInput(
        f"{len(matches)} checkpoints begin so"
        if len(matches) > 1
        else "no such model is on record",
        where=selector,
        expected=f"a generation ({', '.join(names) or 'none is trained yet'}), at least {SHORTEST} "
        "digits of a checkpoint's digest, an MLflow run id, or a file of a model",
        next_step="aldata status; for another version of the project: --rev",
    )


def version_at(graph: Graph, revision: str) -> str:
    """Key of the version that a revision shows: its own, or that of the commit that last changed it.

    Raises ProjectError for an unknown revision, InvalidInput for one before the first generation.
    """
    root = graph.index.root
    commit = provenance.commit_of(root, revision)
    if commit in graph.versions:
        return commit
    last = provenance.git(root, "log", "-1", "--format=%H", commit, "--", "dvc.lock", "generations")
    key = (last or "").strip()
    if key not in graph.versions:
        raise InvalidInput("no generation was on record then", where=revision)
    return key


def _stamped(path: Path) -> str:
    """The digest of the checkpoint that a checkpoint.zarr holds or an exported model comes from."""
    if path.is_dir():
        try:
            attributes = json.loads((path / "zarr.json").read_bytes())["attributes"]
            if attributes.get("aldata_kind") == "checkpoint":
                return str(attributes["digest"])
        except (OSError, ValueError, KeyError):
            pass
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for item in archive.infolist():
                if item.filename.endswith((".pkl", ".json")):
                    match = STAMP.search(archive.read(item))
                    if match:
                        return match[1].decode()
    raise InvalidInput(
        "does not say which checkpoint it comes from",
        where=str(path),
        expected="a checkpoint.zarr, or a model made by aldata.potentials.export and saved by "
        "torch.save",
    )


def audit_model(graph: Graph, record: Recorded) -> dict[str, Any]:
    """Everything a model was made from, as plain values; calls in the order of generations.

    `calls` are the DFT calls that it uses (`listing.UsedCalls`), each with `use` (`uses.USES`), why it
    was asked for, and in `retracted` why it should not be used any more, or None; `tainted` counts
    these, `retracted` counts them by reason.
    `chain` are the generations behind it, the root first, with what drove each. `missing` says what
    is not on record.
    """
    chain, broken = graph.chain(str(record.manifest)) if record.manifest else ([], None)
    records = [graph.record_of(manifest, record) for manifest in chain]
    calls = UsedCalls(graph, records, uses_of(graph, record))
    train = _document(graph, record, "train.activity")
    return {
        "generation": record.generation,
        "checkpoint": record.checkpoint,
        "dataset": record.manifest,
        "calibration": _calibration(record),
        "versions": list(titles(record.versions)),
        "revisions": [version.key for version in record.versions],
        "mlflow": record.activity("train").get("mlflow"),
        "training": train,
        "theory": _theory(graph, records),
        "origin": _origin(graph, records),
        "chain": [_link(graph, item) for item in records],
        "totals": calls.totals(),
        "tainted": sum(calls.retracted().values()),
        "retracted": calls.retracted(),
        "calls": calls,
        "missing": _missing(graph, record, records, chain, broken),
    }


def _calibration(record: Recorded) -> dict[str, Any] | None:
    summary = record.summaries.get("calibration")
    return None if summary is None else {"digest": summary["digest"], **summary["content"]}


def _link(graph: Graph, record: Recorded) -> dict[str, Any]:
    """One generation of the chain: what drove its exploration, how it chose, what it asked."""
    query = "SELECT status, count(*), sum(cpu_seconds) FROM facts WHERE blob = ? GROUP BY status"
    rows = list(graph.index.rows(query, (record.blobs.get("calls", -1),)))
    explored = record.used("explore", "checkpoint.zarr")
    train = record.activity(SEED if record.generation == SEED else "train")
    return {
        "generation": record.generation,
        "dataset": record.manifest,
        "explored_with": next(iter(explored.values()), None),
        "strategy": record.strategy,
        "decision": record.decision,
        **{status: count for status, count, _ in rows},
        "cpu_seconds": sum(seconds or 0.0 for _, _, seconds in rows),
        "checkpoint": record.checkpoint,
        "update": train.get("update"),
        "calibration": record.calibration,
        "git_baseline": train.get("git_baseline"),
        "experiment": train.get("experiment"),
        "host": train.get("host"),
        "ended": train.get("ended"),
    }


def _document(graph: Graph, record: Recorded, name: str) -> dict[str, Any] | None:
    """A document of a record, whole; None where it is gone."""
    if name not in record.blobs:
        return None
    row = next(graph.index.rows("SELECT key FROM blobs WHERE id = ?", (record.blobs[name],)))
    content: dict[str, Any] | None = graph.index.content(row[0])
    return content


def _theory(graph: Graph, records: list[Recorded]) -> dict[str, Any] | None:
    return _document(graph, records[0], "theory") if records else None


def _origin(graph: Graph, records: list[Recorded]) -> dict[str, Any] | None:
    """The user's own files that everything began with, by digest, and the settings of the seed."""
    seed = _document(graph, records[0], f"{SEED}.activity") if records else None
    if seed is None:
        return None
    return {name: seed[name] for name in ("used", "parameters", "random_seed", "started", "host")}


def _missing(
    graph: Graph,
    record: Recorded,
    records: list[Recorded],
    chain: list[Manifest],
    broken: str | None,
) -> list[str]:
    lines = [
        f"{item.generation}: no {', '.join(item.missing)}"
        for item in (records or [record])
        if item.missing
    ]
    lines += graph.unmeasured(record)
    if broken is not None and chain:
        name = chain[0].content["parent"]["generation"]
        lines.append(
            f"{name}: data set {broken[:12]} is nowhere, and what lies behind it is unknown"
        )
    return lines


def activities_of(graph: Graph, record: Recorded) -> dict[str, dict[str, Any]]:
    """The activities of a recorded generation, whole, by stage."""
    verbs = (SEED,) if record.generation == SEED else VERBS
    found = {verb: _document(graph, record, f"{verb}.activity") for verb in verbs}
    return {verb: content for verb, content in found.items() if content is not None}
