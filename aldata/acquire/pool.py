"""What a strategy may ask about: candidates, training environments and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.acquire.belief import Belief
from aldata.artifacts.documents import Calibration, Noise
from aldata.artifacts.frames import Candidates, Descriptors, Predictions
from aldata.digest import NO_HASH
from aldata.errors import InvalidInput

Float = npt.NDArray[np.float64]
Integer = npt.NDArray[np.int64]
SHOWN = 5
"""How many frames an error spells out."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool:
    """The candidates of one generation and what is known about them.

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

    def __post_init__(self) -> None:
        if self.has_predictions and self.predictions.ids != self.candidates.ids:
            raise InvalidInput("predictions and descriptors are of different candidates")
        ours, theirs = (d.attributes.get("descriptor_id") for d in (self.candidates, self.training))
        if len(self.training) and ours != theirs:
            raise InvalidInput(
                f"candidates and training set have different descriptors ({ours} and {theirs})",
                next_step="describe both with the same settings and species",
            )

    def __len__(self) -> int:
        return len(self.candidates)

    @property
    def has_predictions(self) -> bool:
        """False before there is a model."""
        return len(self.predictions) > 0

    @property
    def has_variances(self) -> bool:
        """False before there is a committee: a single model agrees with itself everywhere."""
        return self.has_predictions and self.predictions.attributes.get("members") != 1

    @property
    def last_layer(self) -> Belief:
        """The belief, for strategies that need one."""
        if self.belief is None:
            raise InvalidInput("there is no model yet", where="acquire")
        return self.belief

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

    def open_rows(self) -> Integer:
        """Rows that may be asked for, in ascending order of id: new ones, each content once."""
        first: dict[str, int] = {}
        for row, identity in enumerate(self.candidates.ids):
            if identity not in self.known_ids:
                first.setdefault(identity, row)
        return np.array([first[identity] for identity in sorted(first)], dtype=np.int64)

    def take(self, rows: Integer) -> Pool:
        """The pool with these candidates only, in this order."""
        predictions = self.predictions.take(rows) if self.has_predictions else self.predictions
        return Pool(
            candidates=self.candidates.take(rows),
            training=self.training,
            predictions=predictions,
            known_ids=self.known_ids,
            frames=None if self.frames is None else self.frames.take(rows),
            belief=None if self.belief is None else self.belief.take(rows),
            age=self.age,
            failed=self.failed,
            calibration=self.calibration,
            noise=self.noise,
            target=self.target,
        )

    def aleatoric_energy(self) -> Float:
        """sigma_al of each candidate's energy, in eV: the noise, or the target times its atoms."""
        measured = self.noise.sigma_energy if self.noise else 0.0
        return np.maximum(measured, self.target[0] * self.candidates.row_size)

    @property
    def aleatoric_forces(self) -> float:
        """sigma_al of a force component, in eV/A: the noise, or the target where that is larger."""
        return max(self.noise.sigma_forces if self.noise else 0.0, self.target[1])

    def refuse_not_finite(self) -> None:
        """Raise InvalidInput, naming the candidates, unless all that is known of them is finite."""
        sound = np.isfinite(self.candidates.descriptor).all(axis=1)
        bad = set(self.candidates.frame_of_atom[~sound].tolist())
        if self.has_predictions:
            for name in ("forces", "force_covariance"):
                values = getattr(self.predictions, name)
                sound = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
                bad |= set(self.predictions.frame_of_atom[~sound].tolist())
            for name in ("energy", "energy_variance"):
                bad |= set(np.flatnonzero(~np.isfinite(getattr(self.predictions, name))).tolist())
        if bad:
            names = ", ".join(self.candidates.ids[row][:8] for row in sorted(bad)[:SHOWN])
            raise InvalidInput(
                f"{len(bad)} of {len(self)} candidates have descriptors or predictions that are "
                f"not finite ({names}{', ...' if len(bad) > SHOWN else ''})",
                where="acquire",
                next_step="check the parent's training; its model cannot judge these candidates",
            )


def largest_per_frame(values: Float, offsets: Integer) -> Float:
    """Largest value among the atoms of each frame: shape (frame,)."""
    if len(offsets) == 1:
        return np.zeros(0)
    return np.asarray(np.maximum.reduceat(values, offsets[:-1]), dtype=np.float64)
