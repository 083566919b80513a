"""Data of the plots of an acquisition: a map of the pool, and the scores of the picks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.acquire.pool import Float, Integer, Pool
from aldata.artifacts.frames import Descriptors, Selection

SHOWN_ID = 8
"""Characters of a configuration id that a plot shows."""

Points = list[dict[str, Any]]


def map_points(pool: Pool, selection: Selection, most: int) -> Points:
    """Pool, training set, picks and probe in the plane of the two largest principal components.

    A frame is the mean of its atoms' descriptors. At most `most` frames of the pool beside the picks,
    and as many of the training set, evenly thinned. `x` and `y` are in the unit of the descriptor; each
    axis points to where its largest loading is positive. Picks and probe have their `rank` and `score`.
    """
    asked = _rows_of_ids(pool, selection)
    others = np.setdiff1d(np.arange(len(pool)), asked)
    others = others[:: max(1, -(-len(others) // most))]
    training = np.arange(len(pool.training))[:: max(1, -(-len(pool.training) // most))]
    parts = [
        _means(pool.take(np.concatenate([others, asked]))),
        _frame_means(pool.training.take(training)),
    ]
    ids = [
        *pool.ids(others),
        *selection.ids,
        *(pool.training.ids[row] for row in training.tolist()),
    ]
    groups = ["pool"] * len(others)
    groups += ["probe" if probe else "pick" for probe in selection.probe]
    groups += ["training set"] * len(training)
    known: list[tuple[int | None, float | None]] = [(None, None)] * len(others)
    known += list(zip(selection.rank.tolist(), selection.score.tolist(), strict=True))
    known += [(None, None)] * len(training)
    return [
        {
            "x": float(x),
            "y": float(y),
            "group": group,
            "rank": rank,
            "score": score,
            "configuration": identity[:SHOWN_ID],
        }
        for (x, y), group, (rank, score), identity in zip(
            plane(np.concatenate(parts)), groups, known, ids, strict=True
        )
    ]


def score_points(selection: Selection) -> Points:
    """Rank and score of every pick of the strategy, in the order of picking; see `facts` for the unit."""
    unit = str(selection.attributes.get("facts", {}).get("score_unit", "1"))
    return [
        {
            "rank": int(selection.rank[row]),
            "score": float(selection.score[row]),
            "unit": unit,
            "configuration": selection.ids[row][:SHOWN_ID],
        }
        for row in np.flatnonzero(~selection.probe)
    ]


def _rows_of_ids(pool: Pool, selection: Selection) -> Integer:
    """First row of each of the selection's frames in the pool."""
    wanted = {bytes(found): place for place, found in enumerate(selection.configuration_id)}
    rows = np.full(len(selection), -1, dtype=np.int64)
    for row, found in enumerate(pool.candidates.configuration_id[pool.index]):
        place = wanted.pop(bytes(found), None)
        if place is not None:
            rows[place] = row
    return rows


def _means(pool: Pool) -> Float:
    return np.concatenate([_frame_means(part.described) for _, part in pool.blocks()])


def _frame_means(described: Descriptors) -> Float:
    """Mean of the atoms' vectors of each frame: (frame, feature)."""
    if len(described) == 0:
        return np.zeros((0, described.descriptor.shape[1]))
    sums = np.add.reduceat(described.descriptor, described.offsets[:-1], axis=0, dtype=np.float64)
    return np.asarray(sums / described.row_size[:, None])


def plane(vectors: Float) -> npt.NDArray[np.float64]:
    """Coordinates (frame, 2) along the two largest principal components; 0 where there is only one."""
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]
    found = np.zeros((len(vectors), 2))
    found[:, : len(axes)] = centred @ axes.T
    return found
