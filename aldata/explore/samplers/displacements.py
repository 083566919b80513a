"""Displacements, strain, volumes and defects of the starting points: no model is asked."""

from __future__ import annotations

import numpy as np

from aldata.artifacts.displacing import ATTEMPTS, displaced, is_strained
from aldata.errors import InvalidParameters
from aldata.explore.samplers import crystals
from aldata.explore.samplers.finding import Context, Finding, spawned
from aldata.explore.settings import Displacements


def displacements(settings: Displacements, context: Context, seed: int) -> list[Finding]:
    """Displaced starting points, then volume scans, vacancies and swaps, each a finding of its own.

    Raises InvalidParameters when displacements keep pushing atoms closer than the checks allow.
    """
    check_starts(settings, context)
    found = [_displaced(settings, context, seed)] if settings.frames else []
    if settings.volume_scan:
        found += crystals.scans(settings.volume_scan, context, seed)
    if settings.vacancies:
        found.append(crystals.defects(crystals.VACANCY, settings, context, seed))
    if settings.swaps:
        found.append(crystals.defects(crystals.SWAP, settings, context, seed))
    return found


def check_starts(settings: Displacements, context: Context) -> None:
    """Raise InvalidInput where what is asked for cannot be done to any starting point."""
    if settings.volume_scan:
        crystals.crystals_of(context, "volume_scan")
    if settings.vacancies:
        crystals.fit_for(crystals.VACANCY, settings.vacancies.atoms, context)
    if settings.swaps:
        crystals.fit_for(crystals.SWAP, settings.swaps.pairs, context)


def _displaced(settings: Displacements, context: Context, seed: int) -> Finding:
    """`frames` displaced starting points, in turn, the standard deviations in turn after each round.

    Frame k depends on (seed, k) only.
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
    return found
