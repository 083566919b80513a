"""Everything that some calls have reached, for programs and for pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aldata.audit.graph import Graph
from aldata.audit.reach import reach
from aldata.audit.uses import choose


def audit_calls(graph: Graph, calls: Sequence[int]) -> dict[str, Any]:
    """What the calls (ids in the index) have reached, as plain values.

    `calls` : the calls, with every generation that has them. `reached` : per recorded generation what
    `reach.Reached` says, the workspace's first. `missing` : what is not on record anywhere, so that
    nobody can say whether they reached it.
    """
    return {
        "calls": _rows(graph, calls),
        "reached": [item.content() for item in reach(graph, calls)],
        "missing": graph.missing(),
    }


def _rows(graph: Graph, calls: Sequence[int]) -> list[dict[str, Any]]:
    """One row per call: what it is about, how it ended, what it cost (the first generation's facts)."""
    choose(graph, calls)
    query = (
        "SELECT calls.id, calls.call, calls.configuration FROM calls "
        "JOIN chosen ON chosen.call = calls.id ORDER BY calls.id"
    )
    rows = {
        call: {"call": own.hex(), "configuration": configuration.hex(), "cpu_seconds": None}
        for call, own, configuration in graph.index.rows(query)
    }
    generations = {manifest.blob: manifest for manifest in graph.manifests.values()}
    query = (
        "SELECT blob, entries.call, status, role, purpose FROM entries "
        "JOIN chosen ON chosen.call = entries.call ORDER BY entries.rowid"
    )
    for blob, call, status, role, purpose in graph.index.rows(query):
        if blob in generations:
            content = generations[blob].content
            row = rows[call]
            row.setdefault("status", status)
            row.setdefault("purpose", purpose)
            row.setdefault("theory", content["theory_id"])
            asked = {"generation": content["generation"], "role": role, "status": status}
            if asked not in row.setdefault("asked", []):
                row["asked"].append(asked)
    query = (
        "SELECT facts.call, cpu_seconds, host, start, version, failure FROM facts "
        "JOIN chosen ON chosen.call = facts.call"
    )
    for call, seconds, host, start, version, failure in graph.index.rows(query):
        facts = {"cpu_seconds": seconds, "host": host, "start": start, "version": version}
        rows[call] = {"failure": failure, **rows[call], **facts}
    return list(rows.values())
