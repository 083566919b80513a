"""Which calls a model rests on, and which data sets and models a call has reached.

Both directions are one walk: down the tree of data sets, each a delta on its parent's, with what every
call is used for kept up to date and taken back on the way up. It costs as much as there are rows, not
rows times generations.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aldata.audit.graph import Graph, Manifest, Recorded

USES: dict[str, str] = {
    "train": "its weights were fitted to it",
    "valid": "it decided when training had converged, and which weights stay",
    "probe": "its calibration was fitted to it",
    "isolated_atom": "it gave the energy of an isolated atom, from which all energies count",
    "noise": "the noise of its labels was measured with it; its frames were chosen and its calibration "
    "fitted by that",
    "inherited": "retracted since, but its weights go on from a model that was trained on it",
}
"""What a model can use a call for."""

DIRECT = frozenset({"train", "valid", "probe"})
LEARNED = frozenset({"train", "valid"})

Row = tuple[int, str, str, str]
"""Call (id in the index), status, role and purpose of one entry of a data set."""


Count = tuple[str | None, str]
"""What calls are counted by: their use, and their role (or that they are retracted)."""


@dataclass(frozen=True)
class Before:
    """What a call was before a data set said something new of it."""

    call: int
    role: str | None
    settled: bool
    retracted: bool


@dataclass
class Change:
    """What a data set did, to be taken back: calls that are new with it, and what others were."""

    new: list[int] = field(default_factory=list)
    counts: Counter[Count] = field(default_factory=Counter)
    before: list[Before] = field(default_factory=list)
    lost: dict[int, str] = field(default_factory=dict)


class State:
    """What every call is used for after the data sets of a chain.

    counting : whether numbers of calls are kept up to date, too (`used`, `roles`).
    """

    def __init__(self, counting: bool = True) -> None:
        self.counting = counting
        self.role: dict[int, str] = {}
        self.settled: set[int] = set()
        self.retracted: set[int] = set()
        self.atoms: set[int] = set()
        self.tests: set[int] = set()
        self.counts: Counter[Count] = Counter()

    def used(self) -> dict[str, int]:
        """Number of calls by what a model of this data set uses them for directly."""
        found: Counter[str] = Counter()
        for (use, _), count in self.counts.items():
            if use is not None:
                found[use] += count
        return dict(found)

    def roles(self) -> dict[str, int]:
        """Number of calls by role; retracted ones apart."""
        found: Counter[str] = Counter()
        for (_, role), count in self.counts.items():
            found[role] += count
        return {role: count for role, count in found.items() if count}

    def use(self, call: int) -> str | None:
        """What a model of this data set uses a call for directly; None for nothing."""
        if call in self.atoms:
            return "isolated_atom"
        role = self.role.get(call)
        return role if role in DIRECT and call not in self.retracted else None

    def uses(self) -> dict[int, str]:
        """All calls that a model of this data set uses directly."""
        found = {
            call: role
            for call, role in self.role.items()
            if role in DIRECT and call not in self.retracted
        }
        return {**found, **dict.fromkeys(self.atoms, "isolated_atom")}

    def apply(
        self, rows: Sequence[Row], retracted: Iterable[int], restored: Iterable[int], root: bool
    ) -> Change:
        """Take in a data set; what to take back later, and which learned calls were lost by it.

        A call keeps the role with which it was first accepted.
        """
        change = Change()
        known = [row for row in rows if row[0] in self.role and row[0] not in self.settled]
        new = {row[0]: row for row in rows if row[0] not in self.role}
        self.role.update({call: row[2] for call, row in new.items()})
        self.settled.update([call for call, row in new.items() if row[1] == "accepted"])
        if root:
            self._begin(new.values())
        change.new = list(new)
        if self.counting:
            change.counts = Counter(map(self._counted_as, new))
            self.counts.update(change.counts)
        for call, status, role, _ in known:
            change.before.append(self._leave(call))
            self.role[call] = role
            if status == "accepted":
                self.settled.add(call)
            self.counts[self._counted_as(call)] += 1
        for gone, calls in ((True, retracted), (False, restored)):
            for call in calls:
                use = self.use(call)
                change.before.append(self._leave(call))
                (self.retracted.add if gone else self.retracted.discard)(call)
                if call in self.role:
                    self.counts[self._counted_as(call)] += 1
                if gone and use in LEARNED:
                    change.lost[call] = str(use)
        return change

    def undo(self, change: Change) -> None:
        """Take a data set back."""
        for before in reversed(change.before):
            call = before.call
            self._leave(call)
            if not before.settled:
                self.settled.discard(call)
            (self.retracted.add if before.retracted else self.retracted.discard)(call)
            if before.role is not None:
                self.role[call] = before.role
                self.counts[self._counted_as(call)] += 1
        self.counts.subtract(change.counts)
        for call in change.new:
            del self.role[call]
        for calls in (self.settled, self.atoms, self.tests):
            calls.difference_update(change.new)

    def _begin(self, rows: Iterable[Row]) -> None:
        """Isolated atoms and the test set: the seed asks for them, for all generations."""
        for call, status, _, purpose in rows:
            if status == "accepted" and purpose == "isolated_atom":
                self.atoms.add(call)
            if status == "accepted" and purpose == "test":
                self.tests.add(call)

    def _leave(self, call: int) -> Before:
        """What a call is now, no longer counted."""
        if call in self.role:
            self.counts[self._counted_as(call)] -= 1
        return Before(call, self.role.get(call), call in self.settled, call in self.retracted)

    def _counted_as(self, call: int) -> Count:
        role = "retracted" if call in self.retracted else self.role[call]
        if call in self.atoms:
            return "isolated_atom", role
        return (role if role in DIRECT else None), role


@dataclass(frozen=True)
class Visit:
    """One data set on the walk: the state behind it, its own rows, and what its models inherited."""

    manifest: Manifest
    state: State
    own: list[Row]
    inherited: dict[str, dict[int, str]]


def walk(
    graph: Graph, calls: Iterable[int] | None, only: set[str] | None = None
) -> Iterator[Visit]:
    """Visit data sets, parents first; each visit is valid until the next.

    calls : the calls that are followed; None for all. only : digests of the data sets to visit.
    """
    rows = _rows(graph, calls, only)
    chosen = None if calls is None else set(calls)
    state = State(counting=calls is not None)
    inherited: dict[str, dict[int, str]] = {}
    stack: list[tuple[str, Change | None]] = [(d, None) for d in graph.children[None]]
    while stack:
        digest, change = stack.pop()
        if change is not None:
            state.undo(change)
            continue
        if only is not None and digest not in only:
            continue
        manifest = graph.manifests[digest]
        own = rows.get(manifest.blob, [])
        gone, back = (_ids(graph, manifest, key, chosen) for key in ("retracted", "restored"))
        change = state.apply(own, gone, back, manifest.parent is None)
        stack.append((digest, change))
        for record in graph.of_manifest[digest]:
            _inherit(graph, record, state, change.lost, inherited)
        yield Visit(manifest, state, own, inherited)
        stack += [(child, None) for child in graph.children[digest]]


def _inherit(
    graph: Graph,
    record: Recorded,
    state: State,
    lost: dict[int, str],
    inherited: dict[str, dict[int, str]],
) -> None:
    """What a model knows by going on from its parent's weights, and no longer from its data set."""
    if not record.trained or record.activity("train").get("update") in (None, "retrain"):
        return
    for parent in record.used("train", "checkpoint.zarr").values():
        if parent in graph.of_checkpoint:
            known = {**inherited.get(parent, {}), **lost}
            kept = {call: use for call, use in known.items() if state.use(call) is None}
            inherited[str(record.checkpoint)] = kept


