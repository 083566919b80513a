"""Frames of the user's own: a trajectory of another program, or a fixed pool."""

from __future__ import annotations

from pathlib import Path

from aldata import digest
from aldata.artifacts.geometry_files import read_geometries
from aldata.digest import NO_HASH
from aldata.errors import InvalidInput
from aldata.explore.checks import geometry_problem
from aldata.explore.samplers.finding import Context, Finding
from aldata.explore.settings import Imported


def imported(settings: Imported, context: Context, _seed: int) -> list[Finding]:
    """The frames of a file that pass the check of contacts; `step` is the place among its frames.

    The record holds the file's sha256, and how many frames were left out. Raises InvalidInput for a
    file that is not the one that the settings mean, or cannot be read, see `read_geometries`.
    """
    path = context.project / settings.file
    found = _digest(path, settings)
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
    _digest(context.project / settings.file, settings)


def _digest(path: Path, settings: Imported) -> str:
    """sha256 of the file, which DVC does not watch: the settings say which content they mean."""
    if not path.is_file():
        raise InvalidInput("there is no such file", where=settings.file, next_step="put it there")
    found = digest.of_file(path)
    if not found.startswith(settings.sha256):
        raise InvalidInput(
            f"its sha256 begins with {found[:12]}",
            where=settings.file,
            expected=f"{settings.sha256[:12]}, as explore.samplers says",
            next_step=f"put the file back, or take this one: sha256: {found[:12]}",
        )
    return found
