"""Settings of the user's own frames."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from aldata.explore.settings.sampling import Sampling

FOLDER = "pools"
"""Where a user's own frames lie in a project."""


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] != FOLDER or ".." in parts:
        raise ValueError(f"'{path}' must lie in {FOLDER}/, for example {FOLDER}/mine.xyz")
    return path


PoolPath = Annotated[str, AfterValidator(_inside)]


class Imported(Sampling):
    """The user's own frames, from any program: a trajectory, or a fixed pool to choose from."""

    name: Literal["imported"] = Field(default="imported", description="the sampler")
    file: PoolPath = Field(description=f"a file in {FOLDER}/ that ase.io.read reads")
    sha256: str = Field(
        pattern="^[0-9a-f]{12,64}$",
        description="of the file, its first 12 digits or more (`sha256sum FILE`): a file that changes "
        "is another pool, and the generations that chose from it stay what they are",
    )
    index: str = Field(default=":", description="which of its frames, as in ase.io.read")
