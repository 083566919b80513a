"""What a set of labels tells about the last layer, in nats; and the batch that tells most, greedily.

A DFT label is 1 + 3n numbers: an energy and 3n force components. With rows A_x (1 + 3n, parameter) of
the linear model, the noise R of the numbers and the belief N(., Sigma) about the parameters, the labels
of a set S tell

    IG(S) = 1/2 logdet(I + Sigma sum_x G_x),      G_x = A_x^T R^-1 A_x

(Lindley, Ann. Math. Stat. 27, 986, 1956; MacKay, Neural Comput. 4, 590, 1992). For one number this is
1/2 log(1 + sigma_ep^2 / sigma_al^2); summing that over the components of a force would count twice what
they have in common, and would change when the molecule is turned. Here the rows are whitened, b = L^-1 a
with Sigma = L L^T (`Posterior.whitened`), so that Sigma is the identity and G_x is (parameter, parameter).

IG is monotone and submodular: a greedy batch has at least 1 - 1/e of the best batch's information
(Nemhauser, Wolsey and Fisher, Math. Program. 14, 265, 1978), and the gain of a frame never grows when
others are picked before it: an old gain is an upper bound, which is what makes lazy evaluation exact
(Minoux, 1978).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from aldata.acquire.pool import Float, Integer


def scalar_gain(variance: Float, noise: Float | float) -> Float:
    """Information of one number each: 1/2 log(1 + variance / noise^2), in nats; the unit cancels."""
    return np.asarray(0.5 * np.log1p(variance / noise**2))


def gram(energy: Float, forces: Float, sigma_energy: float, sigma_forces: float) -> Float:
    """G_x of one frame, (parameter, parameter), from whitened rows.

    energy (parameter,) in eV; forces (3n, parameter) in eV/A; sigma_energy (eV) and sigma_forces (eV/A)
    are the noise of a label. Turning the frame turns the rows of each atom, and leaves G_x as it is.
    """
    rows = np.concatenate([energy[None] / sigma_energy, forces / sigma_forces])
    return np.asarray(rows.T @ rows)


def information(grams: Float) -> float:
    """IG of a set of frames, in nats: 1/2 logdet(I + sum of G_x); grams (frame, parameter, parameter)."""
    return 0.5 * _logdet(np.eye(grams.shape[-1]) + grams.sum(axis=0))


def _logdet(matrix: Float) -> float:
    return float(2.0 * np.log(np.diag(np.linalg.cholesky(matrix))).sum())


class Told:
    """What the labels picked so far tell, and what one more would add."""

    def __init__(self, grams: Float) -> None:
        self._grams = grams
        self._known = np.eye(grams.shape[-1])
        self._logdet = 0.0

    def gain(self, row: int) -> float:
        """IG(S + row) - IG(S), in nats."""
        return 0.5 * (_logdet(self._known + self._grams[row]) - self._logdet)

    def add(self, row: int) -> None:
        """Frame `row` is labelled from now on."""
        self._known = self._known + self._grams[row]
        self._logdet = _logdet(self._known)


Bonus = Callable[[], Float]
"""What picking a frame is worth beside its information, (frame,): never grows as frames are picked."""


def greedy(
    grams: Float,
    count: int,
    bonus: Bonus | None = None,
    picked: Callable[[int], None] | None = None,
) -> tuple[Integer, Float]:
    """The frames picked one by one for the largest gain (+ bonus) when picked, and what it was.

    Exact, but lazy: a gain is computed again only where its old value, an upper bound, is still the
    largest. Of equal gains the lower row is picked. `picked` is called with each pick, before the
    bonus is asked for again.
    """
    told = Told(grams)
    bonuses = bonus() if bonus else np.zeros(len(grams))
    gains = np.array([told.gain(row) for row in range(len(grams))])
    rows: list[int] = []
    scores: list[float] = []
    while len(rows) < min(count, len(grams)):
        row, gain = _best(told, gains, bonuses, set(rows))
        rows.append(row)
        scores.append(gain + float(bonuses[row]))
        told.add(row)
        if picked:
            picked(row)
        if bonus:
            bonuses = bonus()
    return np.array(rows, dtype=np.int64), np.array(scores)


def _best(told: Told, gains: Float, bonuses: Float, taken: set[int]) -> tuple[int, float]:
    """The row with the largest gain + bonus, and its gain; `gains` holds upper bounds, and is tightened."""
    heap = [(-(gains[row] + bonuses[row]), row) for row in range(len(gains)) if row not in taken]
    heapq.heapify(heap)
    fresh: set[int] = set()
    while True:
        row = heap[0][1]
        if row in fresh:
            return row, float(gains[row])
        gains[row] = told.gain(row)
        fresh.add(row)
        heapq.heapreplace(heap, (-(gains[row] + bonuses[row]), row))
