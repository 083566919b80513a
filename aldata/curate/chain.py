"""The chain of data sets from the root to a generation: what it holds, and if it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

from aldata import digest
from aldata.artifacts.documents import Entry, Manifest, Parent, Role
from aldata.artifacts.frames import Labels
from aldata.errors import DamagedArtifact, InvalidInput


@dataclass(frozen=True, eq=False)
class Lineage:
    """All ancestors of a generation.

    manifests : the ancestors' data sets, the root first and the parent last; empty for the root.
    labels : the ancestors' labels, concatenated in any order.
    """

    manifests: Sequence[Manifest]
    labels: Labels

    @property
    def parent(self) -> Manifest | None:
        """The parent's data set; None for the root."""
        return self.manifests[-1] if self.manifests else None

    @cached_property
    def calls(self) -> set[str]:
        """Every call of the lineage, however it ended."""
        return {entry.call for manifest in self.manifests for entry in manifest.entries}

    @cached_property
    def roles(self) -> dict[str, Role]:
        """Role for good of every accepted call of the lineage, retracted ones too."""
        roles: dict[str, Role] = {}
        for manifest in self.manifests:
            for entry in manifest.entries:
                if entry.status == "accepted":
                    roles.setdefault(entry.call, entry.role)
        return roles


def members(manifests: Sequence[Manifest]) -> dict[Role, list[str]]:
    """Call ids of every role along a chain (root first), retracted calls left out.

    A call that several generations asked for counts once; its role is that of the first generation
    in which it was accepted. Raises DamagedArtifact when a later one gives it another role.
    """
    known: dict[str, Role] = {}
    settled: set[str] = set()
    for manifest in manifests:
        for entry in manifest.entries:
            if entry.call in settled and entry.status == "accepted":
                _same_role(known[entry.call], entry, manifest.generation)
            elif entry.call not in settled:
                known[entry.call] = entry.role
                settled |= {entry.call} if entry.status == "accepted" else set()
    retracted = retracted_in(manifests)
    roles: dict[Role, list[str]] = {"train": [], "valid": [], "probe": [], "none": []}
    for call, role in known.items():
        if call not in retracted:
            roles[role].append(call)
    return roles


def retracted_in(manifests: Iterable[Manifest]) -> set[str]:
    """Calls that are retracted at the end of a chain (root first)."""
    gone: set[str] = set()
    for manifest in manifests:
        gone |= {item.call for item in manifest.retracted}
        gone -= {item.call for item in manifest.restored}
    return gone


def _same_role(known: Role, entry: Entry, generation: str) -> None:
    if entry.role != known:
        raise DamagedArtifact(
            f"call {entry.call} has role {entry.role}, but {known} in an earlier generation",
            where=f"data set of {generation}",
            next_step=f"dvc repro curate@{generation}",
        )


class Linked(Protocol):
    """What of a data set makes it part of a chain."""

    @property
    def generation(self) -> str:
        """The generation that it is the data set of."""
        ...

    @property
    def parent(self) -> Parent | None:
        """Name and digest of the parent's data set."""
        ...

    @property
    def theory_id(self) -> str:
        """The level of theory of its calls."""
        ...

    @property
    def digest(self) -> str:
        """Digest of the data set."""
        ...


L = TypeVar("L", bound=Linked)


def chain(read: Callable[[str], L], generation: str) -> list[L]:
    """The data sets from the root to `generation`, found and checked link by link.

    `read` gives the manifest of a generation, or its link. Raises DamagedArtifact naming the first
    link that does not hold.
    """
    manifests, names = [read(generation)], {generation}
    # a damaged link may lead back into the chain: then it is walked no further, and refused below
    while (link := manifests[-1].parent) is not None and link.generation not in names:
        names.add(link.generation)
        manifests.append(read(link.generation))
    manifests.reverse()
    verify_chain(manifests)
    return manifests


def verify_chain(manifests: Sequence[Linked]) -> None:
    """Check that every data set names the digest of the one before it (root first).

    Raises DamagedArtifact that names the first link which does not hold.
    """
    previous: Linked | None = None
    for manifest in manifests:
        link = manifest.parent
        expected = (previous.generation, previous.digest) if previous else None
        found = (link.generation, link.manifest) if link else None
        if expected != found:
            raise DamagedArtifact(
                f"its parent is {_named(found)}, but the chain holds {_named(expected)}",
                where=f"data set of {manifest.generation}",
                expected="each data set names the digest of its parent's",
                next_step=f"dvc repro curate@{manifest.generation}",
            )
        if previous and manifest.theory_id != previous.theory_id:
            raise DamagedArtifact(
                f"level of theory {manifest.theory_id}, but {previous.theory_id} in its parent",
                where=f"data set of {manifest.generation}",
            )
        previous = manifest


def _named(link: tuple[str, str] | None) -> str:
    return f"{link[0]} ({link[1]})" if link else "nothing"


def check_results(manifest: Manifest, labels: Labels) -> None:
    """Check that `labels` are the results that `manifest` names, one for one.

    Raises DamagedArtifact that counts what is missing, added or changed and names the first call.
    """
    found = dict(zip(labels.call_ids, digest.to_hex(labels.result_digest), strict=True))
    named = {entry.call: entry.result for entry in manifest.entries}
    differing = {
        "missing": sorted(set(named) - set(found)),
        "not in the data set": sorted(set(found) - set(named)),
        "changed": sorted(c for c in set(named) & set(found) if named[c] != found[c]),
    }
    problems = [f"{len(v)} {k} (first: {v[0]})" for k, v in differing.items() if v]
    if problems:
        raise DamagedArtifact(
            f"labels differ from the data set: {'; '.join(problems)}",
            where=f"labels of {manifest.generation}",
            next_step=f"dvc repro curate@{manifest.generation}",
        )


def check_retractions(calls: Sequence[str], known: set[str], generation: str) -> None:
    """Raise InvalidInput that lists the retracted calls which nobody ever made."""
    unknown = sorted(set(calls) - known)
    if unknown:
        raise InvalidInput(
            f"{len(unknown)} retracted calls are not in the lineage: {', '.join(unknown)}",
            where=f"generations.{generation}.curate.retract",
            expected="ids of calls of this generation or its ancestors (64 hexadecimal digits)",
            next_step=f"look it up: aldata query labels --generation {generation} --columns call",
        )
