"""Who asked for a call: read from the generations, because the ledger is shared and does not know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aldata import store
from aldata.artifacts.frames import Labels, Selection
from aldata.artifacts.layout import SEED, path_of
from aldata.artifacts.schema import PURPOSES
from aldata.errors import AldataError
from aldata.noise import FOLDER, NoiseFile

NOISE = "aldata noise"
"""Stands for a strategy where no strategy chose the call."""


@dataclass(frozen=True)
class Generation:
    """The calls of one generation, as its stage wrote them down; `strategy` chose them."""

    name: str
    strategy: str
    calls: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """One generation's reason for a call. Rank 0 was picked first; a probe was drawn at random.

    `computed` says whether this generation's stage computed the call, rather than found it known.
    For a measurement of noise, `generation` is its file, and who computed is not known.
    """

    generation: str
    strategy: str
    purpose: str | None
    rank: int | None
    score: float | None
    probe: bool | None
    reason: str | None
    computed: bool | None


def generations(root: Path) -> list[Generation]:
    """Every generation below `root` that has calls; the seed first."""
    found = [_generation(root, name) for name in _names(root)]
    return [generation for generation in found if generation.calls]


def noise_calls(root: Path) -> dict[str, tuple[str, str]]:
    """Calls by which noise was measured: the measurement's file below `root`, and what was asked."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted((root / FOLDER).glob("*.json")):
        file = path.relative_to(root).as_posix()
        for measurement in store.read_document(path, NoiseFile).measurements:
            for frame in measurement.frames:
                if frame.tighter_call is not None:
                    found.setdefault(frame.tighter_call, (file, "tighter settings"))
                for call in frame.repeat_calls:
                    found.setdefault(call, (file, "repeat, moved and from another start"))
    return found


def who_asked(root: Path, call_id: str, configuration_id: str) -> list[Asked]:
    """The generations below `root` that asked for a call, and why; measurements of noise too."""
    found = [
        Asked(file, NOISE, purpose, None, None, None, None, None)
        for call, (file, purpose) in noise_calls(root).items()
        if call == call_id
    ]
    for generation in generations(root):
        for call in generation.calls:
            if call["call_id"] == call_id:
                pick = _pick(root, generation.name, configuration_id)
                found.append(
                    Asked(
                        generation=generation.name,
                        strategy=generation.strategy,
                        purpose=_purpose(root, generation.name, call_id),
                        rank=pick.get("rank"),
                        score=pick.get("score"),
                        probe=pick.get("probe"),
                        reason=pick.get("reason"),
                        computed=bool(call.get("new")),
                    )
                )
    return found


def _names(root: Path) -> list[str]:
    names = sorted(path.name for path in (root / "generations").glob("*/") if path.is_dir())
    return sorted(names, key=lambda name: name != SEED)


def _generation(root: Path, name: str) -> Generation:
    calls = _first(_json(root / path_of(name, "calls")), _json(_record(root, name, "calls")))
    strategy = SEED if name == SEED else _strategy(root, name)
    return Generation(name, strategy, calls or [])


def _strategy(root: Path, name: str) -> str:
    for selection in _selections(root, name):
        return str(selection["attributes"].get("strategy", "-"))
    return "-"


def _pick(root: Path, name: str, configuration_id: str) -> dict[str, Any]:
    """What the selection says of a configuration; empty where it was not selected."""
    for selection in _selections(root, name):
        for pick in selection["picks"]:
            if pick["configuration"] == configuration_id:
                return dict(pick)
    return {}


def _selections(root: Path, name: str) -> Iterator[dict[str, Any]]:
    """The selection, as git keeps it in the record, or else from the store of a running generation."""
    recorded = _json(_record(root, name, "selection"))
    if recorded is not None:
        yield recorded
        return
    path = root / path_of(name, "selection")
    if path.exists():
        selection = store.read(path, Selection)
        reasons = selection.attributes["reasons"]
        yield {
            "attributes": selection.attributes,
            "picks": [
                {
                    "configuration": identity,
                    "rank": int(selection.rank[row]),
                    "score": float(selection.score[row]),
                    "probe": bool(selection.probe[row]),
                    "reason": reasons[int(selection.reason[row])],
                }
                for row, identity in enumerate(selection.ids)
            ],
        }


def _purpose(root: Path, name: str, call_id: str) -> str | None:
    """Why the label exists; None where the labels are not here."""
    try:
        labels = store.read(root / path_of(name, "labels"), Labels)
    except AldataError:
        return None
    rows = [row for row, identity in enumerate(labels.call_ids) if identity == call_id]
    return PURPOSES[int(labels.purpose[rows[0]])] if rows else None


def _record(root: Path, name: str, document: str) -> Path:
    return root / "generations" / name / "record" / f"{document}.json"


def _json(path: Path) -> Any:
    return store.read_json(path) if path.exists() else None


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
