"""The calls that a model uses, as a list of records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

from aldata.artifacts.entries import call_id
from aldata.audit.documents import PARTS
from aldata.audit.graph import Graph, Manifest, Recorded
from aldata.audit.noise import level_of, measurement_of
from aldata.audit.retractions import taken_back
from aldata.audit.uses import USES

COLUMNS = (
    "use", "generation", "theory", "strategy", "retracted",
    "call", "configuration", "role", "purpose", "lineage", "cpu_seconds", "wall_seconds", "host",
    "start", "end", "version", "rank", "score", "probe", "reason",
)  # fmt: skip
"""What a record says of a call."""

CALLS = """
SELECT calls.id, calls.call, calls.configuration, entries.role, purpose, lineage, cpu_seconds, wall_seconds,
    host, start, ended, version, rank, score, probe, reason
FROM entries JOIN calls ON calls.id = entries.call
LEFT JOIN facts ON facts.blob = ? AND facts.call = entries.call
LEFT JOIN picks ON picks.blob = ? AND picks.configuration = calls.configuration
WHERE entries.blob = ? AND entries.status = 'accepted' ORDER BY entries.rowid
"""
"""The accepted calls of a data set; imported labels have no facts, the seed's no picks."""

NOISE_CALLS = """
SELECT calls.id, calls.call, calls.configuration, NULL, 'noise', NULL, cpu_seconds, wall_seconds,
    host, start, ended, version, NULL, NULL, NULL, NULL
FROM noise_calls AS noise JOIN calls ON calls.id = noise.call
LEFT JOIN facts ON facts.blob = noise.blob AND facts.call = noise.call
WHERE noise.blob = ? AND noise.measurement = ? AND noise.part = ? ORDER BY noise.rowid
"""
"""The calls of a part of a measurement; files of an older aldata say nothing of their cost."""

COST = 6
"""Place of the CPU seconds in a row of these."""

Row = tuple[Any, ...]


class Block(NamedTuple):
    """What the calls of one document have in common; `levels` are further levels of theory in it."""

    generation: str
    theory: str
    strategy: str | None
    levels: Sequence[str] = ()


class UsedCalls(Sequence[dict[str, Any]]):
    """The calls that a model uses, in the order of generations, then those of its noise.

    Each becomes a record (`COLUMNS`) when it is looked at: to make a hundred thousand of them takes
    longer than to find them.
    """

    def __init__(self, graph: Graph, records: Sequence[Recorded], uses: Mapping[int, str]) -> None:
        self._uses = uses
        self._gone = taken_back(graph)
        self._rows: list[tuple[Block, Row]] = []
        seen: set[int] = set()
        for block, rows in _blocks(graph, records):
            own = [row for row in rows if row[0] in uses and row[0] not in seen]
            seen.update([row[0] for row in own])
            self._rows += [(block, row) for row in own]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, place: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(place, slice):
            return [self._record(block, row) for block, row in self._rows[place]]
        return self._record(*self._rows[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def totals(self) -> list[dict[str, Any]]:
        """Calls and CPU hours by use, in the order of `uses.USES`; a cost that is not known is none."""
        counts: Counter[str] = Counter()
        seconds: dict[str, float] = defaultdict(float)
        for _, row in self._rows:
            use = self._uses[row[0]]
            counts[use] += 1
            seconds[use] += row[COST] or 0.0
        return [
            {"use": use, "calls": counts[use], "cpu_hours": seconds[use] / 3600, "meaning": meaning}
            for use, meaning in USES.items()
            if counts[use]
        ]

    def retracted(self) -> dict[str, int]:
        """Why calls among them should not be used any more, and how many for each reason."""
        if not self._gone:
            return {}
        return dict(Counter(self._gone[r[0]] for _, r in self._rows if r[0] in self._gone))

    def _record(self, block: Block, row: Row) -> dict[str, Any]:
        call, configuration = (None if value is None else value.hex() for value in row[1:3])
        theory = block.theory
        for level in block.levels:  # a call's id holds its level of theory
            if call == call_id(configuration or "", level):
                theory = level
        known = (self._uses[row[0]], block.generation, theory, block.strategy)
        values = (*known, self._gone.get(row[0]), call, configuration, *row[3:])
        record = dict(zip(COLUMNS, values, strict=True))
        record["probe"] = None if record["probe"] is None else bool(record["probe"])
        return record


def _blocks(graph: Graph, records: Sequence[Recorded]) -> Iterator[tuple[Block, Iterator[Row]]]:
    """Rows of every document that names calls: the data sets, the root's first, then the noise."""
    for record in records:
        manifest: Manifest = graph.manifests[str(record.manifest)]
        common = (record.generation, str(manifest.content["theory_id"]), record.strategy)
        documents = (record.blobs.get("calls", -1), record.blobs.get("selection", -1))
        found = graph.index.rows(CALLS, (*documents, manifest.blob))
        yield Block(*common, tuple(record.levels)), found
    measured = measurement_of(graph, records[-1]) if records else None
    if measured is not None:
        for part in PARTS:
            found = graph.index.rows(NOISE_CALLS, (measured.blob, measured.digest, part))
            block = Block(records[-1].generation, level_of(measured, part), f"noise: {part}")
            yield block, found
