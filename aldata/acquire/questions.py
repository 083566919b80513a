"""The pool as something that answers questions: the same quantities and conditions as `aldata query`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from aldata import query
from aldata.acquire.known import Known
from aldata.acquire.picks import highest
from aldata.acquire.pool import Float, Integer, Pool
from aldata.artifacts.columns import Array
from aldata.artifacts.frames import Candidates
from aldata.artifacts.schema import KINDS
from aldata.errors import InvalidInput

LEFT_OUT = ("labels", "selection")
"""Nothing in the pool was asked for before, so no candidate has a label or a rank."""


def chosen(pool: Pool, where: str | None) -> Integer:
    """Rows of the candidates that satisfy a condition, in their order; all without one.

    Raises InvalidInput for a condition that cannot be understood, or that no candidate satisfies.
    """
    if where is None:
        return np.arange(len(pool), dtype=np.int64)
    answers = [
        block.start + np.sort(query.ask(PoolSource(part), query.Question(where)))
        for block, part in pool.blocks()
    ]
    rows = np.concatenate([np.zeros(0, np.int64), *answers])
    if len(rows) == 0:
        raise InvalidInput(
            f"none of the {len(pool)} candidates satisfies {where!r}",
            where="acquire.where",
            next_step="aldata query candidates --list shows what can be asked",
        )
    return rows


def most(pool: Pool, quantity: str, count: int) -> tuple[Integer, Float]:
    """The `count` candidates with the largest value of a quantity, largest first, and the values.

    Of equal ones the lower row comes first.
    """
    found = np.zeros(len(pool))
    for where, part in pool.blocks():
        found[where] = query.values(PoolSource(part), quantity)
    rows = highest(found, count)
    return rows, found[rows]


@dataclass(frozen=True, eq=False)
class PoolSource:
    """A pool as a source of `query.ask`."""

    pool: Pool
    kind: str = "candidates"

    def __len__(self) -> int:
        return len(self.pool)

    def part(self, rows: Integer) -> PoolSource:
        """See `query.Source`."""
        return PoolSource(self.pool.take(rows))

    def own(self, names: Sequence[str]) -> dict[str, Array]:
        """See `query.Source`. Raises InvalidInput for what a pool without geometries does not know."""
        described = self.pool.described
        found: dict[str, Array] = {"row_size": described.row_size}
        for name in names:
            if name in ("configuration_id", "row_size", "numbers"):
                found[name] = getattr(described, name)
            elif self.pool.frames is not None and hasattr(self.pool.frames, name):
                found[name] = getattr(self._frames, name)
            else:
                raise InvalidInput(f"the pool does not know '{name}'", where="acquire.where")
        return found

    @cached_property
    def _frames(self) -> Candidates:
        frames = self.pool.frames
        if frames is None:
            raise InvalidInput("the pool does not know its geometries", where="acquire.where")
        return frames if self.pool.rows is None else frames.take(self.pool.rows)

    def beside(self, artifact: str, names: Sequence[str]) -> tuple[Integer, dict[str, Array]]:
        """See `query.Source`."""
        everything = np.arange(len(self), dtype=np.int64)
        if artifact == "descriptors":
            return everything, {"distance": Known(self.pool).novelty()}
        if artifact in LEFT_OUT:
            dtypes = {v.name: v.dtype for v in KINDS[artifact]}
            return everything[:0], {n: np.zeros(0, dtypes.get(n, "U1")) for n in names}
        predictions = self.pool.predicted
        columns = {name: getattr(predictions, name) for name in names}
        rows = everything[: len(predictions)]
        return rows, {**columns, "row_size": predictions.row_size}

    def factor(self, of: Literal["energy", "forces"]) -> Array:
        """See `query.Source`."""
        calibration = self.pool.calibration
        alpha = getattr(calibration, of).alpha if calibration else 1.0
        return np.full(len(self), alpha)
