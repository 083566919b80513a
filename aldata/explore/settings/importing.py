"""Settings of the user's own frames."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aldata.explore.settings.files import FOLDER, PoolPath, Sha256
from aldata.explore.settings.sampling import Sampling


class Imported(Sampling):
    """The user's own frames, from any program: a trajectory, or a fixed pool to choose from."""

    name: Literal["imported"] = Field(default="imported", description="the sampler")
    file: PoolPath = Field(description=f"a file in {FOLDER}/ that ase.io.read reads")
    sha256: Sha256 = Field(
        description="of the file, its first 12 digits or more (`sha256sum FILE`): a file that changes "
        "is another pool, and the generations that chose from it stay what they are",
    )
    index: str = Field(default=":", description="which of its frames, as in ase.io.read")
