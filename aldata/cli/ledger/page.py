"""Everything that is known of one call, for readers and for programs."""

from __future__ import annotations

import json
from typing import Any

from aldata.artifacts.calls import Attempt, CallRecord
from aldata.errors import LedgerError
from aldata.ledger import Index, Ledger

SHORTEST = 4
"""Fewest digits of an id that are looked up."""


def found_call(ledger: Ledger, prefix: str) -> str:
    """The one call whose id, or whose configuration's id, begins so. Raises LedgerError."""
    prefix = prefix.lower()
    where = f"aldata ledger show {prefix}"
    if len(prefix) < SHORTEST or not set(prefix) <= set("0123456789abcdef"):
        raise LedgerError(
            f"'{prefix}' is not the beginning of an id",
            where=where,
            expected=f"at least {SHORTEST} of the hexadecimal digits of a call or a configuration",
        )
    kinds = (f"calls/{prefix[:2]}/{prefix}*.json", f"attempts/{prefix[:2]}/{prefix}*")
    found = sorted({path.stem for kind in kinds for path in ledger.folder.glob(kind)})
    if not found:
        with Index(ledger) as index:
            found = [row.call_id for row in index.of_configurations(prefix)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise LedgerError(
            "no call, and no configuration of one, has an id that begins so",
            where=where,
            next_step="look at the ids in generations/<name>/calls.json",
        )
    listing = "".join(f"\n    {identity}" for identity in found[:5])
    more = f"\n    and {len(found) - 5} more" if len(found) > 5 else ""
    raise LedgerError(
        f"{len(found)} calls begin so:{listing}{more}", where=where, next_step="give more digits"
    )


def document(ledger: Ledger, call_id: str) -> dict[str, Any]:
    """The call as plain values: `record` (None without a verdict), `attempts`, `raw` (paths)."""
    record: CallRecord | None = ledger.find(call_id)
    attempts = ledger.attempts(call_id) if record is None else record.attempts
    return {
        "call_id": call_id,
        "record": None if record is None else record.content(),
        "attempts": [attempt.content() for attempt in attempts],
        "raw": {attempt.id: _raw_paths(ledger, call_id, attempt) for attempt in attempts},
    }


def _raw_paths(ledger: Ledger, call_id: str, attempt: Attempt) -> list[str]:
    """Paths of an attempt's raw files that are here."""
    folder = ledger.folder / "raw" / call_id[:2] / call_id / attempt.id
    return [str(path) for path in sorted(folder.rglob("*")) if path.is_file()]


def page(found: dict[str, Any]) -> str:
    """The document of a call, with who asked for it, as text."""
    record = found["record"]
    lines = [f"call {found['call_id']}"]
    if record is None:
        lines.append("  no verdict yet: every attempt so far was interrupted, crashed, or runs now")
    else:
        lines += _verdict(record)
    if found["asked"]:
        lines += ["", "asked by", *(f"  {_asked(item)}" for item in found["asked"])]
    elif record is not None:
        lines += ["", "asked by no generation here"]
    if record is not None:
        lines += ["", "configuration", *_configuration(record)]
        theory = record["theory"]
        lines += ["", f"level of theory {record['theory_id']}", f"  oracle: {theory['oracle']}"]
        lines += [f"  {key}: {_short(value)}" for key, value in theory["record"].items()]
    for attempt in found["attempts"]:
        lines += ["", *_attempt(attempt, found["raw"][attempt["id"]])]
    return "\n".join(lines)


def _verdict(record: dict[str, Any]) -> list[str]:
    reason = "" if record["failure"] == "none" else f": {record['failure']}: {record['message']}"
    lines = [f"  {record['status']}{reason}"]
    if record["rebuilt"]:
        source = record["rebuilt"]
        revision = source["revision"] or "the workspace"
        lines.append(
            f"  rebuilt from the labels of {source['generation']} ({revision}, "
            f"store {source['labels'][:12]}): attempts and raw files are lost"
        )
    if record["energy"] is not None:
        lines.append(f"  energy      {record['energy']!r} eV")
        largest = max((sum(x * x for x in f) ** 0.5 for f in record["forces"]), default=0.0)
        lines.append(
            f"  forces      largest {largest:.6g} eV/A, net {record['net_force']:.3g} eV/A"
        )
    if record["stress"] is not None:
        lines.append(f"  stress      {' '.join(f'{x:.6g}' for x in record['stress'])} eV/A^3")
    steps = "" if record["scf_steps"] is None else f" ({record['scf_steps']} SCF steps)"
    return [*lines, f"  converged   {_short(record['converged'])}{steps}"]


def _asked(item: dict[str, Any]) -> str:
    parts = [item["generation"]]
    if item["strategy"] not in ("-", item["generation"]):
        parts.append(f"strategy {item['strategy']}")
    for name in ("purpose", "rank", "reason"):
        if item[name] is not None:
            parts.append(f"{name} {item[name]}")
    if item["score"] is not None:
        parts.append(f"score {item['score']:.6g}")
    if item["probe"]:
        parts.append("a random probe")
    if item["computed"] is not None:
        parts.append("computed by this generation" if item["computed"] else "known already")
    return ", ".join(parts)


def _configuration(record: dict[str, Any]) -> list[str]:
    from ase.formula import Formula

    geometry = record["configuration"]
    return [
        f"  {record['configuration_id']}",
        f"  {Formula.from_list(_symbols(geometry['numbers'])).format('hill')}, "
        f"{len(geometry['numbers'])} atoms, periodic {geometry['pbc']}, "
        f"charge {geometry['charge']}, unpaired electrons {geometry['spin']}",
    ]


def _symbols(numbers: list[int]) -> list[str]:
    from ase.data import chemical_symbols

    return [chemical_symbols[number] for number in numbers]


def _attempt(attempt: dict[str, Any], paths: list[str]) -> list[str]:
    peak = attempt["memory_peak_bytes"]
    memory = "" if peak is None else f", {peak / 1e6:.0f} MB"
    job = f", job {attempt['scheduler_job']}" if attempt["scheduler_job"] else ""
    lines = [
        f"attempt {attempt['id']}: {attempt['outcome']}",
        f"  {attempt['start']} to {attempt['end']} on {attempt['host']}, {attempt['cores']} cores, "
        f"pid {attempt['pid']}{job}",
        f"  wall {attempt['wall_seconds']:.4g} s, CPU {attempt['cpu_seconds']:.4g} s{memory}, "
        f"exit code {attempt['exit_code']}",
        f"  {attempt['version']}, Python {attempt['python']}",
    ]
    lines += [f"  {attempt['message']}"] if attempt["message"] else []
    lines += [f"  warning: {text}" for text in attempt["warnings"]]
    digests = {file["name"]: file for file in attempt["files"] or []}
    for path in paths:
        file = next((f for name, f in digests.items() if path.endswith("/" + name)), None)
        facts = f"  {file['part']}, {file['bytes']} bytes, sha256 {file['sha256']}" if file else ""
        lines.append(f"  {path}{facts}")
    if digests and not paths:
        lines.append(f"  its {len(digests)} raw files are not here")
    return lines


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
