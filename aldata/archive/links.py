"""What is remembered of data sets that were read before: a chain is checked without reading them again.

A file of the same bytes holds the same data set. Its links are kept by the sha256 of the file, so that
opening a lineage of a hundred thousand calls takes the time of hashing its files; one altered byte is
another file, which is read and checked as if nothing were known. The memory may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aldata import derived
from aldata.artifacts.documents import Manifest, Parent
from aldata.artifacts.layout import path_of
from aldata.errors import DamagedArtifact
from aldata.store import Tree

FILE = Path(".aldata/links.sqlite")
VERSION = 1
"""Version of the table and of what `Manifest` accepts; another one is made anew."""

_TABLES = """
CREATE TABLE IF NOT EXISTS links (
    file TEXT PRIMARY KEY, generation TEXT, theory_id TEXT, digest TEXT,
    parent TEXT, parent_manifest TEXT);
"""


@dataclass(frozen=True)
class Link:
    """What ties a data set to its parent and its child; see `Manifest`."""

    generation: str
    theory_id: str
    digest: str
    parent: Parent | None

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """The link of a data set."""
        return cls(manifest.generation, manifest.theory_id, manifest.digest, manifest.parent)


class Links:
    """The links of one version of a project."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        try:
            with contextlib.suppress(OSError):
                (tree.root / FILE).parent.mkdir(exist_ok=True)
            self._known = derived.opened(tree.root / FILE, _TABLES, VERSION)
        except sqlite3.DatabaseError:  # a folder that cannot be written: every file is read whole
            self._known = derived.opened(None, _TABLES, VERSION)

    def __enter__(self) -> Links:
        return self

    def __exit__(self, *_: object) -> None:
        self._known.close()

    def read(self, generation: str) -> Link:
        """The link of a generation's data set. Raises DamagedArtifact."""
        path = path_of(generation, "dataset")
        content = self._tree.content(path)
        file = hashlib.sha256(content).hexdigest()
        query = "SELECT generation, theory_id, digest, parent, parent_manifest FROM links WHERE file = ?"
        row = self._known.execute(query, (file,)).fetchone()
        if row is not None:
            name, theory, digest, parent, manifest = row
            link = None if parent is None else Parent(generation=parent, manifest=manifest)
            return Link(name, theory, digest, link)
        found = Link.of(manifest_of(self._tree, generation))
        if self._tree.content(path) == content:  # nobody has replaced the file in between
            self._remember(file, found)
        return found

    def _remember(self, file: str, link: Link) -> None:
        parent = link.parent
        its = (None, None) if parent is None else (parent.generation, parent.manifest)
        own = (link.generation, link.theory_id, link.digest)
        with contextlib.suppress(sqlite3.DatabaseError):  # busy, or read-only: then not
            self._known.execute(
                "INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?, ?)", (file, *own, *its)
            )


def manifest_of(tree: Tree, generation: str) -> Manifest:
    """The data set of a generation, every entry checked. Raises DamagedArtifact."""
    path = path_of(generation, "dataset")
    return Manifest.checked(tree.json(path), str(tree.root / path), DamagedArtifact)
