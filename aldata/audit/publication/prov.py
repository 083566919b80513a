"""The provenance of a model as W3C PROV-JSON (https://www.w3.org/submissions/prov-json)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aldata.audit.graph import Graph, Recorded
from aldata.audit.listing import CALLS, COLUMNS
from aldata.audit.models import activities_of
from aldata.errors import InvalidInput

if TYPE_CHECKING:
    from prov.model import ProvDocument

SPACES = {
    "sha256": "urn:sha256:",
    "stage": "urn:aldata:stage:",
    "call": "urn:aldata:call:",
    "configuration": "urn:aldata:configuration:",
    "host": "urn:aldata:host:",
    "code": "urn:aldata:code:",
    "aldata": "urn:aldata:term:",
}
"""Namespaces: artifacts and results by sha256; activities; agents; aldata's own terms."""


def write_prov(target: Path, graph: Graph, records: Sequence[Recorded]) -> int:
    """Write the document of a lineage (root first); returns how many records it has.

    Entities are artifacts and the results of calls, by sha256; activities are stages and calls; agents
    are the codes that computed the calls, and aldata. Raises InvalidInput where prov is not installed.
    """
    try:
        from prov.model import ProvDocument
    except ModuleNotFoundError:
        raise InvalidInput(
            "prov is not installed",
            where="aldata export provenance",
            next_step="pip install prov  (or: pip install 'aldata[provenance]')",
        ) from None
    document = ProvDocument()
    for prefix, address in SPACES.items():
        document.add_namespace(prefix, address)
    known: set[str] = set()
    for record in records:
        _stages(document, graph, record, known)
        _calls(document, graph, record, known)
    target.write_text(document.serialize(format="json", indent=1), encoding="utf-8")
    return len(document.get_records())


def _once(known: set[str], identity: str) -> bool:
    new = identity not in known
    known.add(identity)
    return new


def _stages(document: ProvDocument, graph: Graph, record: Recorded, known: set[str]) -> None:
    for stage, activity in activities_of(graph, record).items():
        name = f"stage:{record.generation}.{stage}"
        facts = {
            f"aldata:{key}": str(activity[key]) for key in ("host", "random_seed", "behaviour")
        }
        document.activity(
            name, _time(activity["started"]), _time(activity["ended"]), other_attributes=facts
        )
        version = f"code:{_plain('aldata ' + activity['packages']['aldata'])}"
        if _once(known, version):
            document.agent(version, {"prov:type": "prov:SoftwareAgent"})
        document.wasAssociatedWith(name, version)
        for path, digest in activity["used"].items():
            _entity(document, digest, path, known)
            document.used(name, f"sha256:{digest}")
        for path, digest in activity["generated"].items():
            _entity(document, digest, path, known)
            document.wasGeneratedBy(f"sha256:{digest}", name)


def _entity(document: ProvDocument, digest: str, path: str, known: set[str]) -> None:
    if _once(known, f"sha256:{digest}"):
        document.entity(f"sha256:{digest}", {"prov:label": path})


def _calls(document: ProvDocument, graph: Graph, record: Recorded, known: set[str]) -> None:
    """Accepted calls, and that their results are members of the data set."""
    manifest = graph.manifests.get(record.manifest or "")
    if manifest is None:
        return
    blobs = (record.blobs.get("calls", -1), record.blobs.get("selection", -1), manifest.blob)
    results = dict(
        graph.index.rows(
            "SELECT call, lower(hex(result)) FROM entries WHERE blob = ?", (manifest.blob,)
        )
    )
    names = COLUMNS[COLUMNS.index("call") :]
    for identity, *values in graph.index.rows(CALLS, blobs):
        row = dict(zip(names, values, strict=True))
        row |= {name: row[name].hex() for name in ("call", "configuration")}
        call, result = f"call:{row['call']}", f"sha256:{results[identity]}"
        _entity(document, results[identity], f"result of call {row['call']}", known)
        document.hadMember(f"sha256:{manifest.digest}", result)
        if _once(known, call):
            _call(document, call, result, row, known)


def _call(
    document: ProvDocument, call: str, result: str, row: dict[str, Any], known: set[str]
) -> None:
    facts = {
        f"aldata:{key}": str(row[key])
        for key in ("purpose", "host", "cpu_seconds", "lineage", "rank", "score", "reason")
        if row[key] is not None
    }
    document.activity(call, _time(row["start"]), _time(row["end"]), other_attributes=facts)
    configuration = f"configuration:{row['configuration']}"
    if _once(known, configuration):
        document.entity(configuration)
    document.used(call, configuration)
    document.wasGeneratedBy(result, call)
    if row["version"]:
        code = f"code:{_plain(row['version'])}"
        if _once(known, code):
            document.agent(code, {"prov:type": "prov:SoftwareAgent"})
        document.wasAssociatedWith(call, code)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _plain(text: str) -> str:
    """A text as the local part of a name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
