"""What two data sets differ in: configurations, labels and roles, of two generations or two versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aldata.archive.lineage import Lineage
from aldata.artifacts.documents import Entry
from aldata.curate import retracted_in

CHANGES = {
    "configurations added": "asked for only in the second",
    "configurations removed": "asked for only in the first",
    "labels added": "calls only in the second",
    "labels removed": "calls only in the first",
    "results changed": "calls with another result or status",
    "roles changed": "calls with another role",
    "retracted": "calls retracted only in the second",
    "no longer retracted": "calls retracted only in the first",
}
"""Everything that is compared, and what it means."""


@dataclass(frozen=True)
class State:
    """What a lineage holds: per call its entry and role for good, and which calls are retracted."""

    calls: Mapping[str, Entry]
    roles: Mapping[str, str]
    retracted: frozenset[str]

    @classmethod
    def of(cls, lineage: Lineage) -> State:
        """Read from the manifests: a call counts as in the generation that first accepted it."""
        calls: dict[str, Entry] = {}
        for manifest in lineage.manifests:
            for entry in manifest.entries:
                known = calls.get(entry.call)
                if known is None or (known.status != "accepted" and entry.status == "accepted"):
                    calls[entry.call] = entry
        retracted = retracted_in(lineage.manifests)
        roles = {
            call: entry.role if entry.status == "accepted" else "none"
            for call, entry in calls.items()
        }
        return cls(calls, roles, frozenset(retracted))

    @property
    def configurations(self) -> set[str]:
        """Every configuration that was asked for."""
        return {entry.configuration for entry in self.calls.values()}


@dataclass(frozen=True)
class Difference:
    """Ids per kind of change (the keys of `CHANGES`): configurations, else calls, in order.

    roles : of calls whose role changed, the old and the new one.
    """

    changes: Mapping[str, list[str]]
    roles: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not any(self.changes.values())


def difference(first: Lineage, second: Lineage) -> Difference:
    """What `second` holds that `first` does not, and the other way round."""
    old, new = State.of(first), State.of(second)
    shared = set(old.calls) & set(new.calls)
    roles = {
        call: (old.roles[call], new.roles[call])
        for call in sorted(shared)
        if old.roles[call] != new.roles[call]
    }
    changes = {
        "configurations added": new.configurations - old.configurations,
        "configurations removed": old.configurations - new.configurations,
        "labels added": set(new.calls) - set(old.calls),
        "labels removed": set(old.calls) - set(new.calls),
        "results changed": {
            call
            for call in shared
            if (old.calls[call].result, old.calls[call].status)
            != (new.calls[call].result, new.calls[call].status)
        },
        "roles changed": set(roles),
        "retracted": set(new.retracted - old.retracted),
        "no longer retracted": set(old.retracted - new.retracted),
    }
    return Difference({name: sorted(ids) for name, ids in changes.items()}, roles)
