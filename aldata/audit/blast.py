"""What a retraction would touch, and what it would cost to rebuild without the calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aldata.audit.calls import audit_calls
from aldata.audit.graph import Graph, Recorded
from aldata.audit.versions import WORKSPACE


def blast_radius(graph: Graph, calls: Sequence[int], since: str | None) -> dict[str, Any]:
    """Everything that the calls (ids in the index) have reached, and the cost of rebuilding.

    since : the generation to rebuild from; None for the first of the workspace whose data set holds
    one of the calls. `cost` is an estimate from the records: every later generation of the workspace
    is trained again, and those behind the first explore anew, so their calls may all be new.
    """
    found = audit_calls(graph, calls)
    reached = found["reached"]
    counts = {
        "models": len({i["checkpoint"]["digest"] for i in reached if i["checkpoint"]}),
        "calibrations": len({i["calibration"]["digest"] for i in reached if i["calibration"]}),
        "decisions": len({i["decision"]["digest"] for i in reached if i["decision"]}),
        "metrics": len({i["metrics"]["digest"] for i in reached if i["metrics"]}),
    }
    return {**found, "counts": counts, "cost": _cost(graph, found["calls"], since)}


def _cost(graph: Graph, calls: Sequence[dict[str, Any]], since: str | None) -> dict[str, Any]:
    place = graph.places[WORKSPACE]
    if since is None:
        named = {asked["generation"] for call in calls for asked in call.get("asked", [])}
        roots = [name for name in named if name in place]
    else:
        roots = [since]
    again = {name for name in place if any(root in _chain(graph, place[name]) for root in roots)}
    first = {name for name in again if set(_chain(graph, place[name])) & again == {name}}
    behind = again - first - {"seed"}
    seconds = 0.0
    count = 0
    for name in behind:
        query = "SELECT count(*), sum(cpu_seconds) FROM facts WHERE blob = ?"
        row = next(graph.index.rows(query, (place[name].blobs.get("calls", -1),)))
        count, seconds = count + row[0], seconds + (row[1] or 0.0)
    return {
        "from": sorted(first - {"seed"}) or sorted(first),
        "trained_again": sorted(again - {"seed"}),
        "training_seconds": sum(_training(place[name]) for name in again),
        "calls_at_most": count,
        "oracle_cpu_seconds": seconds,
    }


def _chain(graph: Graph, record: Recorded) -> list[str]:
    """Names of a recorded generation and its ancestors."""
    chain = graph.chain(record.manifest)[0] if record.manifest else []
    return [manifest.generation for manifest in chain] or [record.generation]


def _training(record: Recorded) -> float:
    """How long its training took, by its activity; 0 where that is missing."""
    activity = record.activity("train")
    if not activity:
        return 0.0
    begun, ended = (datetime.fromisoformat(activity[name]) for name in ("started", "ended"))
    return (ended - begun).total_seconds()
