"""Which frames are near-copies of which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aldata.artifacts.frames import Configurations
from aldata.curate.fingerprints import Fingerprint, Single, fingerprint


@dataclass(frozen=True, eq=False)
class Alike:
    """Frames of one kind (composition, charge, spin, periodicity): their rows and fingerprints."""

    rows: list[int]
    prints: list[Fingerprint]

    @cached_property
    def pairs(self) -> Single:
        """The sorted distances of all frames: shape (frame, pair)."""
        return np.stack([one.pairs for one in self.prints])

    def near(self, mine: Fingerprint, tolerance: float, first: int) -> Iterator[tuple[float, int]]:
        """(distance, row) of the near-copies of `mine` among the frames from number `first` on.

        The lower bound is taken for all at once; few frames pass it.
        """
        if first >= len(self.rows):
            return
        squares = np.square(self.pairs[first:] - mine.pairs)
        bound = np.sqrt(squares.mean(axis=1)) if squares.shape[1] else np.zeros(len(squares))
        for number in first + np.flatnonzero(bound <= tolerance + SLACK):
            distance = mine.distance(self.prints[number], tolerance)
            if np.isfinite(distance):
                yield distance, self.rows[number]


SLACK = 1e-5
"""Rounding of single precision in the lower bound, in A."""


def near_copies(
    frames: Configurations, earlier: Configurations, tolerance: float
) -> list[list[int]]:
    """For every frame the rows of `earlier` that it nearly copies, the nearest first."""
    known = _by_kind(earlier)
    found = []
    for configuration in frames:
        mine = fingerprint(configuration)
        alike = known.get(mine.kind)
        near = sorted(alike.near(mine, tolerance, 0)) if alike else []
        found.append([row for _, row in near])
    return found


def clusters(frames: Configurations, tolerance: float) -> list[int]:
    """Cluster of every frame: frames linked by a chain of near-copies share a number.

    Chains count (single linkage), because a copy of a copy leaks as well.
    """
    group = list(range(len(frames)))

    def root(row: int) -> int:
        while group[row] != row:
            row = group[row]
        return row

    for alike in _by_kind(frames).values():
        for number, (row, mine) in enumerate(zip(alike.rows, alike.prints, strict=True)):
            for _, other in alike.near(mine, tolerance, number + 1):
                group[root(other)] = root(row)
    return [root(row) for row in range(len(frames))]


def _by_kind(frames: Configurations) -> dict[Hashable, Alike]:
    kinds: dict[Hashable, Alike] = defaultdict(lambda: Alike([], []))
    for row, configuration in enumerate(frames):
        mine = fingerprint(configuration)
        kinds[mine.kind].rows.append(row)
        kinds[mine.kind].prints.append(mine)
    return kinds
