"""The lineage of a generation: found through the chain of manifests, never by looking what lies there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from aldata import params
from aldata.archive.links import Links, manifest_of
from aldata.artifacts.documents import Manifest
from aldata.artifacts.layout import SEED, path_of
from aldata.curate import chain
from aldata.store import Tree


@dataclass(frozen=True, repr=False)
class Lineage:
    """A generation and its ancestors in one version of a project.

    generations : names, the root first; the data set of each is verified to be the one that the next
    names by digest. curated : whether the last has a data set of its own already.
    """

    tree: Tree
    generations: tuple[str, ...]
    curated: bool

    def __repr__(self) -> str:
        version = f" of {self.tree.version}" if self.tree.version else ""
        return f"<{' > '.join(self.generations)}{version}>"

    @property
    def name(self) -> str:
        """The generation whose lineage this is."""
        return self.generations[-1]

    @property
    def with_data(self) -> tuple[str, ...]:
        """The generations that have a data set."""
        return self.generations if self.curated else self.generations[:-1]

    @cached_property
    def manifests(self) -> tuple[Manifest, ...]:
        """The data sets of `with_data`, read whole. Raises DamagedArtifact."""
        return tuple(chain(partial(manifest_of, self.tree), self.with_data[-1]))

    def up_to(self, generation: str) -> Lineage:
        """The lineage of one of the generations."""
        generations = self.generations[: self.generations.index(generation) + 1]
        return Lineage(self.tree, generations, generation in self.with_data)


def lineage_of(tree: Tree, generation: str) -> Lineage:
    """The lineage of `generation`; one without a data set has the parent that params.yaml names.

    Raises InvalidParameters when there is no such generation, DamagedArtifact when an ancestor's data
    set is missing or the chain is broken.
    """
    own = tree.holds(path_of(generation, "dataset")) or generation == SEED
    last = generation if own else params.parent_in(tree.text(Path("params.yaml")), generation)
    with Links(tree) as links:
        names = tuple(link.generation for link in chain(links.read, last))
    return Lineage(tree, names if own else (*names, generation), own)
