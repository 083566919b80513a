"""What ran, on what, and what came of it: activities, written by the stage that does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aldata.provenance.repository import (
    commit_of,
    experiment_at,
    file_at,
    git,
    head_of,
    recorded_generations,
)

if TYPE_CHECKING:
    from aldata.provenance.activity import Activity, surroundings

__all__ = [
    "Activity",
    "commit_of",
    "experiment_at",
    "file_at",
    "git",
    "head_of",
    "recorded_generations",
    "surroundings",
]


def __getattr__(name: str) -> Any:
    # records are checked by pydantic: who only asks git does not wait for it
    if name in ("Activity", "surroundings"):
        from aldata.provenance import activity

        return getattr(activity, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
