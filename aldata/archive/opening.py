"""Open what a lineage holds, now or at any past version."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal, overload

import numpy as np

from aldata.archive.checkpoints import StoredCheckpoints
from aldata.archive.frames import StoredFrames
from aldata.archive.kinds import KINDS, Kind
from aldata.archive.lineage import Lineage, lineage_of
from aldata.archive.matching import grouped
from aldata.archive.roles import roles_of
from aldata.archive.union import Part, Union
from aldata.archive.versions import tree_of
from aldata.artifacts.layout import SEED, name_of, path_of
from aldata.errors import DamagedArtifact, InvalidInput
from aldata.store import require

FrameKind = Literal[
    "labels", "configurations", "candidates", "descriptors", "predictions", "selections"
]


@overload
def open(
    kind: FrameKind,
    generation: str,
    rev: str | None = None,
    root: str | Path | None = None,
    *,
    only: str | None = None,
    check: bool = False,
) -> StoredFrames: ...


@overload
def open(
    kind: Literal["checkpoints"],
    generation: str,
    rev: str | None = None,
    root: str | Path | None = None,
    *,
    only: str | None = None,
    check: bool = False,
) -> StoredCheckpoints: ...


def open(
    kind: str,
    generation: str,
    rev: str | None = None,
    root: str | Path | None = None,
    *,
    only: str | None = None,
    check: bool = False,
) -> StoredFrames | StoredCheckpoints:
    """All artifacts of a kind along the lineage up to `generation`, as one sequence.

    kind : labels, configurations (every candidate and label, each content once), candidates,
        descriptors, predictions, selections or checkpoints.
    generation : its ancestors are found through the chain of data sets, which is verified.
    rev : a git revision, tag, branch or DVC experiment, read without a checkout from DVC's cache or
        remote; None for the files of now.
    root : the project's folder; None for the current one or the nearest above it.
    only : the `descriptor_id` of descriptors, or the `checkpoint` that made predictions, whole or
        its beginning. Vectors of different settings do not compare: without `only`, descriptors
        of the lineage must all be of one kind. Predictions are those of the model that judged the
        candidates of `generation`.
    check : compare every array with its digest, which reads everything. Without it, metadata and
        the sizes of files are checked.

    Raises InvalidInput for an unknown kind and descriptors that do not mix, InvalidParameters for a
    generation that params.yaml does not name, ProjectError for no project or no such revision, and
    DamagedArtifact when something is missing, truncated or altered, or when the chain is broken.
    """
    chosen = KINDS.get(kind)
    if chosen is None:
        raise InvalidInput(
            f"there is no kind '{kind}'",
            where="aldata.open",
            expected=f"one of: {', '.join(KINDS)}",
        )
    return open_in(lineage_of(tree_of(root, rev), generation), kind, only=only, check=check)


def open_in(
    lineage: Lineage, kind: str, *, only: str | None = None, check: bool = False
) -> StoredFrames | StoredCheckpoints:
    """The same for a lineage that is known already."""
    chosen = KINDS[kind]
    if chosen.by_manifest and not lineage.curated:
        raise DamagedArtifact(
            "has no data set yet",
            where=f"generation {lineage.name}",
            next_step=f"dvc repro curate@{lineage.name}, or open {kind} of its parent",
        )
    parts = _parts(lineage, chosen, only)
    if kind == "checkpoints":
        stored = StoredCheckpoints(lineage, tuple(parts))
        if check:
            stored.verify()
        return stored
    derived = {}
    if kind == "labels":
        derived = dict.fromkeys(("role", "retracted"), partial(roles_of, lineage=lineage))
    union = Union(chosen.artifact, parts, derived)
    frames = StoredFrames(
        kind, union, lineage, _each_once(union) if kind == "configurations" else None
    )
    if check:
        frames.verify()
    return frames


def _parts(lineage: Lineage, kind: Kind, only: str | None) -> list[Part]:
    names = [name for name in lineage.generations if kind.seed or name != SEED]
    if not names:
        raise InvalidInput(
            f"the seed has no {kind.stores[0].KIND}",
            where="aldata.open",
            expected="a generation of params.yaml",
        )
    parts = [
        Part(name, store, lineage.tree.layout(path_of(name, name_of(store))))
        for name in names
        for store in kind.stores
    ]
    for part in parts:
        require(part.layout, part.artifact)
    return _comparable(parts, kind, only, lineage) if kind.mixed_by else parts


def _comparable(parts: list[Part], kind: Kind, only: str | None, lineage: Lineage) -> list[Part]:
    """The stores that belong together. Raises InvalidInput when it is not clear which."""
    known = {part.generation: str(part.attributes[str(kind.mixed_by)]) for part in parts}
    listed = "; ".join(f"{name}: {value[:12]}" for name, value in known.items())
    wanted = only or known[lineage.name]
    found = [part for part in parts if known[part.generation].startswith(wanted)]
    if not found or len({known[part.generation] for part in found}) > 1:
        raise InvalidInput(
            f"{wanted} is the beginning of {len({known[part.generation] for part in found})} of the "
            f"{kind.mixed_by}s in the lineage",
            where=f"{kind.artifact.KIND} up to {lineage.name}",
            expected=f"one of {listed}",
        )
    if only is None and kind.refuses_mixed and len(found) < len(parts):
        raise InvalidInput(
            f"do not mix: they differ in {kind.mixed_by} ({listed})",
            where=f"{kind.artifact.KIND} up to {lineage.name}",
            next_step=f'choose one, e.g. only="{wanted[:12]}" for those that compare with '
            f"{lineage.name}'s",
        )
    return found


def _each_once(union: Union) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The first row of every configuration, in ascending order."""
    groups = grouped(union.column("configuration_id").span(0, len(union)))
    return np.sort(np.unique(groups, return_index=True)[1]).astype(np.int64)
