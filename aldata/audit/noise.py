"""Calls that no data set holds: those by which `aldata noise` measured, and what they reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from aldata import digest
from aldata.audit.documents import PARTS
from aldata.audit.graph import Graph, Measured, Recorded


def measurement_of(graph: Graph, record: Recorded) -> Measured | None:
    """The measurement that a recorded generation's noise comes from, if it is on record."""
    return graph.measured.get(record.measurement or "")


def noise_calls(graph: Graph, measured: Measured | None, parts: Sequence[str] = PARTS) -> list[int]:
    """Ids in the index of the calls that a measurement rests on, of these parts of it."""
    if measured is None:
        return []
    query = "SELECT call, part FROM noise_calls WHERE blob = ? AND measurement = ?"
    rows = graph.index.rows(query, (measured.blob, measured.digest))
    return [call for call, part in rows if part in parts]


def measured_with(graph: Graph, calls: Iterable[int]) -> dict[str, dict[int, tuple[Measured, str]]]:
    """The measurements on record that rest on any of the calls, by digest: those calls, and their part."""
    present = {(item.blob, item.digest): item for item in graph.measured.values()}
    found: dict[str, dict[int, tuple[Measured, str]]] = defaultdict(dict)
    wanted = set(calls)
    if not present:
        return found
    for blob, measurement, part, call in graph.index.rows("SELECT * FROM noise_calls"):
        if call in wanted and (blob, measurement) in present:
            found[measurement][call] = (present[blob, measurement], part)
    return found


def level_of(measured: Measured, part: str) -> str:
    """Id of the level of theory of a part of a measurement."""
    return measured.theory_id if part == PARTS[0] else digest.of_json(measured.levels[part])
