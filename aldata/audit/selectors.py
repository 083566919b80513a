"""Which calls a user means: by id, configuration, level of theory, pseudopotential, host or dates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aldata import digest
from aldata.artifacts.entries import calls_at
from aldata.audit.documents import PARTS
from aldata.audit.graph import Graph, Manifest
from aldata.audit.noise import level_of, measured_with, noise_calls
from aldata.audit.uses import choose
from aldata.errors import InvalidInput

SHORTEST = 4
"""Fewest digits of an id that are looked up."""

KINDS: dict[str, str] = {
    "call": "beginning of a call id",
    "configuration": "beginning of a configuration id",
    "theory": "beginning of the id of a level of theory",
    "pseudopotential": "beginning of the sha256 of a file that a level of theory names",
    "host": "name of the machine that computed it",
    "date": "day or days on which it began, UTC: 2026-03-01 or 2026-03-01..2026-03-14",
}
"""What may stand before the colon of a selector, and what then stands behind it."""


def selected(graph: Graph, selectors: Sequence[str]) -> list[int]:
    """Ids in the index of the calls that satisfy all selectors.

    A selector is `kind:value` (`KINDS`), or hexadecimal digits alone: the beginning of a call id, of a
    configuration id, of a level of theory or of a pseudopotential's sha256, tried in this order.
    Raises InvalidInput for one that cannot be read or that nothing satisfies.
    """
    found: set[int] | None = None
    for selector in selectors:
        these = _one(graph, selector)
        found = these if found is None else found & these
    found = _on_record(graph, found or set())
    if not found:
        raise InvalidInput(
            "no call on record satisfies this",
            where=" ".join(selectors) or "selector",
            expected="; ".join(f"{kind}: {text}" for kind, text in KINDS.items()),
            next_step="aldata ledger show ID looks in the ledger, which may know calls that no "
            "generation has on record",
        )
    return sorted(found)


def _one(graph: Graph, selector: str) -> set[int]:
    kind, colon, value = selector.partition(":")
    if colon:
        if kind not in KINDS:
            raise InvalidInput(
                f"'{kind}' is no kind of selector", where=selector, expected=", ".join(KINDS)
            )
        return FINDERS[kind](graph, value)
    digits = _digits(selector)
    for kind in ("call", "configuration", "theory", "pseudopotential"):
        found = FINDERS[kind](graph, digits)
        if found:
            return found
    return set()


def _on_record(graph: Graph, calls: set[int]) -> set[int]:
    """Those of the calls that a data set or a measurement of noise names.

    The index also remembers versions that are gone.
    """
    choose(graph, calls)
    query = (
        "SELECT DISTINCT blob, entries.call FROM entries JOIN chosen ON chosen.call = entries.call"
    )
    present = {manifest.blob for manifest in graph.manifests.values()}
    found = {call for blob, call in graph.index.rows(query) if blob in present}
    return found.union(*measured_with(graph, calls).values())


def _digits(value: str) -> str:
    digits = value.lower()
    if len(digits) < SHORTEST or len(digits) > 64 or not set(digits) <= set("0123456789abcdef"):
        raise InvalidInput(
            f"'{value}' is not the beginning of an id",
            where="selector",
            expected=f"{SHORTEST} to 64 hexadecimal digits, or kind:value with one of "
            f"{', '.join(KINDS)}",
        )
    return digits


def _by_id(column: str) -> Callable[[Graph, str], set[int]]:
    def find(graph: Graph, value: str) -> set[int]:
        digits = _digits(value)
        low = bytes.fromhex(digits.ljust(64, "0"))
        high = bytes.fromhex(digits.ljust(64, "f"))
        query = f"SELECT id FROM calls WHERE {column} BETWEEN ? AND ?"
        return {row[0] for row in graph.index.rows(query, (low, high))}

    return find


def _of_theory(graph: Graph, value: str) -> set[int]:
    digits = _digits(value)
    return _of_theories(graph, lambda identity, _: identity.startswith(digits))


def _of_pseudopotential(graph: Graph, value: str) -> set[int]:
    digits = _digits(value)
    return _of_theories(graph, lambda _, record: any(t.startswith(digits) for t in _texts(record)))


def _of_theories(graph: Graph, wanted: Callable[[str, Any], bool]) -> set[int]:
    """Calls at the levels of theory that are wanted.

    A call's id holds its level of theory: a data set holds answers at another than its own, too, of
    fallbacks and of labels that were mixed in. Calls of `aldata noise` are in none.
    """
    known = levels(graph)
    found: set[int] = set()
    for manifest in graph.manifests.values():
        own = {str(manifest.content["theory_id"])}
        own.update(*(record.levels for record in graph.of_manifest[manifest.digest]))
        for identity in own:
            if wanted(identity, known[identity]):
                found |= _at_level(graph, manifest, identity)
    for measured in graph.measured.values():
        for part in PARTS:
            identity = level_of(measured, part)
            if wanted(identity, known[identity]):
                found.update(noise_calls(graph, measured, [part]))
    return found


def levels(graph: Graph) -> dict[str, Any]:
    """Every level of theory on record, by id: its record, or None where that is not known."""
    found: dict[str, Any] = {}
    for manifest in graph.manifests.values():
        found.setdefault(str(manifest.content["theory_id"]), None)
    for record in graph.records:
        found.update(record.levels)
        summary = record.summaries.get("theory")
        if summary is not None:
            content = summary["content"]["record"]
            found[digest.of_json(content)] = content
    for measured in graph.measured.values():
        found.setdefault(measured.theory_id, None)
        found.update({digest.of_json(level): level for level in measured.levels.values()})
    return found


def _at_level(graph: Graph, manifest: Manifest, identity: str) -> set[int]:
    """The calls of a data set at a level of theory."""
    call_of = calls_at(identity)
    query = (
        "SELECT calls.id, calls.call, configuration FROM entries "
        "JOIN calls ON calls.id = entries.call WHERE blob = ?"
    )
    rows = graph.index.rows(query, (manifest.blob,))
    return {call for call, own, of in rows if own.hex() == call_of(of.hex())}


def _texts(value: Any) -> list[str]:
    """Every text inside a JSON value."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]


def _of_host(graph: Graph, value: str) -> set[int]:
    return {row[0] for row in graph.index.rows("SELECT call FROM facts WHERE host = ?", (value,))}


def _of_dates(graph: Graph, value: str) -> set[int]:
    from datetime import date, timedelta

    first, dots, last = value.partition("..")
    try:
        begin = date.fromisoformat(first)
        end = (date.fromisoformat(last) if dots else begin) + timedelta(days=1)
    except ValueError:
        raise InvalidInput(
            f"'{value}' is no day and no range of days",
            where="selector",
            expected=KINDS["date"],
        ) from None
    query = "SELECT call FROM facts WHERE start >= ? AND start < ?"
    return {row[0] for row in graph.index.rows(query, (begin.isoformat(), end.isoformat()))}


FINDERS: dict[str, Callable[[Graph, str], set[int]]] = {
    "call": _by_id("call"),
    "configuration": _by_id("configuration"),
    "theory": _of_theory,
    "pseudopotential": _of_pseudopotential,
    "host": _of_host,
    "date": _of_dates,
}
"""How the calls of each kind of selector are found."""
