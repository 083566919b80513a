"""The farthest candidate, again and again, without looking at all of them each time.

A distance to what is known only shrinks as candidates are picked: an old one is an upper bound. So only a
front of the farthest candidates is kept up to date. As long as its farthest lies beyond the bounds of all
others it is the farthest of all, and the picks are those of the plain algorithm, one for one. When it does
not, the most promising of the others are brought up to date, a block at a time, and a new front is made.
"""

from __future__ import annotations

import numpy as np

from aldata.acquire.distances import Compared
from aldata.acquire.known import Environments, Known, environments
from aldata.acquire.pool import Float, Integer, Pool, largest_per_frame
from aldata.artifacts.frames import Descriptors

TOGETHER = 8192
"""Environments compared at a time with the few of a pick."""


class Members:
    """Some frames whose environments are compared with pick after pick: ready for it, in memory."""

    def __init__(self, described: Descriptors) -> None:
        self.offsets = described.offsets
        self._elements = {
            int(number): (atoms, Compared(described.descriptor[atoms], TOGETHER))
            for number in np.unique(described.numbers)
            if len(atoms := np.flatnonzero(described.numbers == number))
        }

    def closer(self, known: Environments, below: Float) -> Float:
        """`below` (atom,), or the distance of each atom to the nearest known one where smaller."""
        found = np.array(below)
        for number, (atoms, compared) in self._elements.items():
            if number in known:
                found[atoms] = compared.nearest(known[number], below=below[atoms])
        return found


class Frontier(Known):
    """What is known, brought up to date where it can matter for the farthest candidate."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._bound: Float = self.distances()
        self._seen = np.zeros(len(pool), dtype=np.int32)  # picks that a bound takes into account
        self._picked: list[Descriptors] = []
        self._size = max(1, int(pool.block * len(pool) / max(1, self._offsets[-1])))
        self._renew()

    def farthest(self) -> int:
        """The row that is farthest from what is known; of equally far ones the lowest."""
        inside = self._bound[self._front]
        if not len(inside) or inside.max() <= self._others:
            self._refresh_the_most_promising()
            self._renew()
        return int(np.argmax(self._bound))

    def distance(self, row: int) -> float:
        """Distance of a row that was up to date when it was found."""
        return float(self._bound[row])

    def add(self, row: int) -> None:
        """Candidate `row` is known from now on, and no candidate any more."""
        self._picked.append(self._pool.take(np.array([row])).described)
        self._bound[row] = -1.0
        self._seen[row] = np.iinfo(np.int32).max
        self._update(self._front, self._members, len(self._picked) - 1)

    def _renew(self) -> None:
        """Make the farthest candidates the front, and bring it up to date."""
        size = min(self._size, len(self._bound))
        best = np.argpartition(-self._bound, size - 1)[:size] if size else np.zeros(0, np.int64)
        self._front: Integer = np.sort(best[self._bound[best] >= 0]).astype(np.int64)
        others = np.ones(len(self._bound), dtype=bool)
        others[self._front] = False
        self._others = float(self._bound[others].max(initial=-1.0))
        self._members = Members(self._pool.take(self._front).described)
        if len(self._front):
            self._update(self._front, self._members, int(self._seen[self._front].min()))

    def _refresh_the_most_promising(self) -> None:
        """Bring bounds up to date until none that is old could be the largest."""
        while True:
            fresh = self._seen == len(self._picked)
            best = self._bound[fresh].max(initial=0.0)
            old = np.flatnonzero((self._seen < len(self._picked)) & (self._bound >= best))
            if len(old) == 0:
                return
            if len(old) > self._size:
                old = old[np.argpartition(-self._bound[old], self._size - 1)[: self._size]]
            rows = np.sort(old).astype(np.int64)
            members = Members(self._pool.take(rows).described)
            self._update(rows, members, int(self._seen[rows].min()))

    def _update(self, rows: Integer, members: Members, since: int) -> None:
        """Take the picks from number `since` on into account for these rows."""
        if len(rows) == 0 or since >= len(self._picked):
            return
        places = _atoms_of(self._offsets, rows)
        found = members.closer(environments(*self._picked[since:]), self._distance[places])
        self._distance[places] = found
        open_rows = self._bound[rows] >= 0
        now = largest_per_frame(found, members.offsets)
        self._bound[rows[open_rows]] = now[open_rows]
        self._seen[rows[open_rows]] = len(self._picked)


def _atoms_of(offsets: Integer, rows: Integer) -> Integer:
    sizes = offsets[rows + 1] - offsets[rows]
    firsts = np.cumsum(sizes) - sizes
    return np.asarray(np.arange(sizes.sum()) + np.repeat(offsets[rows] - firsts, sizes))