def _rows(
    graph: Graph, calls: Iterable[int] | None, only: set[str] | None
) -> Mapping[int, list[Row]]:
    """Entries by the id of the data set in the index, in their order."""
    found: dict[int, list[Row]] = defaultdict(list)
    columns = "entries.call, status, role, purpose"
    if calls is not None:
        choose(graph, calls)
        query = (
            f"SELECT blob, {columns} FROM entries JOIN chosen ON chosen.call = entries.call "
            "ORDER BY entries.rowid"
        )
        for blob, *row in graph.index.rows(query):
            found[blob].append(tuple(row))
        return found
    for digest in graph.manifests if only is None else only:
        blob = graph.manifests[digest].blob
        query = f"SELECT {columns} FROM entries WHERE blob = ? ORDER BY rowid"
        found[blob] = list(graph.index.rows(query, (blob,)))
    return found


def choose(graph: Graph, calls: Iterable[int]) -> None:
    """Fill the table `chosen` of this connection."""
    connection = graph.index.connection
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS chosen (call INTEGER PRIMARY KEY)")
    connection.execute("DELETE FROM chosen")
    connection.executemany("INSERT OR IGNORE INTO chosen VALUES (?)", ((c,) for c in calls))


def _ids(graph: Graph, manifest: Manifest, key: str, chosen: set[int] | None) -> list[int]:
    """Ids in the index of the calls that a data set takes back or restores."""
    items: list[dict[str, Any]] = manifest.content.get(key, [])
    hashes = [(bytes.fromhex(item["call"]),) for item in items]
    query = "SELECT id FROM calls WHERE call = ?"
    found = [row[0] for value in hashes for row in graph.index.rows(query, value)]
    return [call for call in found if chosen is None or call in chosen]
