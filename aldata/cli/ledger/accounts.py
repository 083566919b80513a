"""What the calls cost: by generation, strategy, status, class of failure and level of theory."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from aldata.cli.ledger.asked import NOISE, Generation
from aldata.ledger import Index, Ledger
from aldata.ledger.index import Row

HOUR = 3600.0


def accounts(
    ledger: Ledger, generations: list[Generation], noise: Collection[str] = ()
) -> dict[str, Any]:
    """All accounts, as plain values. A call that several generations asked for was paid once.

    `noise`: the calls by which `aldata noise` measured, which no generation asked for.

    Per generation: `calls` it asked for, how many its stage computed (`computed`) and what these
    cost (`computed_cpu_hours`), and what all its calls cost whoever paid (`cpu_hours`).
    """
    with Index(ledger) as index:
        rows = {row.call_id: row for row in index.rows()}
        theories, damaged = index.theories(), [str(path) for path in index.damaged]
    used = {call["call_id"] for generation in generations for call in generation.calls}
    strategies: dict[str, set[str]] = {NOISE: set(noise)} if noise else {}
    for generation in generations:
        ids = {call["call_id"] for call in generation.calls}
        strategies.setdefault(generation.strategy, set()).update(ids)
    return {
        "ledger": str(ledger.folder),
        "total": _sum(rows.values()),
        "damaged": damaged,
        "generations": [_of_generation(generation, rows) for generation in generations],
        "strategies": [
            {"strategy": name, **_sum(rows[i] for i in ids if i in rows)}
            for name, ids in sorted(strategies.items())
        ],
        "statuses": _by(rows.values(), lambda row: {"status": row.status, "failure": row.failure}),
        "theories": _by(
            rows.values(),
            lambda row: {"theory_id": row.theory_id, "theory": _named(theories[row.theory_id])},
        ),
        "noise": _sum(rows[identity] for identity in noise if identity in rows),
        "unused": _sum(row for i, row in rows.items() if i not in used and i not in noise),
        "without_verdict": _without_verdict(ledger, set(rows)),
        "rebuilt": _sum(row for row in rows.values() if row.rebuilt),
    }


def _sum(rows: Iterable[Row]) -> dict[str, Any]:
    found = list(rows)
    return {
        "calls": len(found),
        "cpu_hours": sum(row.cpu_seconds for row in found) / HOUR,
        "wall_hours": sum(row.wall_seconds for row in found) / HOUR,
    }


def _by(rows: Iterable[Row], key: Any) -> list[dict[str, Any]]:
    groups: dict[str, tuple[dict[str, str], list[Row]]] = {}
    for row in rows:
        name = key(row)
        groups.setdefault(str(name), (name, []))[1].append(row)
    return [{**name, **_sum(members)} for _, (name, members) in sorted(groups.items())]


def _of_generation(generation: Generation, rows: dict[str, Row]) -> dict[str, Any]:
    statuses = [call["status"] for call in generation.calls]
    computed = [call for call in generation.calls if call.get("new")]
    return {
        "generation": generation.name,
        "strategy": generation.strategy,
        **{status: statuses.count(status) for status in ("accepted", "rejected", "failed")},
        "computed": len(computed),
        "computed_cpu_hours": sum(call["cpu_seconds"] for call in computed) / HOUR,
        "not_in_ledger": sum(call["call_id"] not in rows for call in generation.calls),
        **_sum(rows[c["call_id"]] for c in generation.calls if c["call_id"] in rows),
        "calls": len(generation.calls),
    }


def _without_verdict(ledger: Ledger, verdicts: set[str]) -> dict[str, Any]:
    """Calls that were begun and have no verdict: crashed, stopped, interrupted, or running now."""
    attempts = [a for i in ledger.with_attempts() - verdicts for a in ledger.attempts(i)]
    outcomes = sorted({attempt.outcome for attempt in attempts})
    return {
        "calls": len(ledger.with_attempts() - verdicts),
        "attempts": {name: sum(a.outcome == name for a in attempts) for name in outcomes},
        "cpu_hours": sum(attempt.cpu_seconds for attempt in attempts) / HOUR,
    }


def _named(theory: dict[str, Any]) -> str:
    """The oracle, and what names its method in the record."""
    record = theory["record"]
    keys = ("method", "xc", "functional", "basis", "calculator", "code")
    parts = [str(record[key]) for key in keys if isinstance(record.get(key), str)]
    return " ".join([theory["oracle"], *[p for p in parts if p != theory["oracle"]]])


def table(found: dict[str, Any]) -> str:
    """The accounts for readers."""
    total, unused, open_calls = found["total"], found["unused"], found["without_verdict"]
    lines = [
        f"{found['ledger']}: {total['calls']} calls, {total['cpu_hours']:.3g} CPU hours",
        *[f"DAMAGED {path} (aldata ledger verify)" for path in found["damaged"]],
    ]
    for name, title in (
        ("generations", "By generation (computed: by its own stage; the rest was known)"),
        ("strategies", "By strategy (a call that several asked for counts in each)"),
        ("statuses", "By status"),
        ("theories", "By level of theory"),
    ):
        if found[name]:
            lines += ["", title, _rows(found[name])]
    if found["noise"]["calls"]:
        lines += ["", f"{found['noise']['calls']} calls ({found['noise']['cpu_hours']:.3g} CPU hours) "
                  "measured the noise of the labels (aldata noise)"]  # fmt: skip
    if found["generations"] and unused["calls"]:
        lines += ["", f"{unused['calls']} calls ({unused['cpu_hours']:.3g} CPU hours) are used by no "
                  "generation here: of other branches, experiments, or projects"]  # fmt: skip
    if open_calls["calls"]:
        how = ", ".join(f"{count} {name}" for name, count in open_calls["attempts"].items())
        lines += ["", f"{open_calls['calls']} calls without a verdict ({how}): "
                  f"{open_calls['cpu_hours']:.3g} CPU hours"]  # fmt: skip
    if found["rebuilt"]["calls"]:
        lines += ["", f"{found['rebuilt']['calls']} calls were rebuilt from labels"]
    return "\n".join(lines)


def _rows(rows: list[dict[str, Any]]) -> str:
    from tabulate import tabulate

    shown = [{k: v[:12] if k == "theory_id" else v for k, v in row.items()} for row in rows]
    heads = {name: name.replace("_", " ") for name in shown[0]}
    return str(tabulate(shown, headers=heads, floatfmt=".3g"))
