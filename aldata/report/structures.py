"""The structures that a page can show, packed: as many as its budget of atoms allows."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.archive import StoredFrames

SHOWN = 8
"""Digits of a configuration id by which the page knows it, as in the plots of the stages."""

COLUMNS = ["row_size", "numbers", "positions", "cell", "pbc", "charge", "spin", "generation"]

Packed = dict[str, Any]


class Structures:
    """Collects structures from one sequence of frames after another, each id once."""

    def __init__(self, wanted: Sequence[str], atoms: int) -> None:
        """wanted : first digits of ids, the most important first. atoms : how many there may be."""
        self._left = atoms
        self._waiting = dict.fromkeys(wanted)
        self._ids: list[str] = []
        self._parts: list[dict[str, npt.NDArray[Any]]] = []
        self.too_many = 0

    def take(self, frames: StoredFrames) -> None:
        """Take what is still wanted and fits. A beginning that two configurations share is left out."""
        rows = _rows_beginning(frames, list(self._waiting))
        found = {ident: row for ident, row in zip(self._waiting, rows, strict=True) if row >= 0}
        for ident in found:
            del self._waiting[ident]
        chosen = np.fromiter(found.values(), np.int64, len(found))
        sizes = frames.take(chosen, ["row_size"])["row_size"]
        count = int(np.searchsorted(np.cumsum(sizes), self._left, side="right"))
        self.too_many += len(found) - count
        if count:
            self._left -= int(sizes[:count].sum())
            self._ids += list(found)[:count]
            self._parts.append(frames.take(chosen[:count], COLUMNS))

    def packed(self) -> Packed:
        """Ids, sizes and facts as lists; numbers (uint8), positions and cells (float32, A) as base64.

        cell : nine numbers per frame. periodic : a bit per cell vector, the first one's the lowest.
        """

        def joined(name: str) -> npt.NDArray[Any]:
            parts = [part[name] for part in self._parts]
            return np.concatenate(parts) if parts else np.zeros(0)

        pbc = joined("pbc").reshape(-1, 3)
        return {
            "ids": self._ids,
            "sizes": joined("row_size").tolist(),
            "periodic": (pbc @ np.array([1, 2, 4])).tolist(),
            "charge": joined("charge").tolist(),
            "spin": joined("spin").tolist(),
            "generation": joined("generation").tolist(),
            "numbers": _base64(joined("numbers"), "<u1"),
            "positions": _base64(joined("positions"), "<f4"),
            "cells": _base64(joined("cell"), "<f4"),
        }


def _rows_beginning(frames: StoredFrames, beginnings: list[str]) -> npt.NDArray[np.int64]:
    """Row of the only configuration whose id begins so, -1 where there is none or several."""
    if not len(frames) or not beginnings:
        return np.full(len(beginnings), -1)
    ids = np.ascontiguousarray(frames.column("configuration_id")[:, : SHOWN // 2])
    values = ids.view(">u4").ravel()
    order = np.argsort(values, kind="stable")
    wanted = np.array([int(text, 16) for text in beginnings], dtype=np.uint32)
    first = np.searchsorted(values[order], wanted, side="left")
    count = np.searchsorted(values[order], wanted, side="right") - first
    return np.where(count == 1, order[np.minimum(first, len(order) - 1)], -1)


def _base64(values: npt.NDArray[Any], dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode()
