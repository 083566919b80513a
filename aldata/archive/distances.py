"""How far frames are from the training set, by the vectors of their atoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aldata.acquire.distances import nearest, typical_spacing
from aldata.archive.lineage import Lineage
from aldata.archive.matching import matched
from aldata.archive.union import Part, Union
from aldata.artifacts.documents import Manifest
from aldata.artifacts.frames import Descriptors
from aldata.artifacts.layout import SEED, name_of, path_of
from aldata.curate import members
from aldata.digest import to_bytes
from aldata.errors import DamagedArtifact
from aldata.query.recipes import largest_per_frame

BLOCK = 4096
"""Frames whose vectors are in memory at a time."""
APART = 2.0
"""The largest distance of vectors of length 1."""

Float = npt.NDArray[np.float64]
Integer = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Measure:
    """Distances from a training set, in units of its typical spacing (of the vectors without one)."""

    training: Descriptors
    spacing: float | None

    def of(self, union: Union, rows: Integer) -> Float:
        """Distance of each frame of a union of descriptors: (row,); NaN without a training set.

        The largest over its atoms of the distance to the nearest environment of the same element. Of
        an element that is not in the training set it is the largest that vectors of length 1 have, 2.
        """
        if len(rows) == 0 or len(self.training) == 0:
            return np.full(len(rows), np.nan)
        blocks = [rows[begin : begin + BLOCK] for begin in range(0, len(rows), BLOCK)]
        found = np.concatenate([self._block(union, block) for block in blocks])
        return found / (self.spacing or 1.0)

    def _block(self, union: Union, rows: Integer) -> Float:
        asked = union.take(rows, ["row_size", "numbers", "descriptor"])
        distance = np.full(len(asked["numbers"]), APART)
        for number in np.unique(asked["numbers"]):
            ours, theirs = asked["numbers"] == number, self.training.numbers == number
            if theirs.any():
                distance[ours] = nearest(
                    asked["descriptor"][ours], self.training.descriptor[theirs]
                )
        return largest_per_frame(distance, asked["row_size"])


def measure_of(lineage: Lineage, generation: str) -> Measure:
    """The measure by which the candidates of a generation are judged: its parent's training set.

    Raises DamagedArtifact when a training frame was described nowhere in the lineage.
    """
    place = lineage.generations.index(generation)
    ancestors = lineage.generations[:place]
    own = lineage.tree.layout(path_of(generation, name_of(Descriptors)))
    identity = own.attributes["attributes"]["descriptor_id"]
    training = training_ids(lineage.manifests[:place])
    wanted = to_bytes(training) if training else np.zeros((0, 32), np.uint8)
    parts = []
    for name in (*(name for name in ancestors if name != SEED), generation):
        layout = lineage.tree.layout(path_of(name, name_of(Descriptors)))
        if layout.attributes["attributes"]["descriptor_id"] != identity:
            continue
        union = Union(Descriptors, [Part(name, Descriptors, layout)])
        rows = matched(union.column("configuration_id").span(0, len(union)), wanted)
        parts.append(union.take(rows[rows >= 0], list(union.variables)))
        wanted = wanted[rows < 0]
    if len(wanted):
        raise DamagedArtifact(
            f"{len(wanted)} training frames are described nowhere",
            where=f"descriptors up to {generation}",
            next_step=f"dvc repro describe@{generation}",
        )
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    vectors = Descriptors.from_arrays(joined, {"descriptor_id": identity})
    return Measure(vectors, typical_spacing(vectors))


def training_ids(manifests: Sequence[Manifest]) -> list[str]:
    """Configurations that train or validate along a chain, in the order of their ids."""
    roles = members(manifests)
    calls = {*roles["train"], *roles["valid"]}
    entries = [entry for manifest in manifests for entry in manifest.entries]
    return sorted({entry.configuration for entry in entries if entry.call in calls})
