"""Verify one version of a project, or all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aldata.artifacts.frames import Labels
from aldata.audit.graph import Graph
from aldata.audit.sources import Sources
from aldata.audit.verification.findings import Findings
from aldata.audit.verification.links import (
    check_chain,
    check_copies,
    check_inputs_of,
    check_links,
    check_retractions,
    documents_of,
)
from aldata.audit.verification.noise import check_noise
from aldata.audit.verification.outs import check_inputs, check_lock, check_outs, lock_of
from aldata.audit.verification.outside import Tags, check_history, check_tags, runs_in
from aldata.audit.verification.stores import check_ledger, check_stores
from aldata.audit.versions import WORKSPACE, Version
from aldata.ledger import Ledger


def verify(
    graph: Graph,
    versions: Sequence[Version],
    ledger: Ledger,
    tags_of: Callable[[Sequence[str]], Tags | None],
) -> Findings:
    """Recompute every hash of these versions' chains; content that several share is read once.

    tags_of : MLflow's tags of runs by their ids; None where MLflow cannot be asked. Nothing is
    changed, and nothing is taken from the index: all documents are read anew.
    """
    findings = Findings()
    sources = Sources(graph.index.root)
    try:
        sealed: list[Labels] = []
        runs: dict[str, dict[str, str]] = {}
        for version in versions:
            sealed += _of_version(graph, sources, version, findings, runs)
        check_ledger(ledger, sealed, findings)
    finally:
        sources.close()
    tags = tags_of(list(runs)) if runs else {}
    if tags is None:
        findings.lacks(f"MLflow: {len(runs)} runs cannot be compared with their activities")
    else:
        check_tags(runs, tags, findings)
    return findings


def _of_version(
    graph: Graph,
    sources: Sources,
    version: Version,
    findings: Findings,
    runs: dict[str, dict[str, str]],
) -> list[Labels]:
    parsed = documents_of(sources, version, findings)
    lock = lock_of(sources, version, findings)
    if lock is not None:
        check_lock(lock, version, findings)
        check_outs(sources, lock, version, findings)
    if version.key == WORKSPACE:
        for generation in parsed:
            check_copies(sources, generation, findings)
        check_inputs_of(parsed, sources.root, findings)
        check_retractions(sources.root, findings)
        if lock is not None:
            check_inputs(sources, lock, findings)
    made = check_links(parsed, version, findings)
    manifests = check_chain(parsed, version, findings)
    check_noise(sources, parsed, version, findings)
    check_history(graph, version, findings)
    runs |= runs_in(parsed)
    outs = {} if lock is None else lock.outs
    return check_stores(sources, outs, made, manifests, version, findings)
