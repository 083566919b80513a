"""Trajectories that the model's own uncertainty watches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.errors import InvalidInput
from aldata.explore.asking import Asked, followed
from aldata.explore.groups import walked
from aldata.explore.samplers.finding import Context, Finding, spawned
from aldata.explore.settings import Dynamics, Followed, MolecularDynamics, Threshold
from aldata.explore.trajectories import Trajectory, Walk
from aldata.explore.watching import Watch

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


def molecular_dynamics(settings: MolecularDynamics, context: Context, seed: int) -> list[Finding]:
    """Trajectories on the model's mean, see `trajectories`."""
    return trajectories(settings, context, seed, context.calculator, "dynamics")


def trajectories(
    settings: Dynamics,
    context: Context,
    seed: int,
    calculator: Callable[[Checkpoint], Calculator],
    kind: str,
) -> list[Finding]:
    """Trajectories from the starting points, one for every temperature, pressure and replica.

    Each has its own random seed, spawned from `seed`; starts are drawn without repetition as long as
    there are enough. A trajectory that leaves no frame is a finding too: why it ended. So are, together,
    the frames that were asked for on the way, if `context.ask` is there.
    """
    states = list(product(settings.temperatures, settings.pressures or [0.0]))
    count = len(states) * settings.replicas
    watch = watch_of(settings, context)
    jobs = [
        Trajectory(
            start=context.starts[row],
            temperature=states[index // settings.replicas][0],
            pressure=states[index // settings.replicas][1],
            random_seed=spawned(seed, index),
            settings=settings,
            checks=context.checks,
            calculator=partial(calculator, context.checkpoint),
            watch=watch,
            waits=context.ask is not None,
        )
        for index, row in enumerate(drawn_rows(len(context.starts), count, seed))
    ]
    walks, asked = followed(jobs, walked(jobs, context.run), context, calculator)
    findings = [_finding(job, found, kind) for job, found in zip(jobs, walks, strict=True)]
    return [*findings, _questions(jobs, asked, kind)] if asked else findings


def check_volume(settings: Dynamics, context: Context) -> None:
    """Raise InvalidInput for a barostat on what has no volume."""
    periodic = np.array([frame.pbc.all() for frame in context.starts], dtype=bool)
    if settings.ensemble != "npt" or periodic.all():
        return
    first = context.starts.ids[int(np.argmin(periodic))]
    raise InvalidInput(
        f"{int((~periodic).sum())} of {len(periodic)} starting points are not periodic in all three "
        f"directions, the first one {first[:8]}",
        where=f"explore.samplers: {settings.name}, ensemble: npt",
        expected="cells: a molecule has no volume that a pressure could change",
        next_step="ensemble: nvt, or begin with structures that have a cell",
    )


def watch_of(settings: Followed, context: Context) -> Watch | None:
    """What follows sigma during a run; None where it is switched off, or there is no threshold yet."""
    stated = context.thresholds
    high = _threshold(settings.sigma_hi, stated.sigma_hi if stated else None)
    low = _threshold(settings.sigma_lo, stated.sigma_lo if stated else None)
    if settings.watch_every == 0 or (high is None and low is None):
        return None
    return Watch(
        checkpoint=context.checkpoint,
        uncertainty=context.uncertainty,
        alpha=context.alpha,
        every=settings.watch_every,
        sigma_lo=low,
        sigma_hi=high,
    )


def _threshold(setting: Threshold, calibrated: float | None) -> float | None:
    return calibrated if setting == "calibration" else setting


def drawn_rows(starts: int, count: int, seed: int) -> list[int]:
    """Starting points of so many trajectories, drawn without repetition as long as there are enough."""
    rng = np.random.default_rng(seed)
    rounds = [rng.permutation(starts) for _ in range(-(-count // starts))]
    return [int(row) for row in np.concatenate(rounds)[:count]]


def _finding(job: Trajectory, found: Walk, kind: str) -> Finding:
    count = len(found.frames)
    record: dict[str, Any] = {
        "sampler": job.settings.name,
        "ensemble": job.settings.ensemble,
        "temperature": list(t) if isinstance(t := job.temperature, tuple) else t,
        "random_seed": job.random_seed,
        "steps": found.done,
        "asked_steps": job.settings.steps,
        "ended": found.ended,
        "start": job.start.id,
        "autocorrelation_steps": found.autocorrelation,
        "spacing": found.spacing,
    }
    if job.settings.ensemble == "npt":
        record["pressure"] = list(p) if isinstance(p := job.pressure, tuple) else p
    if found.bias is not None:
        record["bias_strength"] = found.bias
    record |= found.record(job.watch)
    return Finding(
        record=record,
        frames=found.frames,
        steps=found.steps,
        temperatures=[job.temperature_at(step) for step in found.steps],
        kinds=[kind] * count,
        parents=[job.start.id] * count,
        sigmas=found.sigmas,
    )


def _questions(jobs: list[Trajectory], asked: list[Asked], kind: str) -> Finding:
    """The frames that were asked for on the way: all of them stay candidates, and are selected."""
    entries = [
        {
            "configuration": one.frame.id,
            "random_seed": jobs[one.trajectory].random_seed,
            "step": one.step,
            "checkpoint": one.checkpoint,
            **one.call,
        }
        for one in asked
    ]
    return Finding(
        record={"sampler": jobs[0].settings.name, "ended": "asked during", "asked": entries},
        frames=[one.frame for one in asked],
        steps=[one.step for one in asked],
        temperatures=[jobs[one.trajectory].temperature_at(one.step) for one in asked],
        kinds=[kind] * len(asked),
        parents=[jobs[one.trajectory].start.id for one in asked],
        sigmas=[one.sigma for one in asked],
        whole=True,
    )
