"""Frames of the user's own: a trajectory of another program, or a fixed pool."""

from __future__ import annotations

from aldata.artifacts.geometry_files import read_geometries
from aldata.digest import NO_HASH
from aldata.explore.checks import geometry_problem
from aldata.explore.samplers.finding import Context, Finding
from aldata.explore.samplers.given import pinned
from aldata.explore.settings import Imported


def imported(settings: Imported, context: Context, _seed: int) -> list[Finding]:
    """The frames of a file that pass the check of contacts; `step` is the place among its frames.

    The record holds the file's sha256, and how many frames were left out. Raises InvalidInput for a
    file that is not the one that the settings mean, or cannot be read, see `read_geometries`.
    """
    path = context.project / settings.file
    found = pinned(context.project, settings.file, settings.sha256)
    frames = list(read_geometries(path, settings.index, context.charge, context.spin))
    unbroken = context.checks.model_copy(update={"fragment_factor": None})
    good = [k for k, frame in enumerate(frames) if geometry_problem(frame, unbroken, 1) is None]
    record = {
        "sampler": settings.name,
        "file": settings.file,
        "sha256": found,
        "left_out": len(frames) - len(good),
        "ended": "completed",
    }
    return [
        Finding(
            record=record,
            frames=[frames[k] for k in good],
            steps=good,
            temperatures=[0.0] * len(good),
            kinds=["imported"] * len(good),
            parents=[NO_HASH] * len(good),
        )
    ]


def check_file(settings: Imported, context: Context) -> None:
    """Raise InvalidInput unless the file is the one that the settings mean."""
    pinned(context.project, settings.file, settings.sha256)
