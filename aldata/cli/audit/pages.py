"""The answers of `aldata audit`, for readers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def model_page(found: dict[str, Any], most: int | None) -> str:
    """What a model was made from; at most so many calls are listed (None: all)."""
    training = found["training"] or {}
    lines = [
        f"model of {found['generation']}, checkpoint {found['checkpoint']}",
        *_tainted(found),
        f"  in {', '.join(found['versions'])}",
        f"  data set {found['dataset']}",
        *_training(training),
        *_mlflow(found["mlflow"]),
        *_theory(found["theory"]),
        *_origin(found["origin"]),
        "",
        "Generations behind it",
        _table(found["chain"], CHAIN),
        "",
        "Calls that it uses",
        _table(found["totals"], TOTALS),
    ]
    calls = found["calls"]
    shown = calls if most is None else calls[:most]
    if shown:
        lines += ["", _table(shown, CALLS)]
    if len(shown) < len(calls):
        lines.append(f"... and {len(calls) - len(shown)} more: --all, or --json")
    return "\n".join([*lines, *_missing(found["missing"])])


CHAIN = {
    "generation": "generation",
    "strategy": "strategy",
    "explored_with": "explored with",
    "accepted": "accepted",
    "rejected": "rejected",
    "failed": "failed",
    "cpu_seconds": "CPU s",
    "checkpoint": "checkpoint",
    "update": "update",
    "git_baseline": "git baseline",
    "experiment": "experiment",
}
TOTALS = {"use": "use", "calls": "calls", "cpu_hours": "CPU hours", "meaning": ""}
CALLS = {
    "call": "call",
    "use": "use",
    "generation": "generation",
    "purpose": "purpose",
    "strategy": "strategy",
    "rank": "rank",
    "score": "score",
    "lineage": "lineage",
    "cpu_seconds": "CPU s",
    "host": "host",
    "retracted": "retracted",
}
"""Columns of the tables: key of the value, and heading."""


def _tainted(found: Mapping[str, Any]) -> list[str]:
    if not found["tainted"]:
        return []
    reasons = "; ".join(found["retracted"])
    return [f"  TAINTED: it uses {found['tainted']} retracted calls ({reasons})"]


def _training(training: Mapping[str, Any]) -> list[str]:
    if not training:
        return ["  how it was trained is not on record"]
    packages = training["packages"]
    named = [f"{name} {packages[name]}" for name in ("aldata", "torch", "mace-torch", "numpy")]
    settings = ", ".join(f"{k} {v}" for k, v in training["parameters"].items() if _is_plain(v))
    state = " with uncommitted changes" if training["uncommitted"] else ""
    return [
        f"  trained {training['started']} to {training['ended']} on {training['host']}, "
        f"random seed {training['random_seed']}",
        f"  {settings}",
        f"  {', '.join(named)}, Python {training['python']}",
        f"  from git commit {training['git_baseline']}{state}"
        + (f", experiment {training['experiment']}" if training["experiment"] else ""),
    ]


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _mlflow(found: Mapping[str, Any] | None) -> list[str]:
    if not found:
        return []
    return [f"  MLflow run {found['run']}, members {', '.join(found['members'])}"]


def _theory(theory: Mapping[str, Any] | None) -> list[str]:
    if theory is None:
        return ["  level of theory: not on record"]
    record = ", ".join(f"{k} {v}" for k, v in theory["record"].items() if _is_plain(v))
    return [f"  level of theory: {theory['oracle']}, {record}"]


def _origin(origin: Mapping[str, Any] | None) -> list[str]:
    if origin is None:
        return ["  what it began with is not on record"]
    files = [f"{path} (sha256 {digest})" for path, digest in origin["used"].items()]
    return [f"  began with {'; '.join(files)}"]


def calls_page(found: dict[str, Any]) -> str:
    """What some calls have reached."""
    calls = found["calls"]
    lines = [*_call(calls[0])] if len(calls) == 1 else _many(calls)
    lines += ["", "It has reached" if len(calls) == 1 else "They have reached"]
    rows = [_reached(item) for item in found["reached"]]
    lines.append(_table(rows, {name: name for name in rows[0]}) if rows else "nothing on record")
    return "\n".join([*lines, *_missing(found["missing"])])


def _call(call: Mapping[str, Any]) -> list[str]:
    asked = [f"{a['generation']} ({a['status']}, role {a['role']})" for a in call.get("asked", [])]
    lines = [
        f"call {call['call']}: {call.get('status', 'how it ended is not on record')}",
        f"  configuration {call['configuration'] or 'not on record (a moved copy)'}",
        f"  level of theory {call['theory']}",
        f"  purpose {call['purpose']}, in the data sets of {', '.join(asked) or 'no generation'}",
    ]
    lines += [
        f"  in the measurement {item['measurement'][:12]} of noise: {item['part']}"
        for item in call.get("measured", [])
    ]
    if call.get("host"):
        lines.append(
            f"  computed {call['start']} on {call['host']} with {call['version']}, "
            f"{call['cpu_seconds']:.4g} CPU s"
        )
    return lines


def _many(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    seconds = sum(call["cpu_seconds"] or 0.0 for call in calls)
    return [f"{len(calls)} calls, {seconds / 3600:.3g} CPU hours"]


def _reached(item: Mapping[str, Any]) -> dict[str, str]:
    """One row of the table: a generation as it is on record in some versions."""
    checkpoint = item["checkpoint"]
    return {
        "generation": item["generation"],
        "in": ", ".join(item["versions"]),
        "data set": f"{item['dataset']['digest'][:8]} {_counts(item['dataset']['roles'])}",
        "model": f"{checkpoint['digest'][:8]} {_counts(checkpoint['uses'])}" if checkpoint else "-",
        "calibration": _ways(item["calibration"]),
        "decision": _ways(item["decision"]),
        "metrics": _ways(item["metrics"]),
    }


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _ways(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    return f"{(found['digest'] or '?')[:8]} ({'; '.join(found['through'])})"


def _missing(lines: Iterable[str]) -> list[str]:
    listed = [f"  {line}" for line in lines]
    return ["", "MISSING: not on record, or not on this machine", *listed] if listed else []


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    from tabulate import tabulate

    body = [[_cell(key, row.get(key)) for key in columns] for row in rows]
    return str(tabulate(body, headers=list(columns.values()), floatfmt=".4g", missingval="-"))


def _cell(key: str, value: Any) -> Any:
    """A value as a table shows it: the first digits of a digest are enough for a reader."""
    short = {"checkpoint": 12, "explored_with": 12, "git_baseline": 10, "call": 16}
    return value[: short[key]] if key in short and isinstance(value, str) else value
