"""The lineage of a generation: found through the chain of manifests, never by looking what lies there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aldata import params
from aldata.artifacts.documents import Manifest
from aldata.artifacts.layout import SEED, path_of
from aldata.curate import chain
from aldata.errors import DamagedArtifact
from aldata.store import Tree


@dataclass(frozen=True, repr=False)
class Lineage:
    """A generation and its ancestors in one version of a project.

    generations : names, the root first. manifests : their data sets in the same order, each verified
    to be the one that the next names by digest; the last one is missing while the generation is not
    yet curated.
    """

    tree: Tree
    generations: tuple[str, ...]
    manifests: tuple[Manifest, ...]

    def __repr__(self) -> str:
        version = f" of {self.tree.version}" if self.tree.version else ""
        return f"<{' > '.join(self.generations)}{version}>"

    @property
    def name(self) -> str:
        """The generation whose lineage this is."""
        return self.generations[-1]

    @property
    def curated(self) -> bool:
        """Whether the generation's own data set exists."""
        return len(self.manifests) == len(self.generations)

    def up_to(self, generation: str) -> Lineage:
        """The lineage of one of the generations."""
        count = self.generations.index(generation) + 1
        return Lineage(self.tree, self.generations[:count], self.manifests[:count])


def lineage_of(tree: Tree, generation: str) -> Lineage:
    """The lineage of `generation`; one without a data set has the parent that params.yaml names.

    Raises InvalidParameters when there is no such generation, DamagedArtifact when an ancestor's data
    set is missing or the chain is broken.
    """

    def read(name: str) -> Manifest:
        path = path_of(name, "dataset")
        return Manifest.checked(tree.json(path), str(tree.root / path), DamagedArtifact)

    own = tree.holds(path_of(generation, "dataset"))
    if own or generation == SEED:
        manifests: Sequence[Manifest] = chain(read, generation)
        return Lineage(tree, tuple(m.generation for m in manifests), tuple(manifests))
    parent = params.parent_in(tree.text(Path("params.yaml")), generation)
    manifests = chain(read, parent)
    names = (*(m.generation for m in manifests), generation)
    return Lineage(tree, names, tuple(manifests))
