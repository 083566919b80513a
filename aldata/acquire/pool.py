"""What a strategy may ask about: candidates, training environments and predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.acquire.belief import Belief
from aldata.artifacts.documents import Calibration, Noise
from aldata.artifacts.frames import Candidates, Descriptors, Predictions
from aldata.digest import NO_HASH, to_bytes, to_hex
from aldata.errors import InvalidInput

Float = npt.NDArray[np.float64]
Integer = npt.NDArray[np.int64]
SHOWN = 5
"""How many frames an error spells out."""
BLOCK = 16384
"""Environments whose vectors are in memory at a time, unless the settings say otherwise."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool:
    """The candidates of one generation and what is known about them.

    A pool may be larger than memory: its artifacts are maps of files, `rows` says which of their frames
    are in the pool, and `blocks` gives them a part at a time.

    candidates : their descriptors, one row per candidate.
    training : descriptors of the existing training set; may be empty.
    predictions : of the candidates, in the same order; empty before there is a model.
    known_ids : configurations that were asked for before, in any role: never asked again.
    frames : the candidates themselves, for questions about geometry and origin; None: not known.
    belief : what the model believes about its last layer; None before there is a model.
    age : number of generations before this one.
    failed : descriptors of configurations that were asked for and gave no label; None counts as none.
    calibration : factors of the model's uncertainties; None counts as 1.
    noise : numerical noise of the labels that the oracle will give; None counts as 0.
    target : accuracy asked of energies (eV per atom) and force components (eV/A): the floor of the
        aleatoric sigmas, without which the information in a label would have no bound.
    rows : which frames of `candidates` (and of what goes with them), in which order; None: all.
    block : environments whose vectors are in memory at a time.
    asked : configurations that were asked for while this pool was made: selected before all others.

    Raises InvalidInput if these do not belong together.
    """

    candidates: Descriptors
    training: Descriptors
    predictions: Predictions
    known_ids: frozenset[str] = frozenset()
    frames: Candidates | None = None
    belief: Belief | None = None
    age: int = 0
    failed: Descriptors | None = None
    calibration: Calibration | None = None
    noise: Noise | None = None
    target: tuple[float, float] = (0.0, 0.0)
    rows: Integer | None = None
    block: int = BLOCK
    asked: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.rows is not None:
            return  # a part of a pool that was checked
        if self.has_predictions and not np.array_equal(
            self.predictions.configuration_id, self.candidates.configuration_id
        ):
            raise InvalidInput("predictions and descriptors are of different candidates")
        ours, theirs = (d.attributes.get("descriptor_id") for d in (self.candidates, self.training))
        if len(self.training) and ours != theirs:
            raise InvalidInput(
                f"candidates and training set have different descriptors ({ours} and {theirs})",
                next_step="describe both with the same settings and species",
            )

    def __len__(self) -> int:
        return len(self.candidates) if self.rows is None else len(self.rows)

    @cached_property
    def index(self) -> Integer:
        """Row in the artifacts of every frame of the pool: shape (candidate,)."""
        return np.arange(len(self.candidates)) if self.rows is None else self.rows

    @cached_property
    def described(self) -> Descriptors:
        """Descriptors of the pool, in memory: ask parts of a large pool, see `blocks`."""
        return self.candidates if self.rows is None else self.candidates.take(self.rows)

    @cached_property
    def predicted(self) -> Predictions:
        """Predictions of the pool, in memory: ask parts of a large pool, see `blocks`."""
        if self.rows is None or not self.has_predictions:
            return self.predictions
        return self.predictions.take(self.rows)

    @cached_property
    def row_size(self) -> Integer:
        """Number of atoms of each candidate: shape (candidate,)."""
        return np.asarray(self.candidates.row_size[self.index], dtype=np.int64)

    @property
    def energy_variance(self) -> Float:
        """Variance of each candidate's energy, in eV^2, uncalibrated: shape (candidate,)."""
        return np.asarray(self.predictions.energy_variance[self.index])

    def ids(self, rows: Integer | None = None) -> list[str]:
        """Configuration ids, hexadecimal, of these candidates or of all."""
        index = self.index if rows is None else self.index[rows]
        return to_hex(self.candidates.configuration_id[index])

    def blocks(self) -> Iterator[tuple[slice, Pool]]:
        """All candidates in their order, as parts of at most `block` environments (or one frame)."""
        ends = np.cumsum(self.row_size)
        begin = 0
        while begin < len(self):
            before = ends[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, before + self.block, side="right")))
            where = slice(begin, min(end, len(self)))
            yield where, self.take(np.arange(where.start, where.stop))
            begin = where.stop

    @property
    def has_predictions(self) -> bool:
        """False before there is a model."""
        return len(self.predictions) > 0

    @property
    def has_variances(self) -> bool:
        """False before there is a committee: a single model agrees with itself everywhere."""
        return self.has_predictions and self.predictions.attributes.get("members") != 1

    @cached_property
    def last_layer(self) -> Belief:
        """The belief, for strategies that need one."""
        if self.belief is None:
            raise InvalidInput("there is no model yet", where="acquire")
        return self.belief if self.rows is None else self.belief.take(self.rows)

    @property
    def method(self) -> str:
        """How the uncertainties of the predictions were found."""
        return str(self.predictions.attributes.get("method", "committee"))

    @property
    def checkpoint(self) -> str:
        """Digest of the model that predicted."""
        return str(self.predictions.attributes.get("checkpoint", NO_HASH))

    @property
    def descriptor_id(self) -> Any:
        """Identity of the descriptors."""
        return self.candidates.attributes.get("descriptor_id")

    @property
    def known_count(self) -> int:
        """How many of the candidates were asked for before."""
        known = _sortable(to_bytes(sorted(self.known_ids)))
        return int(np.isin(_sortable(self.candidates.configuration_id[self.index]), known).sum())

    def open_rows(self) -> Integer:
        """Rows that may be asked for, in ascending order of id: new ones, each content once."""
        ours = _sortable(self.candidates.configuration_id[self.index])
        new = np.flatnonzero(~np.isin(ours, _sortable(to_bytes(sorted(self.known_ids)))))
        # of equal ids the first: np.unique sorts stably
        return new[np.unique(ours[new], return_index=True)[1]].astype(np.int64)

    def take(self, rows: Integer) -> Pool:
        """The pool with these candidates only, in this order; nothing is copied but their numbers."""
        return replace(self, rows=np.asarray(self.index[rows], dtype=np.int64))

    def aleatoric_energy(self) -> Float:
        """sigma_al of each candidate's energy, in eV: the noise, or the target times its atoms."""
        measured = self.noise.sigma_energy if self.noise else 0.0
        return np.asarray(np.maximum(measured, self.target[0] * self.row_size))

    @property
    def aleatoric_forces(self) -> float:
        """sigma_al of a force component, in eV/A: the noise, or the target where that is larger."""
        return max(self.noise.sigma_forces if self.noise else 0.0, self.target[1])

    def refuse_not_finite(self) -> None:
        """Raise InvalidInput, naming the candidates, unless all that is known of them is finite."""
        bad = np.concatenate(
            [np.zeros(0, np.int64), *(w.start + p._not_finite() for w, p in self.blocks())]
        )
        if len(bad):
            names = ", ".join(identity[:8] for identity in self.ids(bad[:SHOWN]))
            raise InvalidInput(
                f"{len(bad)} of {len(self)} candidates have descriptors or predictions that are "
                f"not finite ({names}{', ...' if len(bad) > SHOWN else ''})",
                where="acquire",
                next_step="check the parent's training; its model cannot judge these candidates",
            )

    def _not_finite(self) -> Integer:
        bad = np.zeros(len(self), dtype=bool)
        bad[self.described.frame_of_atom[~np.isfinite(self.described.descriptor).all(axis=1)]] = (
            True
        )
        if self.has_predictions:
            found = self.predicted
            for values in (found.forces, found.force_covariance):
                sound = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
                bad[found.frame_of_atom[~sound]] = True
            for values in (found.energy, found.energy_variance):
                bad |= ~np.isfinite(values)
        return np.flatnonzero(bad)


def _sortable(hashes: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Hashes (n, 32) as n words of 32 bytes, which sort as their hexadecimal forms do."""
    return np.ascontiguousarray(hashes).view("S32").reshape(-1)


def largest_per_frame(values: Float, offsets: Integer) -> Float:
    """Largest value among the atoms of each frame: shape (frame,)."""
    if len(offsets) == 1:
        return np.zeros(0)
    return np.asarray(np.maximum.reduceat(values, offsets[:-1]), dtype=np.float64)
