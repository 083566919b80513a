"""The stores of a version: every byte against its digest, and the digests against the record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aldata import ledger as books
from aldata import store
from aldata.archive.versions import tree_of
from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.columns import Columns
from aldata.artifacts.documents import Manifest
from aldata.artifacts.frames import Candidates, Descriptors, Labels, Predictions, Selection
from aldata.audit.sources import Sources
from aldata.audit.verification.findings import Findings
from aldata.audit.versions import WORKSPACE, Version
from aldata.curate import check_results
from aldata.errors import AldataError, DamagedArtifact
from aldata.ledger import Ledger

KINDS: dict[str, type[Columns]] = {
    kind.KIND: kind
    for kind in (Candidates, Descriptors, Predictions, Selection, Labels, Checkpoint)
}
"""Stores of a generation by the name of their file."""


def check_stores(
    sources: Sources,
    outs: Mapping[str, str],
    made: Mapping[str, str],
    manifests: Mapping[str, Manifest],
    version: Version,
    findings: Findings,
) -> list[Labels]:
    """Hash every store anew; its digest must be the one that its activity states.

    Labels must be the results that the data set names, a checkpoint must name its data set. Returns
    the labels that are sound, for a comparison with the ledger. outs : DVC's md5 by path.
    """
    sound = []
    for path, stated in made.items():
        kind = KINDS.get(Path(path).stem)
        if kind is None or not path.endswith(".zarr") or not findings.first(f"{path} {stated}"):
            continue
        here = version.key == WORKSPACE and (sources.root / path).exists()
        if not here and not sources.holds(outs.get(path, "")):
            findings.lacks(f"{path} of {version.title}: dvc fetch --all-commits {path}")
            continue
        artifact = _read(sources, path, kind, version, findings)
        if artifact is None:
            continue
        findings.checked["stores"] += 1
        where = f"{path} of {version.title}"
        if artifact.digest != stated:
            findings.breaks(
                where, f"is another store ({artifact.digest}) than its activity wrote ({stated})"
            )
            continue
        generation = path.split("/")[1]
        if isinstance(artifact, Labels):
            sound.append(artifact)
        _check_content(artifact, generation, manifests.get(generation), where, findings)
    return sound


def _read(
    sources: Sources, path: str, kind: type[Columns], version: Version, findings: Findings
) -> Columns | None:
    try:
        if version.key == WORKSPACE and (sources.root / path).exists():
            return store.read(sources.root / path, kind)
        past = tree_of(sources.root, "HEAD" if version.key == WORKSPACE else version.key)
        return store.read_layout(past.layout(Path(path)), kind)
    except AldataError as problem:
        findings.breaks(f"{path} of {version.title}", problem.what)
    return None


def _check_content(
    artifact: Columns, generation: str, manifest: Manifest | None, where: str, findings: Findings
) -> None:
    """What a sound store says of others."""
    if manifest is None:
        return
    if isinstance(artifact, Labels):
        findings.checked["results of calls"] += len(artifact)
        try:
            check_results(manifest, _once(artifact))
        except DamagedArtifact as problem:
            findings.breaks(where, problem.what)
    if isinstance(artifact, Checkpoint) and not artifact.is_null:
        named: Any = artifact.card.get("dataset")
        if named != manifest.digest:
            findings.breaks(
                where,
                f"was trained on data set {named}, but that of {generation} is {manifest.digest}",
            )


def _once(labels: Labels) -> Labels:
    """Every call once: a data set lists a call that was asked for twice in one row."""
    rows = {call: row for row, call in reversed(list(enumerate(labels.call_ids)))}
    return labels.take(sorted(rows.values()))


def check_ledger(ledger: Ledger, sealed: list[Labels], findings: Findings) -> None:
    """Every object and raw file of the ledger, and its answers against those that were sealed."""
    if not ledger.folder.is_dir():
        findings.lacks(f"the ledger, {ledger.folder}")
        return
    found = books.verify(ledger)
    findings.checked["objects in the ledger"] += found.calls + found.attempts
    findings.checked["raw files"] += found.raw_files
    for file, problem in found.damages:
        findings.breaks(file, problem)
    damaged = {Path(file).stem for file, _ in found.damages}
    findings.notes += found.notes
    for labels in sealed:
        # a damaged object would be set aside by a reader, and a verification changes nothing
        rows = [row for row, call in enumerate(labels.call_ids) if call not in damaged]
        absent, other = books.missing_and_different(labels.take(rows), ledger)
        findings.checked["labels against the ledger"] += len(rows)
        for call in absent:
            findings.lacks(f"call {call} in the ledger (aldata ledger rebuild)")
        for call in other:
            findings.breaks(
                f"call {call}", "the ledger's result is not the one that the labels hold"
            )
