"""Where an artifact lies in a project: `generations/<generation>/<file>`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # names of files are needed where no artifact is read
    from aldata.artifacts.columns import Columns
    from aldata.records import Record

SEED = "seed"
"""The root of the tree of generations: made once, a parent like any other."""

STORES = ("candidates", "descriptors", "predictions", "selection", "labels", "checkpoint")
DOCUMENTS = {
    "Manifest": "dataset",
    "Calibration": "calibration",
    "Theory": "theory",
    "Noise": "noise",
}
"""File names of the documents, by the name of their class."""


def name_of(kind: type[Columns] | type[Record]) -> str:
    """The usual name of an artifact of this kind: 'labels', 'dataset', ..."""
    return str(getattr(kind, "KIND", None) or DOCUMENTS[kind.__name__])


def path_of(generation: str, name: str) -> Path:
    """Path of a named artifact, relative to the project."""
    suffix = "zarr" if name in STORES else "json"
    return Path("generations") / generation / f"{name}.{suffix}"


def activity_path(generation: str, stage: str) -> Path:
    """Path of the record of a stage's run, relative to the project."""
    return Path("generations") / generation / f"{stage}.activity.json"


def record_path(generation: str, name: str) -> Path:
    """Path of the copy of a document that git tracks, relative to the project."""
    return Path("generations") / generation / "record" / f"{name}.json"
