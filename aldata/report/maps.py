"""Maps of the pools, scores and residuals as the stages wrote them, thinned to what a page may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aldata.report.budget import shares, thinned
from aldata.report.generations import document_of
from aldata.store import Tree

GROUPS = ("pool", "training set", "probe", "pick")
"""Groups of a map's points, in the order in which they are drawn."""

ASKED = ("probe", "pick")

Points = list[dict[str, Any]]


def maps(tree: Tree, generations: Sequence[str], most: int) -> tuple[dict[str, Any], int]:
    """The map of each generation that has one, as columns; and how many points were left out.

    group : positions in `GROUPS`. x, y : in the descriptor's unit. id : first digits of the configurations,
    which are those of `structures`. Picks and probe are all there; of pools and training sets at most
    `most` together.
    """
    whole = {name: document_of(tree, name, "map") for name in generations}
    found = {name: points for name, points in whole.items() if points}
    rest = {
        name: np.flatnonzero([point["group"] not in ASKED for point in points])
        for name, points in found.items()
    }
    allowed = shares([len(rows) for rows in rest.values()], most)
    columns, left_out = {}, 0
    for (name, points), share in zip(found.items(), allowed, strict=True):
        shown = set(thinned(rest[name], share).tolist())
        kept = [p for row, p in enumerate(points) if p["group"] in ASKED or row in shown]
        left_out += len(points) - len(kept)
        columns[name] = _columns(kept)
    return columns, left_out


def _columns(points: Points) -> dict[str, Any]:
    drawn = sorted(points, key=lambda point: GROUPS.index(point["group"]))
    return {
        "group": [GROUPS.index(point["group"]) for point in drawn],
        "x": [short(point["x"]) for point in drawn],
        "y": [short(point["y"]) for point in drawn],
        "id": [point["configuration"] for point in drawn],
    }


def residual_points(
    tree: Tree, generations: Sequence[str], most: int
) -> tuple[dict[str, Any], int]:
    """Sigma and error of the force on probe atoms (meV/A) by generation; and how many are left out."""
    whole: Mapping[str, Points] = {
        name: document_of(tree, name, "sigma_error") or [] for name in generations
    }
    allowed = shares([len(points) for points in whole.values()], most)
    found, left_out = {}, 0
    for (name, points), share in zip(whole.items(), allowed, strict=True):
        rows = thinned(np.arange(len(points)), share)
        left_out += len(points) - len(rows)
        kept = [points[row] for row in rows.tolist()]
        found[name] = {
            "sigma": [short(point["sigma_meV_per_A"]) for point in kept],
            "error": [short(point["error_meV_per_A"]) for point in kept],
            "element": [point["element"] for point in kept],
            "id": [point["configuration"] for point in kept],
        }
    return found, left_out


def short(value: float) -> float:
    """A number as a plot needs it."""
    return float(f"{value:.4g}")
