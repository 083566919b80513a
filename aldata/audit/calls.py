"""Everything that some calls have reached, for programs and for pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aldata.artifacts.entries import call_id
from aldata.audit.graph import Graph
from aldata.audit.noise import level_of, measured_with
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


Rows = dict[int, dict[str, Any]]
"""What is known of calls, by their ids in the index."""


def _rows(graph: Graph, calls: Sequence[int]) -> list[dict[str, Any]]:
    """One row per call: what it is about, how it ended, what it cost (the first generation's facts)."""
    choose(graph, calls)
    query = (
        "SELECT calls.id, lower(hex(calls.call)), lower(hex(calls.configuration)) FROM calls "
        "JOIN chosen ON chosen.call = calls.id ORDER BY calls.id"
    )
    rows: Rows = {
        call: {"call": own, "configuration": configuration or None, "cpu_seconds": None}
        for call, own, configuration in graph.index.rows(query)
    }
    _add_asked(graph, rows)
    for digest, parts in measured_with(graph, calls).items():
        for call, (measured, part) in parts.items():
            row = rows[call]
            row.setdefault("purpose", "noise")
            row.setdefault("theory", level_of(measured, part))
            row.setdefault("measured", []).append({"measurement": digest, "part": part})
    query = (
        "SELECT facts.call, facts.status, cpu_seconds, host, start, version, failure FROM facts "
        "JOIN chosen ON chosen.call = facts.call"
    )
    for call, status, seconds, host, start, version, failure in graph.index.rows(query):
        facts = {"cpu_seconds": seconds, "host": host, "start": start, "version": version}
        rows[call] = {"status": status, "failure": failure, **rows[call], **facts}
    return list(rows.values())


def _add_asked(graph: Graph, rows: Rows) -> None:
    """Say which data sets hold each of the chosen calls, and at which level of theory it was made."""
    generations = {manifest.blob: manifest for manifest in graph.manifests.values()}
    further = {
        manifest.blob: {level for record in graph.of_manifest[digest] for level in record.levels}
        for digest, manifest in graph.manifests.items()
    }
    query = (
        "SELECT blob, entries.call, status, role, purpose FROM entries "
        "JOIN chosen ON chosen.call = entries.call ORDER BY entries.rowid"
    )
    for blob, call, status, role, purpose in graph.index.rows(query):
        if blob not in generations:
            continue
        content, row = generations[blob].content, rows[call]
        row.setdefault("status", status)
        row.setdefault("purpose", purpose)
        row.setdefault("theory", content["theory_id"])
        for level in further[blob]:  # a call's id holds its level of theory
            if call_id(row["configuration"], level) == row["call"]:
                row["theory"] = level
        asked = {"generation": content["generation"], "role": role, "status": status}
        if asked not in row.setdefault("asked", []):
            row["asked"].append(asked)
