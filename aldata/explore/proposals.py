"""Candidates from trajectories on a checkpoint's committee mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Candidates, Configurations, geometry_columns
from aldata.artifacts.schema import SAMPLERS
from aldata.digest import to_bytes
from aldata.errors import InvalidInput
from aldata.explore.settings import ExploreSettings
from aldata.explore.trajectories import Trajectory, Walk, walk

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

CalculatorOf = Callable[[Checkpoint], "Calculator"]


class Run(Protocol):
    """Runs a top-level function on every job, results in the order of the jobs."""

    def __call__(
        self, function: Callable[[Trajectory], Walk], jobs: Sequence[Trajectory], /
    ) -> list[Walk]:
        """One walk per trajectory, in their order."""
        ...


def propose(
    first: Candidates,
    starts: Configurations,
    checkpoint: Checkpoint,
    settings: ExploreSettings,
    seed: int,
    run: Run,
) -> Candidates:
    """Candidates of a generation: `first` itself before there is a model, else `explore`."""
    if checkpoint.is_null:
        return Candidates.from_arrays(
            first.arrays, {**first.attributes, "checkpoint": checkpoint.digest}
        )
    return explore(starts, checkpoint, settings, seed, run)


def committee_mean(checkpoint: Checkpoint) -> Calculator:
    """The ASE calculator of a checkpoint's committee mean."""
    from aldata.potentials import Committee

    return Committee.from_checkpoint(checkpoint).calculator()


def explore(
    starts: Configurations,
    checkpoint: Checkpoint,
    settings: ExploreSettings,
    seed: int,
    run: Run,
    calculator: CalculatorOf = committee_mean,
) -> Candidates:
    """Langevin trajectories from `starts`, every (temperature, replica) one job of `run`.

    Each trajectory has its own random seed, spawned from `seed`; starts are drawn without
    repetition as long as there are enough. Attributes: `checkpoint`, `random_seed`, and
    `trajectories`, records with `temperature` (K), `random_seed`, `steps` done, `ended` and `start`
    (configuration id). The same arguments give the same candidates, however `run` spreads the jobs.

    Raises InvalidInput if there are no starts, or if no trajectory gave a single frame.
    """
    if len(starts) == 0:
        raise InvalidInput("there is no configuration to start from", where="explore")
    rows = _drawn_rows(len(starts), len(settings.temperatures) * settings.replicas, seed)
    jobs = [
        Trajectory(
            start=starts[row],
            temperature=settings.temperatures[index // settings.replicas],
            random_seed=_spawned(seed, index),
            settings=settings,
            calculator=partial(calculator, checkpoint),
        )
        for index, row in enumerate(rows)
    ]
    walks = run(walk, jobs)
    if not any(found.frames for found in walks):
        raise _nothing(walks)
    return _candidates(jobs, walks, {"checkpoint": checkpoint.digest, "random_seed": seed})


def _drawn_rows(starts: int, count: int, seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    rounds = [rng.permutation(starts) for _ in range(-(-count // starts))]
    return [int(row) for row in np.concatenate(rounds)[:count]]


def _spawned(seed: int, index: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(1)[0])


def _candidates(
    jobs: list[Trajectory], walks: list[Walk], attributes: dict[str, object]
) -> Candidates:
    counts = [len(found.frames) for found in walks]
    records = [
        {
            "temperature": job.temperature,
            "random_seed": job.random_seed,
            "steps": found.done,
            "ended": found.ended,
            "start": job.start.id,
        }
        for job, found in zip(jobs, walks, strict=True)
    ]
    parents = [job.start.id for job, n in zip(jobs, counts, strict=True) for _ in range(n)]
    return Candidates(
        **geometry_columns([frame for found in walks for frame in found.frames]),
        sampler=np.full(sum(counts), SAMPLERS.index("dynamics")),
        trajectory=np.repeat(np.arange(len(walks)), counts),
        step=np.array([step for found in walks for step in found.steps]),
        temperature=np.repeat([job.temperature for job in jobs], counts),
        parent_configuration=to_bytes(parents),
        attributes={**attributes, "trajectories": records},
    )


def _nothing(walks: list[Walk]) -> InvalidInput:
    reasons = "; ".join(f"trajectory {i}: {found.ended}" for i, found in enumerate(walks))
    return InvalidInput(
        f"no trajectory gave a candidate ({reasons})",
        where="explore",
        next_step="lower explore.temperatures or explore.timestep, or train the parent for longer",
    )
