"""Ask frames: which satisfy a condition, which come first, and what a quantity is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from aldata.errors import InvalidInput
from aldata.query.elements import Elements
from aldata.query.expressions import Condition
from aldata.query.quantities import Quantity, known
from aldata.query.recipes import Array

Integer = npt.NDArray[np.int64]


class Source(Protocol):
    """Frames of one kind, and what is known about them."""

    @property
    def kind(self) -> str:
        """One of the kinds of `quantities.ALL`."""
        ...

    def __len__(self) -> int: ...

    def part(self, rows: Integer) -> Self:
        """These frames only, in this order."""
        ...

    def own(self, names: Sequence[str]) -> dict[str, Array]:
        """Columns of the frames; with per-atom ones also `row_size`."""
        ...

    def beside(self, artifact: str, names: Sequence[str]) -> tuple[Integer, dict[str, Array]]:
        """Rows of the frames that `artifact` knows, and its columns for these, in that order."""
        ...

    def factor(self, of: Literal["energy", "forces"]) -> Array:
        """Calibration factor of the uncertainties about each frame: (frame,)."""
        ...


@dataclass(frozen=True)
class Question:
    """Frames that satisfy `where`, sorted by the names in `sort` (with '-' the largest first), the
    first `top` of them.
    """

    where: str | None = None
    sort: tuple[str, ...] = ()
    top: int | None = None

    def names(self, kind: str) -> list[str]:
        """Every quantity that it asks about. Raises InvalidInput for what cannot be understood."""
        conditions = Condition.parse(self.where, known(kind)) if self.where else []
        found = [name for condition in conditions for name in condition.names]
        found += [_sort_key(key, kind)[0] for key in self.sort]
        return list(dict.fromkeys(found))


def ask(source: Source, question: Question) -> Integer:
    """Rows of `source` that answer the question, in order.

    Cheap conditions are looked at first, and expensive quantities computed only for frames that
    satisfy them. Frames without a value to sort by come last; equal ones are in the order of their
    ids. Raises InvalidInput before anything is computed.
    """
    question.names(source.kind)
    if question.top is not None and question.top < 1:
        raise InvalidInput(f"the first {question.top} frames", expected="at least 1")
    table = known(source.kind)
    conditions = Condition.parse(question.where, table) if question.where else []
    conditions.sort(
        key=lambda c: max((table[name].cost(source.kind) for name in c.names), default=0)
    )
    rows: Integer = np.arange(len(source), dtype=np.int64)
    for condition in conditions:
        part = source if len(rows) == len(source) else source.part(rows)
        computed = {name: values(part, name) for name in condition.names}
        rows = rows[condition.holds(computed.__getitem__, len(rows))]
    if question.sort:
        rows = rows[_order(source.part(rows), question.sort)]
    return rows[: question.top]


def _order(source: Source, sort: Sequence[str]) -> Integer:
    ids = values(source, "id")
    order = np.argsort(ids, kind="stable")
    for key in reversed(sort):
        name, sign = _sort_key(key, source.kind)
        found = _sortable(values(source, name))[order]
        if found.dtype.kind == "U":
            # lexsort knows no descending words
            found = np.unique(found, return_inverse=True)[1]
        order = order[np.argsort(sign * np.asarray(found, dtype=np.float64), kind="stable")]
    return np.asarray(order, dtype=np.int64)


def _sortable(found: Any) -> Array:
    return found.words() if isinstance(found, Elements) else np.asarray(found)


def _sort_key(key: str, kind: str) -> tuple[str, int]:
    name, sign = (key[1:], -1) if key.startswith("-") else (key, 1)
    quantity(name, kind)
    return name, sign


def quantity(name: str, kind: str) -> Quantity:
    """A quantity that frames of a kind have. Raises InvalidInput, with those they have."""
    found = known(kind).get(name)
    if found is None:
        raise InvalidInput(
            f"{kind} have no quantity '{name}'", expected=f"one of: {', '.join(known(kind))}"
        )
    return found


MISSING: dict[str, Any] = {"number": np.nan, "word": "none", "flag": False}


def values(source: Source, name: str) -> Any:
    """A quantity of every frame: (frame,), or Elements. Raises InvalidInput for an unknown name."""
    asked = quantity(name, source.kind)
    recipe = asked.recipes[source.kind]
    if recipe.of == "own":
        rows, columns = None, source.own(recipe.columns)
    else:
        rows, columns = source.beside(recipe.of, recipe.columns)
    if recipe.factor:
        alpha = source.factor(recipe.factor)
        columns = {**columns, "alpha": alpha if rows is None else alpha[rows]}
    found = recipe.compute(columns)
    if rows is None or len(rows) == len(source):
        return found
    dtype = np.result_type(found.dtype, np.float64) if asked.type == "number" else found.dtype
    if asked.type == "word":
        dtype = np.result_type(found.dtype, "<U4")
    filled = np.full(len(source), MISSING[asked.type], dtype=dtype)
    filled[rows] = found
    return filled
