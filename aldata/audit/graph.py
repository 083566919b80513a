"""The graph of what was made from what, over every version of a project.

Its nodes are identified by content: calls, data sets, checkpoints, calibrations, decisions (selections)
and metrics. Their links are the digests that activities and data sets name, never paths or times.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from aldata.artifacts.layout import SEED
from aldata.audit.index import Index
from aldata.audit.sources import NOISE, expected
from aldata.audit.versions import WORKSPACE, Version

MEASUREMENT = 12
"""Digits by which a generation names the measurement that its noise comes from."""

_SOURCE = re.compile(rf": ([0-9a-f]{{{MEASUREMENT}}}) in {NOISE}")
"""How a generation's noise names the measurement that it comes from (`aldata.noise.noise_of`)."""


def measurement_in(noise: Mapping[str, Any]) -> str | None:
    """First digits of the measurement that a generation's noise names; None for a stated noise."""
    match = _SOURCE.search(str(noise.get("source")))
    return None if match is None else match[1]


@dataclass(frozen=True)
class Measured:
    """A measurement of noise: its digest, its file in the index, and the record of the level of theory
    of each part of it (`documents.PARTS`; of labels that were asked again, its id alone).
    """

    digest: str
    blob: int
    theory_id: str
    levels: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Manifest:
    """A data set: its digest, where its entries are in the index, and its document without them."""

    digest: str
    blob: int
    content: dict[str, Any]

    @property
    def generation(self) -> str:
        """The generation whose calls it adds."""
        return str(self.content["generation"])

    @property
    def parent(self) -> str | None:
        """Digest of the parent's data set."""
        link = self.content["parent"]
        return None if link is None else str(link["manifest"])


@dataclass(eq=False)
class Recorded:
    """One generation as it is on record, in the versions of the project that hold exactly this.

    blobs : ids of its documents in the index, by name. summaries : what the index keeps of them.
    """

    id: int
    generation: str
    blobs: dict[str, int]
    summaries: dict[str, Any]
    problems: dict[str, str]
    versions: list[Version] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Documents that a complete record holds, and this does not."""
        return [name for name in expected(self.generation) if name not in self.blobs]

    @property
    def trained(self) -> bool:
        """Whether it has a checkpoint that was trained: the seed's never saw a label."""
        return self.generation != SEED and self.checkpoint is not None

    @property
    def manifest(self) -> str | None:
        """Digest of its data set."""
        return self._digest("dataset")

    @property
    def calibration(self) -> str | None:
        """Digest of its calibration."""
        return self._digest("calibration")

    @property
    def metrics(self) -> str | None:
        """Digest of its metrics."""
        return self._digest("metrics")

    @property
    def checkpoint(self) -> str | None:
        """Digest of its checkpoint, as the activity that wrote it states."""
        verb = SEED if self.generation == SEED else "train"
        return self.generated(verb, "checkpoint.zarr")

    @property
    def decision(self) -> str | None:
        """Digest of its selection."""
        return self.generated("acquire", "selection.zarr")

    @property
    def strategy(self) -> str | None:
        """How its calls were chosen."""
        found = self.summaries.get("selection")
        return None if found is None else found["strategy"]

    @property
    def measurement(self) -> str | None:
        """First digits of the measurement that its noise comes from; None for a stated noise."""
        return measurement_in(self.summaries.get("noise", {}))

    @property
    def levels(self) -> dict[str, Any]:
        """Levels of theory of labels beside the data set's, of fallbacks and of mixed imports: id, and
        record where it is known.
        """
        verb = SEED if self.generation == SEED else "label"
        return dict(self.activity(verb).get("levels") or {})

    @property
    def runs(self) -> list[str]:
        """MLflow's ids of its training: the generation's run, then those of the members."""
        found = self.activity("train").get("mlflow")
        return [found["run"], *found["members"]] if found else []

    def activity(self, verb: str) -> dict[str, Any]:
        """What the index keeps of an activity; empty where it is missing."""
        found: dict[str, Any] | None = self.summaries.get(f"{verb}.activity")
        return found or {}

    def generated(self, verb: str, name: str) -> str | None:
        """Digest of an artifact that a stage wrote."""
        path = f"generations/{self.generation}/{name}"
        found: str | None = self.activity(verb).get("generated", {}).get(path)
        return found

    def used(self, verb: str, name: str) -> dict[str, str]:
        """Digests of the artifacts of this name that a stage read, by generation."""
        paths = self.activity(verb).get("used", {})
        ending = f"/{name}"
        return {p.split("/")[1]: d for p, d in paths.items() if p.endswith(ending)}

    def _digest(self, name: str) -> str | None:
        found = self.summaries.get(name)
        return None if found is None else str(found["digest"])


