"""The model's uncertainty during a run: where a trajectory is worth asking about, and where it is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Configuration, Float, as_configurations
from aldata.potentials.questions import Ask, alone
from aldata.potentials.uncertainty import Predict, UncertaintySettings

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, eq=False, kw_only=True)
class Watch:
    """Calibrated sigma of a frame, looked at every so many steps.

    The sigma of a frame is the largest of its atoms': alpha times the root of the trace of the
    covariance of the force, in eV/A; it does not change when the frame is turned. Its model is made at the
    first look that needs one, and stays in that process.
    """

    checkpoint: Checkpoint
    uncertainty: UncertaintySettings
    alpha: float
    every: int
    sigma_lo: float | None
    sigma_hi: float | None

    def sigma(self, atoms: Atoms) -> float:
        """Sigma of a frame whose forces have just been computed: the committee's costs nothing more."""
        known = "force_deviation" in atoms.calc.implemented_properties
        if self.uncertainty.method == "committee" and known:
            found = atoms.calc.results.get("force_deviation")
            if found is None:
                found = atoms.calc.get_property("force_deviation", atoms)
            return self.alpha * float(found.max())
        ask: Ask = getattr(atoms.calc, "ask", alone)
        return self.alpha * ask(Watch.predicted, self, from_atoms(atoms))

    def is_lost(self, sigma: float) -> bool:
        """Whether the model does not know where it is. A sigma that is not a number is no knowledge."""
        return self.sigma_hi is not None and not sigma <= self.sigma_hi

    def is_known(self, sigma: float) -> bool:
        """Whether the model knows the frame already."""
        return self.sigma_lo is not None and sigma < self.sigma_lo

    @cached_property
    def _predict(self) -> Predict:
        from aldata.potentials.uncertainty import predictor

        return predictor(self.checkpoint, self.uncertainty)

    def predicted(self, frames: Sequence[Configuration]) -> list[float]:
        """Sigmas of frames by the watch's own model, uncalibrated, in eV/A. What is not a number in one
        frame stays there.
        """
        found = sigmas_of(frames, self._predict, 1.0)[0].tolist()
        if len(frames) > 1 and not np.isfinite(found).all():
            return [sigma for frame in frames for sigma in self.predicted([frame])]
        return list(found)

    def __getstate__(self) -> dict[str, Any]:
        """What goes to another process: the model does not."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(eq=False, kw_only=True)
class Watched:
    """What the watch saw of a run after the equilibration; largest_sigma is in eV/A."""

    largest_sigma: float | None = None
    looks: int = 0
    looks_in_window: int = 0

    def note(self, sigma: float, watch: Watch) -> None:
        """One more look; the window lies between what the model knows and where it is lost."""
        self.looks += 1
        self.largest_sigma = max(sigma, self.largest_sigma or 0.0)
        self.looks_in_window += not (watch.is_lost(sigma) or watch.is_known(sigma))

    def record(self, watch: Watch | None) -> dict[str, float | int | None]:
        """For the record of the run; nothing where nobody looked."""
        if watch is None:
            return {}
        return {
            "sigma_lo": watch.sigma_lo,
            "sigma_hi": watch.sigma_hi,
            "largest_sigma": self.largest_sigma,
            "looks": self.looks,
            "looks_in_window": self.looks_in_window,
        }


def sigmas_of(
    frames: Sequence[Configuration], predict: Predict, alpha: float
) -> tuple[Float, Float]:
    """Sigma of each frame as above, and the largest length of a force that the model predicts.

    Both have the shape (frame,) and are in eV/A.
    """
    if not frames:
        return np.zeros(0), np.zeros(0)
    found = predict(as_configurations(list(frames)))
    firsts = found.offsets[:-1]
    traces = np.trace(found.force_covariance, axis1=1, axis2=2)
    sigmas = alpha * np.sqrt(np.maximum.reduceat(traces, firsts))
    forces = np.maximum.reduceat(np.linalg.norm(found.forces, axis=1), firsts)
    return sigmas, forces
