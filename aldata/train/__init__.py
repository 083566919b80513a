"""Training: a labelled data set becomes a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aldata.train.settings import TrainSettings

if TYPE_CHECKING:
    from aldata.train.ensemble import Trained, TrainingFrames, train
    from aldata.train.evaluations import track_evaluation
    from aldata.train.tracking import Context, RunIds, tags_of, track
    from aldata.train.updating import Parent

__all__ = [
    "Context",
    "Parent",
    "RunIds",
    "TrainSettings",
    "Trained",
    "TrainingFrames",
    "tags_of",
    "track",
    "track_evaluation",
    "train",
]


def __getattr__(name: str) -> Any:
    # what needs torch is loaded on first use: reading settings stays cheap
    if name in ("Trained", "TrainingFrames", "train"):
        from aldata.train import ensemble

        return getattr(ensemble, name)
    if name == "Parent":
        from aldata.train.updating import Parent

        return Parent
    if name in ("Context", "RunIds", "tags_of", "track"):
        from aldata.train import tracking

        return getattr(tracking, name)
    if name == "track_evaluation":
        from aldata.train.evaluations import track_evaluation

        return track_evaluation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
