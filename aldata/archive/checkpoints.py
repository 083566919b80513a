"""The checkpoints of a lineage as one sequence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aldata.archive.lineage import Lineage
from aldata.archive.union import Part
from aldata.artifacts.checkpoints import Checkpoint
from aldata.errors import InvalidInput
from aldata.store import read_layout


@dataclass(frozen=True, repr=False)
class StoredCheckpoints:
    """One checkpoint per generation, the seed's (without members) first: by index, name or digest.

    Weights are memory-mapped; a checkpoint is read when it is asked for.
    """

    lineage: Lineage
    parts: tuple[Part, ...]

    def __repr__(self) -> str:
        return f"<{len(self)} checkpoints, {self.lineage}>"

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Checkpoint]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, key: int | str) -> Checkpoint:
        if isinstance(key, str):
            key = self._number(key)
        return read_layout(self.parts[key].layout, Checkpoint, check=False)

    @property
    def generations(self) -> list[str]:
        """Generations, the seed first."""
        return [part.generation for part in self.parts]

    @property
    def ids(self) -> list[str]:
        """Digest of every checkpoint: what predictions and calibrations name."""
        return [str(part.layout.attributes["digest"]) for part in self.parts]

    def verify(self) -> None:
        """Compare every array with its digest. Raises DamagedArtifact that names what differs."""
        for part in self.parts:
            read_layout(part.layout, Checkpoint, check=True)

    def _number(self, key: str) -> int:
        if key in self.generations:
            return self.generations.index(key)
        found = [number for number, identity in enumerate(self.ids) if identity.startswith(key)]
        if len(found) != 1:
            raise InvalidInput(
                f"{len(found)} checkpoints are called {key}",
                where=f"checkpoints up to {self.lineage.name}",
                expected=f"one of: {', '.join(self.generations)}, or the beginning of a digest",
            )
        return found[0]
