"""What a sampler is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import Thresholds
from aldata.artifacts.frames import Configuration, Configurations
from aldata.explore.settings import Checks
from aldata.potentials.uncertainty import UncertaintySettings

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from aldata.explore.asking import Ask

CalculatorOf = Callable[[Checkpoint], "Calculator"]
S_contra = TypeVar("S_contra", contravariant=True)


class Run(Protocol):
    """Runs a top-level function on every job, results in the order of the jobs."""

    def __call__(self, function: Callable[[Any], Any], jobs: Sequence[Any], /) -> list[Any]:
        """One result per job, in their order."""
        ...


@dataclass(frozen=True, kw_only=True)
class Context:
    """What all samplers of a generation share.

    starts : configurations that are known to be physical. alpha : the parent's calibration factor of
    forces, and thresholds its thresholds, None where it has none. project : the folder that paths of
    settings are relative to. charge, spin : of frames that do not say. ask : has a frame labelled on the
    way; None: nothing is asked for before the candidates are chosen.
    """

    starts: Configurations
    checkpoint: Checkpoint
    run: Run
    calculator: CalculatorOf
    checks: Checks = field(default_factory=Checks)
    uncertainty: UncertaintySettings = field(default_factory=UncertaintySettings)
    alpha: float = 1.0
    thresholds: Thresholds | None = None
    project: Path = Path()
    charge: int = 0
    spin: int = 0
    ask: Ask | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one trajectory, file or series of draws gave.

    record : what is kept of how it went: `sampler`, `ended`, and what else the sampler knows. steps,
    temperatures (K, 0 without a thermostat), kinds (of `schema.SAMPLERS`), parents (configuration
    ids): one per frame. images, beads and sigmas (eV/A) as in `schema.CANDIDATES`: one per frame, or
    empty where no frame has any. ranked : the frames are in the order in which they are wanted, so
    that the first ones are kept where there are too many. whole : none is left out, however many there are.
    """

    record: dict[str, Any]
    frames: list[Configuration] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    temperatures: list[float] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    beads: list[int] = field(default_factory=list)
    sigmas: list[float] = field(default_factory=list)
    ranked: bool = False
    whole: bool = False

    def take(self, rows: Sequence[int]) -> Finding:
        """Only these frames, in this order."""
        taken: dict[str, Any] = {}
        for name in PER_FRAME:
            column = getattr(self, name)
            taken[name] = [column[row] for row in rows] if column else []
        return replace(self, **taken)

    def column(self, name: str, none: float) -> list[Any]:
        """Values of `images`, `beads` or `sigmas`, one per frame: `none` where there are none."""
        values: list[Any] = getattr(self, name)
        return values or [none] * len(self.frames)


PER_FRAME = (
    "frames", "steps", "temperatures", "kinds", "parents", "images", "beads", "sigmas",
)  # fmt: skip


class Sampler(Protocol[S_contra]):
    """A way of looking: the same settings, context and seed give the same findings."""

    def __call__(self, settings: S_contra, context: Context, seed: int, /) -> list[Finding]:
        """Look, and say how it went."""
        ...


def spawned(seed: int, index: int) -> int:
    """A random seed of its own for the index-th part of something."""
    return int(np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(1)[0])
