"""What is known about stored frames: their own columns, and those of the artifacts beside them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from aldata.archive.distances import Measure, measure_of
from aldata.archive.lineage import Lineage
from aldata.archive.matching import matched
from aldata.archive.roles import roles_of
from aldata.archive.union import Part, Union
from aldata.artifacts.columns import Array, Columns
from aldata.artifacts.documents import Calibration
from aldata.artifacts.frames import Candidates, Descriptors, Labels, Predictions, Selection
from aldata.artifacts.layout import SEED, name_of, path_of
from aldata.errors import DamagedArtifact

if TYPE_CHECKING:
    from aldata.archive.frames import StoredFrames

Integer = npt.NDArray[np.int64]

BESIDE: dict[str, type[Columns]] = {
    "candidates": Candidates,
    "descriptors": Descriptors,
    "predictions": Predictions,
    "selection": Selection,
}
"""Artifacts of a generation that know more about its frames."""


class Neighbours:
    """The artifacts of a lineage, opened when they are asked for."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self._unions: dict[tuple[str, str], Union | None] = {}
        self._measures: dict[str, Measure] = {}

    def of(self, artifact: str, generation: str) -> Union | None:
        """The store of one generation; None where it has none, or not yet."""
        key = (artifact, generation)
        if key not in self._unions:
            kind = BESIDE[artifact]
            path = path_of(generation, name_of(kind))
            ahead = generation == self.lineage.name and not self.lineage.curated
            absent = generation == SEED and kind is not Candidates
            if absent or (ahead and not self.lineage.tree.holds(path)):
                self._unions[key] = None
            else:
                layout = self.lineage.tree.layout(path)
                self._unions[key] = Union(kind, [Part(generation, kind, layout)])
        return self._unions[key]

    @cached_property
    def labels(self) -> Union:
        """Every label of the lineage, with its role."""
        curated = self.lineage.up_to(self.lineage.with_data[-1])
        parts = [
            Part(name, Labels, curated.tree.layout(path_of(name, name_of(Labels))))
            for name in curated.generations
        ]
        derived = dict.fromkeys(("role", "retracted"), partial(roles_of, lineage=curated))
        return Union(Labels, parts, derived)

    def alpha(self, generation: str, of: Literal["energy", "forces"]) -> float:
        """Calibration factor of the model that judged the candidates of a generation."""
        place = self.lineage.generations.index(generation)
        if place == 0:
            return 1.0
        path = path_of(self.lineage.generations[place - 1], name_of(Calibration))
        content = self.lineage.tree.json(path)
        found = Calibration.checked(content, str(self.lineage.tree.root / path), DamagedArtifact)
        return float(getattr(found, of).alpha)

    def measure(self, generation: str) -> Measure:
        """Distances from the training set that the candidates of a generation were judged by."""
        if generation not in self._measures:
            self._measures[generation] = measure_of(self.lineage, generation)
        return self._measures[generation]


class StoredSource:
    """A `query.Source` of stored frames."""

    def __init__(self, frames: StoredFrames, neighbours: Neighbours | None = None) -> None:
        self.frames = frames
        self.kind = frames.name
        self.neighbours = neighbours or Neighbours(frames.lineage)

    def __len__(self) -> int:
        return len(self.frames)

    def part(self, rows: Integer) -> StoredSource:
        """These frames only."""
        return StoredSource(self.frames[rows], self.neighbours)

    def own(self, names: Sequence[str]) -> dict[str, Array]:
        """Columns of the frames, and `row_size` if they have it."""
        sizes = ["row_size"] if "row_size" in self.frames.names else []
        return self.frames.take(columns=[*dict.fromkeys([*names, *sizes])])

    def beside(self, artifact: str, names: Sequence[str]) -> tuple[Integer, dict[str, Array]]:
        """Frames that another artifact knows, and its columns for these."""
        ids = self.frames.column("configuration_id")
        if artifact == "labels":
            return _joined(self.neighbours.labels, np.arange(len(ids)), ids, names)
        found = []
        for generation, rows in self._by_generation():
            if artifact == "descriptors":
                found.append(self._distances(generation, rows, ids[rows]))
            elif (union := self.neighbours.of(artifact, generation)) is not None:
                found.append(_joined(union, rows, ids[rows], names))
        if not found:
            return np.zeros(0, np.int64), _empty(artifact, names)
        rows = np.concatenate([part for part, _ in found])
        columns = {name: np.concatenate([part[name] for _, part in found]) for name in found[0][1]}
        return rows, columns

    def factor(self, of: Literal["energy", "forces"]) -> Array:
        """Calibration factor of the model that judged each frame."""
        alpha = np.ones(len(self))
        for generation, rows in self._by_generation():
            alpha[rows] = self.neighbours.alpha(generation, of)
        return alpha

    def _by_generation(self) -> list[tuple[str, Integer]]:
        generations = self.frames.column("generation")
        return [
            (name, np.flatnonzero(generations == name))
            for name in self.frames.generations
            if (generations == name).any()
        ]

    def _distances(
        self, generation: str, rows: Integer, ids: Array
    ) -> tuple[Integer, dict[str, Array]]:
        union = self.neighbours.of("descriptors", generation)
        if union is None:
            return np.zeros(0, np.int64), {"distance": np.zeros(0)}
        there = matched(union.column("configuration_id").span(0, len(union)), ids)
        known = there >= 0
        distance = self.neighbours.measure(generation).of(union, there[known])
        return rows[known], {"distance": distance}


def _joined(
    union: Union, rows: Integer, ids: Array, names: Sequence[str]
) -> tuple[Integer, dict[str, Array]]:
    """Rows whose id the union has, and the columns of the first frame that is the same."""
    there = matched(union.column("configuration_id").span(0, len(union)), ids)
    known = there >= 0
    sizes = ["row_size"] if union.is_ragged else []
    return rows[known], union.take(there[known], [*dict.fromkeys([*names, *sizes])])


def _empty(artifact: str, names: Sequence[str]) -> dict[str, Array]:
    if artifact == "descriptors":
        return {"distance": np.zeros(0)}
    frames = BESIDE[artifact].empty({}, feature=0)  # type: ignore[attr-defined]
    sizes = ["row_size"] if "row_size" in frames.names() else []
    return {name: frames.arrays[name] for name in dict.fromkeys([*names, *sizes])}
