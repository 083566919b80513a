"""Ring polymers that the model's own uncertainty watches, moved by i-PI."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from aldata.explore.ipi import require_ipi
from aldata.explore.rings import Polymer, Round, follow
from aldata.explore.samplers.finding import Context, Finding, spawned
from aldata.explore.samplers.molecular_dynamics import drawn_rows, watch_of
from aldata.explore.settings import PathIntegral


def path_integral(settings: PathIntegral, context: Context, seed: int) -> list[Finding]:
    """Trajectories from the starting points, every (temperature, replica) one job.

    Each has its own random seed, spawned from `seed`. A candidate is one bead at one step. Raises
    InvalidParameters where i-PI is not installed.
    """
    check_ipi(settings, context)
    count = len(settings.temperatures) * settings.replicas
    watch = watch_of(settings, context)
    jobs = [
        Polymer(
            start=context.starts[row],
            temperature=settings.temperatures[index // settings.replicas],
            random_seed=spawned(seed, index),
            settings=settings,
            calculator=partial(context.calculator, context.checkpoint),
            checks=context.checks,
            watch=watch,
        )
        for index, row in enumerate(drawn_rows(len(context.starts), count, seed))
    ]
    rounds: list[Round] = context.run(follow, jobs)
    return [_finding(job, found) for job, found in zip(jobs, rounds, strict=True)]


def check_ipi(_settings: PathIntegral, _context: Context) -> None:
    """Raise InvalidParameters unless i-PI is installed."""
    require_ipi("explore.samplers: path_integral")


def _finding(job: Polymer, found: Round) -> Finding:
    count = len(found.frames)
    record: dict[str, Any] = {
        "sampler": job.settings.name,
        "temperature": job.temperature,
        "beads": job.settings.beads,
        "random_seed": job.random_seed,
        "steps": found.done,
        "asked_steps": job.settings.steps,
        "ended": found.ended,
        "start": job.start.id,
        "mean_potential_energy": _mean(found.potential),
        "mean_kinetic_energy": _mean(found.kinetic),
    }
    record |= found.record(job.watch)
    return Finding(
        record=record,
        frames=found.frames,
        steps=found.steps,
        temperatures=[job.temperature] * count,
        kinds=["path_integral"] * count,
        parents=[job.start.id] * count,
        beads=found.beads,
        sigmas=found.sigmas,
    )


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
