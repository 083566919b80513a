"""The life of a configuration: proposed, judged, picked, labelled, used."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from aldata import archive
from aldata.audit.graph import Graph, Recorded, titles
from aldata.audit.selectors import SHORTEST
from aldata.audit.versions import WORKSPACE
from aldata.errors import AldataError, InvalidInput

JUDGED = ("energy", "sigma_energy", "sigma_forces", "distance", "max_force")
"""Quantities of a candidate (`aldata query candidates --list`) that its model gave before it was asked."""


def found_configuration(graph: Graph, prefix: str) -> str:
    """The one configuration whose id begins so, among calls, picks and the workspace's candidates.

    Raises InvalidInput for none or several.
    """
    digits = prefix.lower()
    if not SHORTEST <= len(digits) <= 64 or not set(digits) <= set("0123456789abcdef"):
        raise InvalidInput(
            f"'{prefix}' is not the beginning of a configuration's id",
            where="aldata why",
            expected=f"{SHORTEST} to 64 hexadecimal digits (the beginning of a call id works, too)",
        )
    found = _among_calls(graph, "configuration", digits) or _among_calls(graph, "call", digits)
    found = found or _among_candidates(graph, digits)
    if len(found) != 1:
        raise InvalidInput(
            f"{len(found)} configurations have an id that begins so",
            where=f"aldata why {prefix}",
            expected="one that was asked for, or a candidate of the workspace",
            next_step="give more digits" if found else "aldata query candidates --generation G",
        )
    return found.pop()


def _among_calls(graph: Graph, column: str, digits: str) -> set[str]:
    low, high = bytes.fromhex(digits.ljust(64, "0")), bytes.fromhex(digits.ljust(64, "f"))
    query = f"SELECT configuration FROM calls WHERE {column} BETWEEN ? AND ?"
    found = {row[0] for row in graph.index.rows(query, (low, high))}
    return {value.hex() for value in found if value is not None}


def _among_candidates(graph: Graph, digits: str) -> set[str]:
    found: set[str] = set()
    for generation in graph.places[WORKSPACE]:
        try:
            stored = archive.open("candidates", generation, root=graph.index.root)
        except AldataError:
            continue
        found |= {identity for identity in stored.ids if identity.startswith(digits)}
    return found


def life_of(graph: Graph, configuration: str) -> dict[str, Any]:
    """Everything on record about a configuration, as plain values, in the order of its life.

    `picks` : the decisions that chose it, each with the trajectory and model that had proposed it and
    the place among the others; `judged` : what the model said of it before, from the stores, which
    need not be here (`missing`); `asked` : the calls and their roles; one item per recorded
    generation.
    """
    picks = [_pick(graph, record, configuration) for record in graph.records]
    judged, missing = _judged(graph, configuration)
    return {
        "configuration": configuration,
        "picks": [pick for pick in picks if pick is not None],
        "judged": judged,
        "asked": _asked(graph, configuration),
        "missing": missing,
    }


def _pick(graph: Graph, record: Recorded, configuration: str) -> dict[str, Any] | None:
    query = (
        "SELECT rank, score, probe, reason, origin FROM picks WHERE blob = ? AND configuration = ?"
    )
    values = (record.blobs.get("selection", -1), bytes.fromhex(configuration))
    row = next(graph.index.rows(query, values), None)
    if row is None:
        return None
    summary = record.summaries["selection"]
    pool, origin = summary["pool"], json.loads(row[4])
    trajectories = pool.get("trajectories") or []
    number = origin.get("trajectory", -1)
    return {
        "generation": record.generation,
        "versions": list(titles(record.versions)),
        "decision": record.decision,
        "strategy": record.strategy,
        "rank": row[0],
        "picks": summary["picks"],
        "candidates": pool.get("candidates"),
        "score": row[1],
        "probe": bool(row[2]),
        "reason": row[3],
        "model": next(iter(record.used("acquire", "checkpoint.zarr").values()), None),
        "explored_with": next(iter(record.used("explore", "checkpoint.zarr").values()), None),
        **origin,
        "started_from": trajectories[number] if 0 <= number < len(trajectories) else None,
    }


def _asked(graph: Graph, configuration: str) -> list[dict[str, Any]]:
    """Every entry of a data set about it, and which recorded generations hold that data set."""
    query = (
        "SELECT calls.call, blob, status, role, purpose, duplicate_of FROM entries "
        "JOIN calls ON calls.id = entries.call WHERE configuration = ? ORDER BY entries.rowid"
    )
    by_blob = {manifest.blob: manifest for manifest in graph.manifests.values()}
    found = []
    for call, blob, status, role, purpose, copied in graph.index.rows(
        query, (bytes.fromhex(configuration),)
    ):
        if blob not in by_blob:
            continue
        manifest = by_blob[blob]
        holders = graph.of_manifest[manifest.digest]
        versions = [version for record in holders for version in record.versions]
        found.append(
            {
                "call": call.hex(),
                "generation": manifest.generation,
                "dataset": manifest.digest,
                "versions": list(titles(versions)),
                "status": status,
                "role": role,
                "purpose": purpose,
                "duplicate_of": copied.hex() or None,
                **_facts(graph, holders[0], call),
            }
        )
    return found


def _facts(graph: Graph, record: Recorded, call: bytes) -> dict[str, Any]:
    names = ("failure", "cpu_seconds", "host", "start", "version")
    query = (
        f"SELECT {', '.join('facts.' + name for name in names)} FROM facts "
        "JOIN calls ON calls.id = facts.call WHERE blob = ? AND calls.call = ?"
    )
    row = next(graph.index.rows(query, (record.blobs.get("calls", -1), call)), None)
    return dict(zip(names, row or (None,) * len(names), strict=True))


def _judged(graph: Graph, configuration: str) -> tuple[list[dict[str, Any]], list[str]]:
    """What the stores of the workspace say of it as a candidate: values, and places among all.

    Place 1 has the largest value of the generation's candidates.
    """
    found, missing = [], []
    for generation in graph.places[WORKSPACE]:
        try:
            stored = archive.open("candidates", generation, root=graph.index.root)
            own = stored[np.flatnonzero(stored.column("generation") == generation)]
            rows = np.flatnonzero(np.array(own.ids) == configuration)
            if len(rows) == 0:
                continue
            values = {}
            for name in JUDGED:
                column = np.asarray(own.quantity(name), dtype=float)
                mine = float(column[rows[0]])
                if np.isfinite(mine):
                    place = int((column > mine).sum()) + 1
                    values[name] = {"value": mine, "place": place, "of": len(own)}
        except AldataError as problem:
            missing.append(f"candidates of {generation}: {problem.what}")
            continue
        found.append({"generation": generation, "candidates": len(own), "quantities": values})
    return found, missing
