"""What the index keeps of each document of a record, by the document's name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from aldata import digest
from aldata.artifacts.entries import whole_manifest
from aldata.audit.sources import NOISE

RELEVANT = ("checkpoint.zarr", "calibration.json", "dataset.json", "predictions.zarr")
"""Artifacts whose use links one activity to another across the rows of calls."""


ORIGIN = (
    "sampler", "trajectory", "step", "temperature", "parent_configuration", "image", "bead", "sigma",
)  # fmt: skip
"""What a pick says of where the candidate came from; records of an older aldata do not."""

PARTS = ("asked again", "tighter", "repeat")
"""What a call is in a measurement of noise: a label, the same at tighter settings, or elsewhere."""


class Reader:
    """Takes documents into the tables; each is read once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def taken_in(self, name: str, key: str, read: Callable[[], bytes | None]) -> int | None:
        """The id of a document in the table `blobs`; None where its bytes are gone."""
        known = self.connection.execute("SELECT id FROM blobs WHERE key = ?", (key,)).fetchone()
        if known is not None:
            return int(known[0])
        content = read()
        if content is None:
            return None
        cursor = self.connection.execute("INSERT INTO blobs (key, name) VALUES (?, ?)", (key, name))
        blob = int(cursor.lastrowid or 0)
        summary, problem = None, None
        self.connection.execute("SAVEPOINT document")
        try:
            summary = self._summary(name, blob, json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            problem = f"cannot be read ({type(wrong).__name__}: {wrong})"
            self.connection.execute("ROLLBACK TO document")  # nothing of it counts
        self.connection.execute("RELEASE document")
        self.connection.execute(
            "UPDATE blobs SET summary = ?, problem = ? WHERE id = ?",
            (json.dumps(summary), problem, blob),
        )
        return blob

    def _summary(self, name: str, blob: int, content: Any) -> Any:
        if name.endswith(".activity"):
            return _of_activity(content)
        if name.startswith(NOISE):
            return self._measured(blob, content)
        if name == "dataset":
            return self._dataset(blob, content)
        if name == "calls":
            return self._facts(blob, content)
        if name == "selection":
            return self._picks(blob, content)
        if name == "noise":
            return {"digest": digest.of_json(content), "source": str(content.get("source"))}
        if name in ("calibration", "theory"):
            return {"digest": digest.of_json(content), "content": content}
        return {"digest": digest.of_json(content)}

    def _calls(self, pairs: Iterable[tuple[str, str | None]]) -> dict[str, int]:
        """Ids of calls in the table; a configuration is filled in where it was not known."""
        listed = [(bytes.fromhex(c), None if f is None else bytes.fromhex(f)) for c, f in pairs]
        self.connection.executemany(
            "INSERT INTO calls (call, configuration) VALUES (?, ?) ON CONFLICT (call) "
            "DO UPDATE SET configuration = coalesce(configuration, excluded.configuration)",
            listed,
        )
        find = "SELECT id FROM calls WHERE call = ?"
        return {c.hex(): self.connection.execute(find, (c,)).fetchone()[0] for c, _ in listed}

    def _dataset(self, blob: int, short: dict[str, Any]) -> dict[str, Any]:
        content = whole_manifest(short)
        entries = content["entries"]
        ids = self._calls((e["call"], e["configuration"]) for e in entries)
        self.connection.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    blob, ids[e["call"]], e["status"], e["role"], e["purpose"], e["lineage"],
                    bytes.fromhex(e["result"]), bytes.fromhex(e.get("duplicate_of") or ""),
                )
                for e in entries
            ],
        )  # fmt: skip
        kept = {key: value for key, value in content.items() if key != "entries"}
        return {"digest": digest.of_json(content), "content": kept}

    def _facts(self, blob: int, content: list[dict[str, Any]]) -> dict[str, Any]:
        ids = self._calls((fact["call_id"], None) for fact in content)
        names = ("status", "failure", "cpu_seconds", "wall_seconds", "host", "start", "end",
                 "version", "new")  # fmt: skip
        self.connection.executemany(
            "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(blob, ids[fact["call_id"]], *(fact.get(name) for name in names)) for fact in content],
        )
        return {"digest": digest.of_json(content)}

    def _measured(self, blob: int, content: dict[str, Any]) -> dict[str, Any]:
        """A file of `aldata noise`: per measurement the calls that it rests on, and their part in it."""
        found = {}
        for item in content["measurements"]:
            identity = digest.of_json(item)
            rows = list(_asked_again(item))
            ids = self._calls((call, configuration) for _, call, configuration in rows)
            self.connection.executemany(
                "INSERT INTO noise_calls VALUES (?, ?, ?, ?)",
                [(blob, identity, part, ids[call]) for part, call, _ in rows],
            )
            levels = [item["tighter_theory"]["record"], item["repeats_theory"]["record"]]
            found[identity] = dict(zip(PARTS[1:], levels, strict=True))
        self._facts(blob, content.get("calls", []))
        return {"digest": digest.of_json(content), "theory": content["theory_id"], "of": found}

    def _picks(self, blob: int, content: dict[str, Any]) -> dict[str, Any]:
        self.connection.executemany(
            "INSERT OR REPLACE INTO picks VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (blob, bytes.fromhex(p["configuration"]), p["rank"], p["score"], p["probe"],
                 p["reason"], json.dumps({k: p[k] for k in ORIGIN if k in p}))
                for p in content["picks"]
            ],
        )  # fmt: skip
        return {
            "digest": digest.of_json(content),
            "strategy": content["attributes"].get("strategy"),
            "picks": len(content["picks"]),
            "pool": content.get("pool", {}),
        }


def _levels(facts: dict[str, Any]) -> dict[str, Any]:
    """Levels of theory of labels beside the data set's: id, and record where it is known."""
    found = {facts["labels_theory_id"]: None} if "labels_theory_id" in facts else {}
    levels = facts.get("fallbacks", {}).values()
    return {**found, **{digest.of_json(level["record"]): level["record"] for level in levels}}


def _asked_again(measurement: dict[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Every call of a measurement: its part, its id, and its configuration where that is on record."""
    for frame in measurement["frames"]:
        yield PARTS[0], frame["call"], frame["configuration"]
        if frame["tighter_call"] is not None:
            yield PARTS[1], frame["tighter_call"], frame["configuration"]
        for call in frame["repeat_calls"]:
            yield PARTS[2], call, None


def _of_activity(content: dict[str, Any]) -> dict[str, Any]:
    """What links the activity to others, and what names the run; the rest stays in the document."""
    kept = ("stage", "generation", "git_baseline", "experiment", "started", "ended", "host")
    used = {p: d for p, d in content["used"].items() if p.endswith(RELEVANT)}
    return {
        **{name: content[name] for name in kept},
        "used": used,
        "generated": content["generated"],
        "update": content["parameters"].get("update"),
        "mlflow": content.get("facts", {}).get("mlflow"),
        "levels": _levels(content.get("facts", {})),
    }
