"""Whether a result is the same when it is computed again: calls and generations against their records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aldata.artifacts.calls import CallRecord
from aldata.artifacts.frames import Labels
from aldata.audit.graph import Graph, Recorded
from aldata.audit.models import activities_of
from aldata.audit.sources import Sources, outs_of
from aldata.audit.versions import WORKSPACE
from aldata.evaluate import flatten

SIGMAS = 6.0
"""Standard deviations of the numerical noise within which two answers are the same."""


@dataclass(frozen=True)
class Comparison:
    """A call computed again: differences (largest component), tolerances, and what was found.

    verdict : `identical` (every bit), `same` (within the tolerances), or `different`.
    """

    verdict: str
    status: tuple[str, str]
    energy: float | None
    forces: float | None
    stress: float | None
    tolerances: tuple[float, float]
    versions: tuple[str | None, str | None]


def compare_call(
    record: CallRecord, again: Labels, facts: Mapping[str, Any], noise: tuple[float, float]
) -> Comparison:
    """A record of the ledger and a fresh answer; `noise` in eV and eV/A, as standard deviations.

    The stress is told, not judged: its noise is not known.
    """
    tolerances = (SIGMAS * noise[0], SIGMAS * noise[1])
    status = (record.status, str(facts["status"]))
    versions = (record.attempts[-1].version, facts["version"])
    if record.energy is None or record.forces is None or not again.accepted[0]:
        verdict = "same" if status[0] == status[1] else "different"
        return Comparison(verdict, status, None, None, None, tolerances, versions)
    energy = float(again.energy[0]) - record.energy
    forces = float(np.abs(again.forces - np.array(record.forces)).max(initial=0.0))
    stress = None
    if record.stress is not None:
        stress = float(np.abs(again.stress[0] - np.array(record.stress)).max())
    close = abs(energy) <= tolerances[0] and forces <= tolerances[1]
    exact = energy == 0 and forces == 0 and stress in (None, 0.0)
    verdict = "identical" if exact else "same" if close else "different"
    return Comparison(verdict, status, energy, forces, stress, tolerances, versions)


def inventory(graph: Graph, record: Recorded) -> list[dict[str, Any]]:
    """Every artifact that a model was made through: where it is, or whether it can be made again.

    `state` : `workspace`, `cache` (DVC's, on this machine), `re-creatable` (a stage of dvc.lock makes it
    from what is here), or `missing` (dvc.lock does not name it).
    """
    sources = Sources(graph.index.root)
    version = record.versions[0]
    name = "dvc.lock" if version.key == WORKSPACE else f"{version.key}:./dvc.lock"
    try:
        if version.key == WORKSPACE:
            path = graph.index.root / name
            text = path.read_text(encoding="utf-8") if path.exists() else ""
        else:
            text = (sources.read(name) or b"").decode()
        outs = outs_of(text)
        chain = graph.chain(record.manifest)[0] if record.manifest else []
        rows = []
        for manifest in chain:
            here = graph.record_of(manifest, record)
            for path_, made in sorted(_made(graph, here).items()):
                state = _state(sources, version.key, path_, outs)
                rows.append({"path": path_, "digest": made, "state": state})
        return rows
    finally:
        sources.close()


def _made(graph: Graph, record: Recorded) -> dict[str, str]:
    """Digests of the artifacts that a recorded generation's activities made, by path."""
    found: dict[str, str] = {}
    for activity in activities_of(graph, record).values():
        found |= activity["generated"]
    return found


def _state(sources: Sources, key: str, path: str, outs: Mapping[str, str]) -> str:
    if key == WORKSPACE and (sources.root / path).exists():
        return "workspace"
    if path in outs and sources.holds(outs[path]):
        return "cache"
    return "re-creatable" if path in outs else "missing"


def compare_generations(
    graph: Graph, record: Recorded, rebuilt: Graph
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A model's generations and those of a rebuilt project: artifacts by digest, then metrics.

    Of artifacts: `path`, `same`. Of metrics, where they differ: `generation`, `name`, both values.
    """
    artifacts, metrics = [], []
    chain = graph.chain(record.manifest)[0] if record.manifest else []
    for manifest in chain:
        old = graph.record_of(manifest, record)
        new = rebuilt.places[WORKSPACE].get(old.generation)
        fresh = {} if new is None else _made(rebuilt, new)
        for path, made in sorted(_made(graph, old).items()):
            artifacts.append({"path": path, "same": fresh.get(path) == made})
        if new is not None and "metrics" in old.blobs and "metrics" in new.blobs:
            metrics += _different(graph, old, rebuilt, new)
    return artifacts, metrics


def _different(graph: Graph, old: Recorded, rebuilt: Graph, new: Recorded) -> list[dict[str, Any]]:
    before, after = (
        flatten(g.index.content(_key(g, r.blobs["metrics"])))
        for g, r in ((graph, old), (rebuilt, new))
    )
    return [
        {"generation": old.generation, "name": name, "then": value, "now": after.get(name)}
        for name, value in before.items()
        # what the calls took belongs to the calls, which are not made again
        if after.get(name) != value and isinstance(value, int | float)
    ]


def _key(graph: Graph, blob: int) -> str:
    return str(next(graph.index.rows("SELECT key FROM blobs WHERE id = ?", (blob,)))[0])