class Graph:
    """Everything on record; the rows of calls stay in the index."""

    def __init__(self, index: Index) -> None:
        self.index = index
        listed = index.rows("SELECT key, names FROM versions ORDER BY position")
        self.versions = {key: Version(key, tuple(json.loads(names))) for key, names in listed}
        self.measured: dict[str, Measured] = {}
        self.unread: list[str] = []
        self.records = self._records()
        self.places: dict[str, dict[str, Recorded]] = defaultdict(dict)
        for record in self.records:
            for version in record.versions:
                self.places[version.key][record.generation] = record

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """Every data set by its digest."""
        found = {}
        for record in self.records:
            summary = record.summaries.get("dataset")
            if summary is not None:
                digest = summary["digest"]
                found[digest] = Manifest(digest, record.blobs["dataset"], summary["content"])
        return found

    @cached_property
    def children(self) -> dict[str | None, list[str]]:
        """Data sets by the digest of their parent; under None those whose parent is not known."""
        found: dict[str | None, list[str]] = defaultdict(list)
        for digest, manifest in self.manifests.items():
            parent = manifest.parent if manifest.parent in self.manifests else None
            found[parent].append(digest)
        return found

    @cached_property
    def of_manifest(self) -> dict[str, list[Recorded]]:
        """The records that hold a data set, by its digest."""
        found: dict[str, list[Recorded]] = defaultdict(list)
        for record in self.records:
            if record.manifest is not None:
                found[record.manifest].append(record)
        return found

    @cached_property
    def of_checkpoint(self) -> dict[str, list[Recorded]]:
        """The records that hold a trained checkpoint, by its digest."""
        found: dict[str, list[Recorded]] = defaultdict(list)
        for record in self.records:
            if record.trained:
                found[str(record.checkpoint)].append(record)
        return found

    def chain(self, digest: str) -> tuple[list[Manifest], str | None]:
        """A data set and its ancestors, the root first; and the digest of one that is missing."""
        found: list[Manifest] = []
        wanted: str | None = digest
        while wanted is not None:
            manifest = self.manifests.get(wanted)
            if manifest is None:
                break
            found.insert(0, manifest)
            wanted = manifest.parent
        return found, wanted

    def record_of(self, manifest: Manifest, near: Recorded) -> Recorded:
        """The record of a data set in a version that `near` belongs to, or else in any."""
        for version in near.versions:
            record = self.places[version.key].get(manifest.generation)
            if record is not None and record.manifest == manifest.digest:
                return record
        return self.of_manifest[manifest.digest][0]

    def missing(self) -> list[str]:
        """What is on record nowhere: documents, and data sets that others name as their parent."""
        lines = list(dict.fromkeys(self.unread))
        for record in self.records:
            lines += self.unmeasured(record)
            where = f"{record.generation} in {_joined(record.versions)}"
            if record.missing:
                lines.append(f"{where}: no {', '.join(record.missing)}")
            lines += [f"{where}: {name} {problem}" for name, problem in record.problems.items()]
        for manifest in self.manifests.values():
            if manifest.parent is not None and manifest.parent not in self.manifests:
                lines.append(
                    f"{manifest.generation}: data set {manifest.parent[:12]} of its parent "
                    f"{manifest.content['parent']['generation']} is nowhere"
                )
        return sorted(lines)

    def unmeasured(self, record: Recorded) -> list[str]:
        """The measurement that a generation's noise comes from, where it is nowhere."""
        named = record.measurement
        if named is None or named in self.measured:
            return []
        return [f"{record.generation}: the measurement {named} of its noise is nowhere"]

    def _records(self) -> list[Recorded]:
        blobs = {
            blob: (None if summary is None else json.loads(summary), problem)
            for blob, summary, problem in self.index.rows("SELECT id, summary, problem FROM blobs")
        }
        found = {}
        for identity, generation, text in self.index.rows(
            "SELECT id, generation, documents FROM records WHERE id IN (SELECT record FROM places)"
        ):
            documents = json.loads(text)
            if generation == NOISE:
                self._measure(documents.values(), blobs)
                continue
            summaries = {name: blobs[blob][0] for name, blob in documents.items()}
            found[identity] = Recorded(
                identity,
                generation,
                documents,
                {name: summary for name, summary in summaries.items() if summary is not None},
                {name: blobs[b][1] for name, b in documents.items() if blobs[b][1] is not None},
            )
        query = (
            "SELECT place.record, version.key FROM places AS place JOIN versions AS version "
            "ON version.key = place.version ORDER BY version.position"
        )
        for identity, key in self.index.rows(query):
            if identity in found:
                found[identity].versions.append(self.versions[key])
        return sorted(found.values(), key=lambda r: (r.versions[0].key != WORKSPACE, r.id))

    def _measure(self, blobs: Iterable[int], read: dict[int, tuple[Any, str | None]]) -> None:
        """Take in files of `aldata noise`; a measurement is found by its first digits."""
        for blob in blobs:
            summary, problem = read[blob]
            if problem is not None:
                self.unread.append(f"a file of aldata noise {problem}")
                continue
            for identity, levels in summary["of"].items():
                known = Measured(identity, blob, summary["theory"], levels)
                self.measured.setdefault(identity[:MEASUREMENT], known)


def _joined(versions: list[Version], most: int = 3) -> str:
    named = [version.title for version in versions[:most]]
    more = len(versions) - most
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def titles(versions: list[Version]) -> Iterator[str]:
    """Names of versions for readers: those that have one, and how many other commits."""
    named = [version.title for version in versions if version.names]
    yield from named
    others = len(versions) - len(named)
    if others:
        first = next(version for version in versions if not version.names)
        yield first.title if others == 1 else f"{others} other commits"
