"""The structures that a page can show, packed: as many as its budget of atoms allows."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.archive import StoredFrames

SHOWN = 8
"""Digits of a configuration id by which the page knows it, as in the plots of the stages."""

COLUMNS = ["row_size", "numbers", "positions", "cell", "pbc", "charge", "spin", "generation"]

Packed = dict[str, Any]


class Structures:
    """Collects structures, each id once, until so many atoms are there."""

    def __init__(self, atoms: int) -> None:
        self._left = atoms
        self._ids: list[str] = []
        self._parts: list[dict[str, npt.NDArray[Any]]] = []
        self._refused: set[str] = set()

    @property
    def too_many(self) -> int:
        """How many did not fit."""
        return len(self._refused)

    def take(self, frames: StoredFrames, wanted: Iterable[str]) -> None:
        """Take the frames whose ids begin so, the first ones first, as far as they fit.

        A beginning that two configurations share is left out.
        """
        known = self._refused.union(self._ids)
        waiting = [identity for identity in dict.fromkeys(wanted) if identity not in known]
        rows = _rows_beginning(frames, waiting)
        there = np.flatnonzero(rows >= 0)
        sizes = frames.take(rows[there], ["row_size"])["row_size"]
        count = int(np.searchsorted(np.cumsum(sizes), self._left, side="right"))
        self._refused |= {waiting[k] for k in there[count:]}
        if count:
            self._left -= int(sizes[:count].sum())
            self._ids += [waiting[k] for k in there[:count]]
            self._parts.append(frames.take(rows[there[:count]], COLUMNS))

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
