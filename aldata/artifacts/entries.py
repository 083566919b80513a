"""The entries of a data set in a file: a row of text per call, with what many calls share said once.

Spelled out, an entry takes 360 to 430 bytes, more than a small molecule's label; so it takes 140.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aldata import digest

SHARED = ("status", "role", "purpose", "lineage")
"""What is said once for all calls that agree in it."""
FURTHER = ("call", "duplicate_of")
"""What a row adds as `name=value` where it does not follow from the rest."""
OWN = "{configuration}"
"""Stands in a lineage for the configuration of the call."""


CallOf = Callable[[str], str]
"""The id of the call about a configuration at the data set's level of theory."""


def call_id(configuration_id: str, theory_id: str) -> str:
    """Identity of a call: one configuration at one level of theory."""
    return digest.of_json({"configuration": configuration_id, "theory": theory_id})


def calls_at(theory_id: str) -> Callable[[str], str]:
    """`call_id` at one level of theory, for thousands of configurations: the JSON is not made anew."""
    end = f'","theory":{digest.canonical_json(theory_id)}}}'

    def call_of(configuration_id: str) -> str:
        if not configuration_id.isalnum():  # something that JSON may have to escape
            return call_id(configuration_id, theory_id)
        return digest.of_bytes(f'{{"configuration":"{configuration_id}{end}'.encode())

    return call_of


def shortened(entries: list[dict[str, Any]], call_of: CallOf) -> dict[str, Any] | None:
    """The entries as `groups` and `calls`; None where that could not be undone.

    `calls` are rows of configuration, result and the index of the group, and what is in `FURTHER`:
    an id that is not `call_of` the configuration, and of which call it is a copy.
    """
    groups: dict[tuple[str, ...], int] = {}
    rows = []
    for entry in entries:
        lineage = entry["lineage"].replace(entry["configuration"], OWN)
        shared = (*(entry[name] for name in SHARED[:-1]), lineage)
        words = [
            entry["configuration"],
            entry["result"],
            str(groups.setdefault(shared, len(groups))),
        ]
        if entry["call"] != call_of(entry["configuration"]):
            words.append(f"call={entry['call']}")
        if entry["duplicate_of"] is not None:
            words.append(f"duplicate_of={entry['duplicate_of']}")
        rows.append(" ".join(words))
    short = {"groups": [dict(zip(SHARED, one, strict=True)) for one in groups], "calls": rows}
    try:
        return short if spelled_out(short, call_of) == entries else None
    except ValueError:  # a word with a space in it
        return None


def spelled_out(short: dict[str, Any], call_of: CallOf) -> list[dict[str, Any]]:
    """The entries that `shortened` was given. Raises ValueError for anything else."""
    try:
        return [_entry(row, short["groups"], call_of) for row in short["calls"]]
    except (AttributeError, IndexError, KeyError, TypeError) as problem:
        raise ValueError(f"entries cannot be read ({problem!r})") from problem


def _entry(row: str, groups: list[dict[str, Any]], call_of: CallOf) -> dict[str, Any]:
    configuration, result, group, *words = row.split(" ")
    further = _further(words) if words else {}
    shared = groups[int(group)]
    return {
        "call": further.get("call") or call_of(configuration),
        "configuration": configuration,
        "result": result,
        **shared,
        "lineage": shared["lineage"].replace(OWN, configuration),
        "duplicate_of": further.get("duplicate_of"),
    }


def _further(words: list[str]) -> dict[str, str]:
    further = dict(word.split("=", 1) for word in words)
    if unknown := set(further) - set(FURTHER):
        raise ValueError(f"entries have unknown words: {', '.join(sorted(unknown))}")
    return further


def whole_manifest(content: Any) -> Any:
    """The content of a `dataset.json` with its entries spelled out: what its digest is of.

    Raises ValueError for entries that cannot be read.
    """
    if isinstance(content, dict) and isinstance(content.get("entries"), dict):
        calls = calls_at(str(content.get("theory_id")))
        return {**content, "entries": spelled_out(content["entries"], calls)}
    return content
