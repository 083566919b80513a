"""The same physics in another place: rigid motions that a code's grids notice and nature does not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from aldata import digest
from aldata.artifacts.frames import Configuration, Configurations, Float, as_configurations


@dataclass(frozen=True, eq=False)
class Moves:
    """Moved copies of K frames, `repeats` of each, those of one frame one after the other.

    configurations : K x repeats frames.
    turns (K x repeats, 3, 3) : the rotation Q of each, x' = Q x; the identity for a translation.
    """

    configurations: Configurations
    turns: Float
    repeats: int


def moves(configurations: Configurations, repeats: int) -> Moves:
    """Moved copies; a frame always gets the same ones, so that a repeated question is no new call.

    Molecules are turned about their centroid by a uniformly random rotation: atom-centred
    integration grids do not turn with them. Periodic frames are moved along their periodic vectors
    by a uniformly random fraction of each (the "egg-box" of grids that are fixed to the cell).
    """
    moved = [_moved(frame, k) for frame in configurations for k in range(repeats)]
    return Moves(
        configurations=as_configurations([frame for frame, _ in moved]),
        turns=np.array([turn for _, turn in moved]).reshape(-1, 3, 3),
        repeats=repeats,
    )


def _moved(frame: Configuration, repeat: int) -> tuple[Configuration, Float]:
    seed = int(digest.of_json({"move": repeat, "of": frame.id})[:16], 16)
    rng = np.random.default_rng(seed)
    if frame.pbc.any():
        shift = np.where(frame.pbc, rng.random(3), 0.0) @ frame.cell
        return replace(frame, positions=frame.positions + shift), np.eye(3)
    turn = _rotation(rng)
    centre = frame.positions.mean(axis=0)
    return replace(frame, positions=(frame.positions - centre) @ turn.T + centre), turn


def _rotation(rng: np.random.Generator) -> Float:
    """A uniformly random rotation, from a random unit quaternion."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_quat(rng.normal(size=4)).as_matrix(), dtype=np.float64)
