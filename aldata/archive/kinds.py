"""What can be opened."""

from __future__ import annotations

from dataclasses import dataclass

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.columns import Columns
from aldata.artifacts.frames import (
    Candidates,
    Configurations,
    Descriptors,
    Labels,
    Predictions,
    Selection,
)


@dataclass(frozen=True)
class Kind:
    """A kind of sequence: which stores of a generation it joins, and what they must have in common.

    artifact : what its frames are. stores : the artifacts that hold them. seed : whether the seed
    has them. mixed_by : attribute of the stores by which they do not mix; refuses_mixed : a lineage
    in which it differs is refused, rather than shown as far as it is like the last. by_manifest : whether
    a generation without a data set (not curated yet) is refused.
    """

    artifact: type[Columns]
    stores: tuple[type[Columns], ...]
    seed: bool
    mixed_by: str | None = None
    refuses_mixed: bool = False
    by_manifest: bool = False


KINDS: dict[str, Kind] = {
    "labels": Kind(Labels, (Labels,), seed=True, by_manifest=True),
    "configurations": Kind(Configurations, (Candidates, Labels), seed=True, by_manifest=True),
    "candidates": Kind(Candidates, (Candidates,), seed=True),
    "descriptors": Kind(
        Descriptors, (Descriptors,), seed=False, mixed_by="descriptor_id", refuses_mixed=True
    ),
    "predictions": Kind(Predictions, (Predictions,), seed=False, mixed_by="checkpoint"),
    "selections": Kind(Selection, (Selection,), seed=False),
    "checkpoints": Kind(Checkpoint, (Checkpoint,), seed=True),
}
"""Every kind that `open` knows, by the name it is asked for."""
