"""What ran, on what, and what came of it: activities, written by the stage that does the work."""

from aldata.provenance.activity import Activity, surroundings
from aldata.provenance.repository import (
    commit_of,
    experiment_at,
    file_at,
    git,
    head_of,
    recorded_generations,
)

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
