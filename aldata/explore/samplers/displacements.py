"""Random displacements and strain of the starting points: no model is asked."""

from __future__ import annotations

import numpy as np

from aldata.artifacts.displacing import ATTEMPTS, displaced, is_strained
from aldata.errors import InvalidParameters
from aldata.explore.samplers.finding import Context, Finding, spawned
from aldata.explore.settings import Displacements


def displacements(settings: Displacements, context: Context, seed: int) -> list[Finding]:
    """`frames` displaced starting points, in turn, the standard deviations in turn after each round.

    Frame k depends on (seed, k) only. Raises InvalidParameters when the displacements keep pushing
    atoms closer than the checks allow.
    """
    found = Finding(record={"sampler": settings.name, "random_seed": seed, "ended": "completed"})
    least = context.checks.min_distance_factor
    for k in range(settings.frames):
        start = context.starts[k % len(context.starts)]
        turn = (k // len(context.starts)) % len(settings.displacement)
        deviation, rng = settings.displacement[turn], np.random.default_rng(spawned(seed, k))
        frame = displaced(start, deviation, settings.strain, least, rng)
        if frame is None:
            raise InvalidParameters(
                f"displacements of {deviation} A leave atoms too close in {ATTEMPTS} of {ATTEMPTS} "
                "draws",
                where=f"explore.samplers: displacements, from {start.id[:8]}",
                expected=f"contacts above {least} sums of covalent radii",
                next_step="lower its displacement or strain",
            )
        found.frames.append(frame)
        found.steps.append(k)
        found.temperatures.append(0.0)
        found.kinds.append("strain" if is_strained(start, settings.strain) else "displacement")
        found.parents.append(start.id)
    return [found]
