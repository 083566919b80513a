"""Which elements a frame has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.errors import InvalidInput

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Elements:
    """The elements of each frame: numbers (atom,) and row_size (frame,)."""

    numbers: Array
    row_size: Array

    def __len__(self) -> int:
        return len(self.row_size)

    def contain(self, symbol: str) -> npt.NDArray[np.bool_]:
        """Frames with an atom of this element: (frame,). Raises InvalidInput for no element."""
        from ase.data import atomic_numbers

        if symbol not in atomic_numbers:
            raise InvalidInput(f"'{symbol}' is no element", expected="a symbol such as 'O'")
        return self._count(self.numbers == atomic_numbers[symbol]) > 0

    def words(self) -> Array:
        """The symbols of each frame, in the order of their atomic numbers: 'H C O'."""
        return self._each(lambda numbers: " ".join(_symbols(np.unique(numbers))))

    def formulas(self) -> Array:
        """Hill formula of each frame: 'C2H6O'."""
        from ase.formula import Formula

        return self._each(lambda numbers: Formula.from_list(_symbols(numbers)).format("hill"))

    def _count(self, which: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        total = np.concatenate([[0], np.cumsum(which)])
        ends = np.cumsum(self.row_size)
        return np.asarray(total[ends] - total[ends - self.row_size], dtype=np.int64)

    def _each(self, word: Any) -> Array:
        """A word per frame, worked out once per composition."""
        known: dict[bytes, str] = {}
        found, begin = [], 0
        for size in self.row_size.tolist():
            numbers = np.sort(self.numbers[begin : begin + size])
            begin += size
            key = numbers.tobytes()
            if key not in known:
                known[key] = word(numbers)
            found.append(known[key])
        return np.array(found, dtype=np.str_)


def _symbols(numbers: Array) -> list[str]:
    from ase.data import chemical_symbols

    return [chemical_symbols[number] for number in numbers.tolist()]
