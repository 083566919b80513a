"""Near-copies share a role: of an ancestor's frame its role, within a generation one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aldata.artifacts.documents import Role
from aldata.artifacts.frames import Labels
from aldata.artifacts.schema import PURPOSES
from aldata.curate.duplicates import clusters, near_copies
from aldata.curate.roles import most_cautious


@dataclass(frozen=True)
class Placed:
    """One frame's role (None: still free to be train or valid), cluster and original.

    cluster : number shared with its near-copies in this generation. duplicate_of : the call it
    nearly copies, in the lineage if there is one; None for an original.
    """

    role: Role | None
    cluster: int
    duplicate_of: str | None


def place(
    frames: Labels, earlier: Labels, roles: Mapping[str, Role], tolerance: float
) -> list[Placed]:
    """Where every row of `frames` belongs by what it copies.

    `earlier` are the lineage's frames and `roles` their roles by call id.
    """
    calls, earlier_calls = frames.call_ids, earlier.call_ids
    purposes = [PURPOSES[int(p)] for p in frames.purpose]
    copies = [
        [earlier_calls[row] for row in rows] for rows in near_copies(frames, earlier, tolerance)
    ]
    clustered: dict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(clusters(frames, tolerance)):
        clustered[number].append(row)
    placed: dict[int, Placed] = {}
    for number, rows in clustered.items():
        inherited = [roles[call] for row in rows for call in copies[row]]
        shared = _shared_role(inherited, [purposes[row] for row in rows])
        first = min(rows, key=lambda row: (purposes[row] not in ("test", "probe"), calls[row]))
        for row in rows:
            settled = roles.get(calls[row])
            mine = settled or _own_role(shared, purposes[row])
            original = _original(copies[row], calls[first], calls[row])
            placed[row] = Placed(mine, number, None if settled else original)
    return [placed[row] for row in range(len(frames))]


def _shared_role(inherited: Sequence[Role], purposes: Sequence[str]) -> Role | None:
    if inherited:
        return most_cautious(inherited)
    if "test" in purposes:
        return "none"
    return "probe" if "probe" in purposes else None


def _own_role(shared: Role | None, purpose: str) -> Role | None:
    """A test frame is nobody's data; a probe that copies a frame to learn from can test nothing."""
    if purpose == "test" or (purpose == "probe" and shared in ("train", "valid")):
        return "none"
    return shared


def _original(copied: Sequence[str], first: str, own: str) -> str | None:
    if copied:
        return copied[0]
    return first if first != own else None
