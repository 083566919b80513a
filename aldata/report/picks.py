"""What each generation asked for, why, and what came of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.archive import StoredFrames
from aldata.archive.source import StoredSource
from aldata.artifacts.documents import Entry, Manifest
from aldata.artifacts.layout import name_of, path_of
from aldata.errors import DamagedArtifact
from aldata.report.generations import document_of, record_of
from aldata.report.structures import SHOWN
from aldata.store import Tree

Row = dict[str, Any]
Judged = dict[tuple[str, str], dict[str, float | None]]
"""Numbers of (generation, configuration)."""

NOT_JUDGED: dict[str, float | None] = {"sigma_forces": None, "error_forces": None}
ASKED_FOR = (
    "rank", "score", "probe", "sampler", "trajectory", "step", "temperature", "image", "bead",
)  # fmt: skip


def picks(tree: Tree, generation: str, judged: Judged) -> Row | None:
    """The decision of a generation, from its record; None before there is one.

    reasons : how many were picked for each. rows : a pick each, in the order of ranks, probes last, with
    what its call came to and, in eV/A, the parent's uncertainty of it and its error (see `judgements`).
    """
    record = record_of(tree, generation, "selection")
    if record is None:
        return None
    entry_of = {entry.configuration: entry for entry in entries_of(tree, generation)}
    calls = {call["call_id"]: call for call in document_of(tree, generation, "calls") or []}
    rows = [
        _pick(pick, entry_of.get(pick["configuration"]), calls)
        | judged.get((generation, pick["configuration"]), NOT_JUDGED)
        for pick in sorted(record["picks"], key=lambda pick: (pick["probe"], pick["rank"]))
    ]
    attributes = record["attributes"]
    reasons = Counter((pick["reason"], bool(pick["probe"])) for pick in record["picks"])
    return {
        "strategy": attributes["strategy"],
        "asked": attributes.get("asked"),
        "score_unit": attributes.get("facts", {}).get("score_unit", ""),
        "pool": attributes.get("pool", {}),
        "warnings": attributes.get("warnings", []),
        "avoided": attributes.get("avoided", {}).get("candidates", 0),
        "reasons": [
            {"reason": reason, "probe": probe, "picks": count}
            for (reason, probe), count in reasons.most_common()
        ],
        "rows": rows,
    }


def entries_of(tree: Tree, generation: str) -> list[Entry]:
    """The entries of a generation's data set; none before there is one."""
    path = path_of(generation, name_of(Manifest))
    content = document_of(tree, generation, name_of(Manifest))
    if content is None:
        return []
    return Manifest.checked(content, str(tree.root / path), DamagedArtifact).entries


def _pick(pick: Row, entry: Entry | None, calls: dict[str, Row]) -> Row:
    call = calls.get(entry.call, {}) if entry else {}
    return {
        "id": pick["configuration"][:SHOWN],
        **{name: pick.get(name) for name in ASKED_FOR},
        "status": call.get("status", entry.status if entry else None),
        "failure": call.get("failure"),
        "cpu_seconds": call.get("cpu_seconds"),
        "role": entry.role if entry else None,
    }


def judgements(tree: Tree, candidates: StoredFrames) -> Judged:
    """Uncertainty and error of the parent's model on every pick among the candidates, in eV/A.

    sigma_forces : as in `aldata query`, the largest of the frame's atoms. error_forces : the largest length
    of an atom's force error; None unless the call was accepted.
    """
    ids = {
        (generation, pick["configuration"])
        for generation in candidates.generations
        for pick in (record_of(tree, generation, "selection") or {"picks": []})["picks"]
    }
    keys = list(zip(candidates.column("generation").tolist(), candidates.ids, strict=True))
    rows = np.flatnonzero([key in ids for key in keys])
    if not len(rows):
        return {}
    asked = candidates[rows]
    sigmas, errors = asked.quantity("sigma_forces"), _largest_errors(asked)
    return {
        keys[row]: {"sigma_forces": _known(sigma), "error_forces": _known(error)}
        for row, sigma, error in zip(rows.tolist(), sigmas, errors, strict=True)
    }


def _largest_errors(asked: StoredFrames) -> npt.NDArray[np.float64]:
    """Largest force error of each frame: (frame,), NaN where it has no prediction or no result."""
    source = StoredSource(asked)
    found = np.full(len(asked), np.nan)
    forces = {}
    for artifact in ("predictions", "labels"):
        rows, columns = source.beside(artifact, ["forces"])
        parts = np.split(columns["forces"], np.cumsum(columns["row_size"])[:-1])
        forces[artifact] = dict(zip(rows.tolist(), parts, strict=False))
    for row in forces["predictions"].keys() & forces["labels"].keys():
        error = forces["predictions"][row] - forces["labels"][row]
        found[row] = np.sqrt((error**2).sum(axis=1)).max()
    return found


def _known(value: float) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None
