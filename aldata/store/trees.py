"""Where a version of a project keeps its artifacts: the files of now, or a past revision's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aldata.store.documents import read_bytes, read_json
from aldata.store.metadata import Layout, layout_of


class Tree(Protocol):
    """A version of a project; artifacts are named by their path relative to the project."""

    @property
    def root(self) -> Path:
        """The project's folder."""
        ...

    @property
    def version(self) -> str:
        """What a message calls it: empty for the files of now."""
        ...

    def holds(self, path: Path) -> bool:
        """Whether the version has an artifact at `path`."""
        ...

    def content(self, path: Path) -> bytes:
        """The bytes of an artifact that is one file. Raises DamagedArtifact when it is missing."""
        ...

    def json(self, path: Path) -> Any:
        """A JSON artifact. Raises DamagedArtifact when it is missing or cannot be read."""
        ...

    def text(self, path: Path) -> str:
        """A file that git tracks, such as params.yaml. Raises ProjectError when it is missing."""
        ...

    def layout(self, path: Path) -> Layout:
        """Where the bytes of a store lie. Raises DamagedArtifact when it is missing or damaged."""
        ...


@dataclass(frozen=True)
class Workspace:
    """The files of now, in the project's folder."""

    root: Path
    version: str = ""

    def holds(self, path: Path) -> bool:
        """Whether something lies at `path`."""
        return (self.root / path).exists()

    def content(self, path: Path) -> bytes:
        """The bytes of an artifact that is one file."""
        return read_bytes(self.root / path)

    def json(self, path: Path) -> Any:
        """A JSON artifact."""
        return read_json(self.root / path)

    def text(self, path: Path) -> str:
        """A file of the project."""
        return (self.root / path).read_text(encoding="utf-8")

    def layout(self, path: Path) -> Layout:
        """Where the bytes of a store lie."""
        return layout_of(self.root / path)
