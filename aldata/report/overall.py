"""One map of all generations: everything that was proposed, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aldata import archive
from aldata.acquire import plane
from aldata.archive import StoredFrames
from aldata.errors import InvalidInput
from aldata.report.budget import thinned
from aldata.report.maps import GROUPS, short
from aldata.report.structures import SHOWN

BLOCK = 200
"""Frames whose atoms' descriptors are in memory at a time."""

OF_ROLE = {"train": "training set", "valid": "training set", "probe": "probe"}


def overall_map(
    stores: Sequence[StoredFrames], roles: Mapping[str, str], most: int
) -> tuple[dict[str, Any], int]:
    """Candidates of every generation on common axes, as columns; and how many were left out.

    stores : the descriptors of every branch, of one kind. roles : of configurations in data sets. What
    was labelled comes first; of it and of the rest at most `most` together, evenly spread. generation :
    that which proposed the point, or described it first. See `maps.maps` for the rest.
    """
    seen: dict[str, tuple[int, int]] = {}
    for number, stored in enumerate(stores):
        for row, identity in enumerate(stored.ids):
            seen.setdefault(identity, (number, row))
    ids = np.array(list(seen), dtype=object)
    groups = np.array([GROUPS.index(OF_ROLE.get(roles.get(i, ""), "pool")) for i in ids], dtype=int)
    labelled, others = np.flatnonzero(groups > 0), np.flatnonzero(groups == 0)
    labelled = thinned(labelled, most)
    shown = np.concatenate([thinned(others, most - len(labelled)), labelled])
    shown = shown[np.argsort(groups[shown], kind="stable")]
    places = [seen[identity] for identity in ids[shown]]
    x, y = plane(_means(stores, places)).T
    of = [stored.column("generation").tolist() for stored in stores]
    columns = {
        "group": groups[shown].tolist(),
        "x": [short(value) for value in x.tolist()],
        "y": [short(value) for value in y.tolist()],
        "id": [identity[:SHOWN] for identity in ids[shown]],
        "generation": [of[number][row] for number, row in places],
    }
    return columns, len(ids) - len(shown)


def _means(stores: Sequence[StoredFrames], places: Sequence[tuple[int, int]]) -> Any:
    """Mean of the atoms' descriptors of each frame: (frame, feature)."""
    width = stores[0].shape_of("descriptor")[1]
    found = np.zeros((len(places), width))
    for number, stored in enumerate(stores):
        mine = np.array([k for k, (store, _) in enumerate(places) if store == number], dtype=int)
        for begin in range(0, len(mine), BLOCK):
            block = mine[begin : begin + BLOCK]
            taken = stored.take([places[k][1] for k in block], ["row_size", "descriptor"])
            ends = np.cumsum(taken["row_size"])[:-1]
            for k, part in zip(block, np.split(taken["descriptor"], ends), strict=True):
                found[k] = part.mean(axis=0, dtype=np.float64)
    return found


def descriptors_of(tips: Sequence[str], root: Path, rev: str | None) -> list[StoredFrames]:
    """The descriptors of every branch.

    Raises InvalidInput where they do not compare, DamagedArtifact for what is not here.
    """
    stores = [archive.open("descriptors", tip, rev, root) for tip in tips]
    kinds = {str(stored.parts[-1].attributes["descriptor_id"]) for stored in stores}
    if len(kinds) > 1:
        raise InvalidInput(
            "descriptors of the branches do not compare",
            where=", ".join(tips),
            expected="one of descriptor_id " + ", ".join(kind[:12] for kind in sorted(kinds)),
        )
    return stores
