"""What a training takes over from the parent's: weights to go on from, or a belief to update.

`retrain` begins anew. `warm_start` goes on from the parent's weights. `last_layer` keeps the parent's
features and updates its last layer in closed form: with the belief N(x, (H + P)^-1) about the last
layer, rows A and labels y in units of their accuracy,

    (H + P + A^T A) x' = (H + P) x + A^T y

and a label that is taken back enters with the opposite sign. P and what it pulls towards are those of
the training that made the features, so that adding labels one by one, or all at once, or solving for
all of them from the start gives the same last layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Labels
from aldata.errors import InvalidInput
from aldata.train.settings import TrainSettings

Float = npt.NDArray[np.float64]
Block = tuple[Float, Float]
"""Design (row, parameter) and targets (row,), in units of their accuracies."""


@dataclass(frozen=True)
class Parent:
    """The parent's checkpoint, and the frames it learned from (its role train)."""

    checkpoint: Checkpoint
    train: Labels


@dataclass(frozen=True)
class Start:
    """Where one member begins: the parent's member, and what has changed in the training set.

    weights (weight,); information H (parameter, parameter); prior (parameter,), the diagonal of P;
    mean_degree: neighbours per atom that its messages are divided by.
    """

    weights: npt.NDArray[np.float32]
    information: Float
    prior: Float
    mean_degree: float
    added: Labels
    removed: Labels


def starts_of(
    parent: Parent | None, train: Labels, settings: TrainSettings
) -> list[Start] | list[None]:
    """One start per member; None where a member begins anew.

    Raises InvalidInput when the parent cannot be gone on from.
    """
    fresh: list[None] = [None] * settings.members
    if settings.update == "retrain" or parent is None or parent.checkpoint.is_null:
        return fresh
    checkpoint, card = parent.checkpoint, parent.checkpoint.card
    _refuse_misfit(checkpoint, settings)
    before, now = set(parent.train.call_ids), set(train.call_ids)
    added = train.take(np.array([call not in before for call in train.call_ids], dtype=bool))
    gone = np.array([call not in now for call in parent.train.call_ids], dtype=bool)
    return [
        Start(
            weights=checkpoint.weights[member],
            information=checkpoint.information[member],
            prior=np.array(card["prior"][member]),
            mean_degree=float(card["mean_degree"]),
            added=added,
            removed=parent.train.take(gone),
        )
        for member in range(settings.members)
    ]


def _refuse_misfit(checkpoint: Checkpoint, settings: TrainSettings) -> None:
    card, problems = checkpoint.card, []
    if card["architecture"] != settings.architecture.content():
        problems.append("the parent has another architecture")
    if checkpoint.members < settings.members:
        problems.append(f"the parent has {checkpoint.members} members, not {settings.members}")
    if settings.update == "last_layer" and not card["settings"]["last_layer"]:
        problems.append("the parent's last layer is not the optimum (train.last_layer was false)")
    if problems:
        raise InvalidInput(
            "; ".join(problems),
            where=f"train.update: {settings.update}",
            next_step="train.update: retrain for this generation, or the parent's settings",
        )


def updated(
    mean: Float, information: Float, prior: Float, added: list[Block], removed: list[Block]
) -> tuple[Float, Float]:
    """The last layer x' (parameter,) and its information after labels were added and removed."""
    matrix, right = information.copy(), (information + np.diag(prior)) @ mean
    for sign, blocks in ((1.0, added), (-1.0, removed)):
        for design, values in blocks:
            matrix += sign * design.T @ design
            right += sign * design.T @ values
    precision = matrix + np.diag(prior)
    scale = 1 / np.sqrt(np.diag(precision))
    step = np.linalg.solve(
        precision * scale[:, None] * scale[None, :], (right - precision @ mean) * scale
    )
    return np.asarray(mean + step * scale, dtype=np.float64), matrix
