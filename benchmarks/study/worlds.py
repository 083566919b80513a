"""What a study is made in: a system, and one world of it per seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import Noise
from aldata.artifacts.frames import Configurations, Labels
from aldata.train import TrainSettings


@dataclass(frozen=True)
class Path1D:
    """Frames along a path whose energies alone are known: (frame,) in eV."""

    frames: Configurations
    energies: npt.NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What all runs with one seed share.

    pool : labelled candidates; `kinds` says what each is. first : what the model begins with.
    tests : labelled frames; paths : of energies alone. isolated : E0 per element, in eV.
    """

    seed: int
    pool: Labels
    kinds: list[str]
    first: Labels
    tests: dict[str, Labels]
    isolated: list[float]
    paths: dict[str, Path1D] = field(default_factory=dict)
    models: dict[str, Checkpoint] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """A pool to ask about, and the budget of asking.

    batch : labels per round, `probe` of them random, never trained on, but counted. measures : columns
    of the tables, title by key; the first is the one that labels are counted for. make : the world of
    a seed, from a folder of data where the system needs one.
    """

    title: str
    species: list[int]
    training: TrainSettings
    noise: Noise
    batch: int
    probe: int
    rounds: int
    rare: tuple[str, ...]
    measures: dict[str, str]
    make: Callable[[int, Path | None], World]
    screen: int = 150
