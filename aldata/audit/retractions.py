"""Retractions of a project: which there are, which hold, and which models they leave tainted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aldata.audit.graph import Graph, Recorded
from aldata.audit.reach import reach
from aldata.audit.versions import WORKSPACE

if TYPE_CHECKING:
    from aldata.params import Parameters

FOLDER = Path("retractions")
REVOKED = ".revoked.json"


@dataclass(frozen=True)
class Retraction:
    """A retraction as its file says; `revoked` is why it holds no more, or None."""

    id: str
    content: dict[str, Any]
    revoked: dict[str, Any] | None

    @property
    def calls(self) -> list[str]:
        """Ids of the calls that were taken back."""
        return list(self.content["calls"])


def retractions_of(root: Path) -> list[Retraction]:
    """Every retraction of the project, the oldest first. A file that cannot be read is skipped here:
    `curate` refuses it, `verify` names it.
    """
    found = []
    for path in sorted((root / FOLDER).glob("*.json")):
        if path.name.endswith(REVOKED):
            continue
        revoked = path.with_name(path.stem + REVOKED)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            why = json.loads(revoked.read_text(encoding="utf-8")) if revoked.exists() else None
            found.append(Retraction(path.stem, dict(content), why))
        except (OSError, ValueError, TypeError):
            continue
    return sorted(found, key=lambda item: str(item.content.get("made")))


def taken_back(graph: Graph) -> dict[int, str]:
    """Calls (ids in the index) that are retracted now, and why: by a file, or by a data set of now."""
    reasons: dict[str, str] = {}
    restored: set[str] = set()
    for record in graph.places[WORKSPACE].values():
        manifest = graph.manifests.get(record.manifest or "")
        content = {} if manifest is None else manifest.content
        for item in content.get("retracted", []):
            reasons.setdefault(item["call"], item["reason"])
        restored |= {item["call"] for item in content.get("restored", [])}
    for retraction in retractions_of(graph.index.root):
        for call in retraction.calls:
            if retraction.revoked is None:
                reasons[call] = f"{retraction.content['reason']} ({retraction.id})"
                restored.discard(call)
            else:
                restored.add(call)
    query = "SELECT id FROM calls WHERE call = ?"
    found = {}
    for call, reason in reasons.items():
        row = next(graph.index.rows(query, (bytes.fromhex(call),)), None)
        if row is not None and call not in restored:
            found[row[0]] = reason
    return found


def tainted(graph: Graph, calls: Iterable[int] | None = None) -> dict[int, dict[str, int]]:
    """Recorded generations (by id) whose model uses retracted calls, and how many, by what for."""
    gone = list(taken_back(graph) if calls is None else calls)
    if not gone:
        return {}
    return {item.record.id: item.uses for item in reach(graph, gone) if item.uses}


def taint_of(graph: Graph, record: Recorded) -> dict[str, int]:
    """How many retracted calls a recorded model uses, by what for; empty for a sound one."""
    return tainted(graph).get(record.id, {})


def due(root: Path, parameters: Parameters, parent: str) -> dict[str, list[str]]:
    """What a new child of `parent` must say in `curate`: retractions to obey, and to revoke.

    Those that no generation of its lineage obeys yet, and those that one obeys although they were
    revoked since. Empty lists are left out.
    """
    held: set[str] = set()
    for name in _lineage(parameters, parent):
        changes = parameters.plan_of(name).curate
        held |= set(changes.get("obey", []))
        held -= set(changes.get("revoke", []))
    found = retractions_of(root)
    lists = {
        "obey": [item.id for item in found if item.revoked is None and item.id not in held],
        "revoke": [item.id for item in found if item.revoked is not None and item.id in held],
    }
    return {name: items for name, items in lists.items() if items}


def _lineage(parameters: Parameters, generation: str) -> list[str]:
    """A generation and its ancestors, the oldest first, without the seed."""
    found: list[str] = []
    while generation in parameters.generations:
        found.insert(0, generation)
        generation = parameters.parent_of(generation)
    return found
