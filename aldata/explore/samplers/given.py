"""A user's own file, of which the settings say which content they mean."""

from __future__ import annotations

from pathlib import Path

from aldata import digest
from aldata.errors import InvalidInput


def pinned(project: Path, file: str, sha256: str) -> str:
    """sha256 of the file, which DVC does not watch. Raises InvalidInput unless it begins so."""
    path = project / file
    if not path.is_file():
        raise InvalidInput("there is no such file", where=file, next_step="put it there")
    found = digest.of_file(path)
    if not found.startswith(sha256):
        raise InvalidInput(
            f"its sha256 begins with {found[:12]}",
            where=file,
            expected=f"{sha256[:12]}, as explore.samplers says",
            next_step=f"put the file back, or take this one: sha256: {found[:12]}",
        )
    return found
