"""The calls that a model uses, as a list of records."""

from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

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

COSTS = """
SELECT entries.call, cpu_seconds FROM entries
LEFT JOIN facts ON facts.blob = ? AND facts.call = entries.call
WHERE entries.blob = ? AND entries.status = 'accepted' ORDER BY entries.rowid
"""
NOISE_COSTS = """
SELECT noise.call, cpu_seconds FROM noise_calls AS noise
LEFT JOIN facts ON facts.blob = noise.blob AND facts.call = noise.call
WHERE noise.blob = ? AND noise.measurement = ? AND noise.part = ? ORDER BY noise.rowid
"""
"""The same calls and nothing but their cost: a third of the time."""

Row = tuple[Any, ...]


@dataclass(eq=False)
class Block:
    """The calls of one document: what they have in common, and where the rest is looked up.

    levels : further levels of theory in it. details : the query of `CALLS` or `NOISE_CALLS`.
    """

    graph: Graph
    generation: str
    theory: str
    strategy: str | None
    levels: Sequence[str]
    details: tuple[str, tuple[Any, ...]]

    @cached_property
    def rows(self) -> dict[int, Row]:
        """Everything on record about its calls, by their ids in the index."""
        return {row[0]: row for row in self.graph.index.rows(*self.details)}


class UsedCalls(Sequence[dict[str, Any]]):
    """The calls that a model uses, in the order of generations, then those of its noise.

    Each becomes a record (`COLUMNS`) when it is looked at, while the index is open: to look up and make
    a hundred thousand of them takes longer than to find and count them.
    """

    def __init__(self, graph: Graph, records: Sequence[Recorded], uses: Mapping[int, str]) -> None:
        self._uses = uses
        self._gone = taken_back(graph)
        self._blocks: list[tuple[int, Block]] = []
        self._costs: dict[int, float | None] = {}
        for block, costs in _blocks(graph, records):
            self._blocks.append((len(self._costs), block))
            for call, seconds in costs:
                if call in uses:
                    self._costs.setdefault(call, seconds)
        self._ids = list(self._costs)

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, place: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        places = range(len(self))[place]
        if isinstance(places, range):
            return [self._record(self._block_of(k), self._ids[k]) for k in places]
        return self._record(self._block_of(places), self._ids[places])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        ends = [*(begin for begin, _ in self._blocks[1:]), len(self)]
        for (begin, block), end in zip(self._blocks, ends, strict=True):
            for identity in self._ids[begin:end]:
                yield self._record(block, identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def totals(self) -> list[dict[str, Any]]:
        """Calls and CPU hours by use, in the order of `uses.USES`; a cost that is not known is none."""
        seconds: dict[str, list[float]] = defaultdict(list)
        for call, cost in self._costs.items():
            seconds[self._uses[call]].append(cost or 0.0)
        return [
            {
                "use": use,
                "calls": len(seconds[use]),
                "cpu_hours": sum(seconds[use]) / 3600,
                "meaning": meaning,
            }
            for use, meaning in USES.items()
            if use in seconds
        ]

    def retracted(self) -> dict[str, int]:
        """Why calls among them should not be used any more, and how many for each reason."""
        gone = self._gone.keys() & self._costs.keys()
        return dict(Counter(self._gone[call] for call in sorted(gone)))

    def _block_of(self, place: int) -> Block:
        return self._blocks[bisect(self._blocks, place, key=lambda item: item[0]) - 1][1]

    def _record(self, block: Block, identity: int) -> dict[str, Any]:
        row = block.rows[identity]
        call, configuration = row[1].hex(), row[2] and row[2].hex()
        theory = block.theory
        for level in block.levels:  # a call's id holds its level of theory
            if call == call_id(configuration or "", level):
                theory = level
        known = (self._uses[identity], block.generation, theory, block.strategy)
        values = (*known, self._gone.get(identity), call, configuration, *row[3:])
        record = dict(zip(COLUMNS, values, strict=True))
        record["probe"] = None if record["probe"] is None else bool(record["probe"])
        return record


def _blocks(graph: Graph, records: Sequence[Recorded]) -> Iterator[tuple[Block, Iterator[Row]]]:
    """Calls and costs of every document that names calls: data sets, the root's first, then the noise."""
    for record in records:
        manifest: Manifest = graph.manifests[str(record.manifest)]
        common = (graph, record.generation, str(manifest.content["theory_id"]), record.strategy)
        calls, picks = record.blobs.get("calls", -1), record.blobs.get("selection", -1)
        details = (CALLS, (calls, picks, manifest.blob))
        costs = graph.index.rows(COSTS, (calls, manifest.blob))
        yield Block(*common, tuple(record.levels), details), costs
    measured = measurement_of(graph, records[-1]) if records else None
    if measured is not None:
        for part in PARTS:
            common = (graph, records[-1].generation, level_of(measured, part), f"noise: {part}")
            values = (measured.blob, measured.digest, part)
            yield (
                Block(*common, (), (NOISE_CALLS, values)),
                graph.index.rows(NOISE_COSTS, values),
            )
