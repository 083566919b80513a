"""What every way can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from store_data import FIELDS

from aldata.artifacts.frames import Labels

Rows = npt.NDArray[np.int64]
Arrays = dict[str, Any]
BLOCK = 1000
"""Frames that a scan asks for at a time."""


class Way(Protocol):
    """An opened store."""

    SHARE: float
    """Share of the frames that this way gets: below 1 for the slow ones."""

    def __init__(self, folder: Path) -> None: ...

    @staticmethod
    def write(folder: Path, labels: Labels) -> None: ...

    @staticmethod
    def append(folder: Path, labels: Labels) -> None: ...

    def batch(self, rows: Rows) -> Arrays: ...

    def scan(self) -> float: ...

    def column(self) -> Any: ...

    def species(self, number: int) -> int: ...


def total(block: Arrays) -> float:
    """The sum of energies and forces; all else is read, too."""
    return float(
        block["energy"].sum()
        + block["forces"].sum()
        + 0.0 * sum(block[name].sum() for name in FIELDS if name not in ("energy", "forces"))
    )


def frames_with(numbers: Any, row_size: Any, number: int) -> int:
    """How many frames contain an element."""
    frame_of_atom = np.repeat(np.arange(len(row_size)), row_size)
    return len(np.unique(frame_of_atom[np.flatnonzero(numbers == number)]))
