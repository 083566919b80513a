"""Files of the user's own that settings name: where they lie, and which content is meant."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

FOLDER = "pools"
"""Where a user's own frames lie in a project."""

GIVEN = (FOLDER, "structures")
"""Where single configurations may lie, too."""


def _inside(path: str, folders: tuple[str, ...]) -> str:
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] not in folders or ".." in parts:
        names = " or ".join(f"{folder}/" for folder in folders)
        raise ValueError(f"'{path}' must lie in {names}, for example {folders[0]}/mine.xyz")
    return path


PoolPath = Annotated[str, AfterValidator(lambda path: _inside(path, (FOLDER,)))]
GivenPath = Annotated[str, AfterValidator(lambda path: _inside(path, GIVEN))]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{12,64}$")]
