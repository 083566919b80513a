"""Query on the fly: trajectories that wait for a label of where they are, and go on with what it taught."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Configuration
from aldata.explore.groups import walked
from aldata.explore.trajectories import Trajectory, Walk, closed

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from aldata.explore.samplers.finding import Context


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: the model, updated with all labels that were accepted until now, and one record per
    frame: `call`, its id, and `status`, a word of `schema.STATUSES`.
    """

    checkpoint: Checkpoint
    calls: list[dict[str, Any]]


class Ask(Protocol):
    """Has frames labelled, through the same ledger as all others; `left`: how many more it may."""

    left: int

    def __call__(self, frames: Sequence[Configuration], /) -> Answer:
        """Labels of these frames, and what the model makes of them."""
        ...


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A frame that was asked for on the way: by which trajectory, where, and what became of its call."""

    trajectory: int
    step: int
    frame: Configuration
    sigma: float
    call: dict[str, Any]
    checkpoint: str


def followed(
    jobs: Sequence[Trajectory],
    walks: Sequence[Walk],
    context: Context,
    calculator: Callable[[Checkpoint], Calculator],
) -> tuple[list[Walk], list[Asked]]:
    """The trajectories with those that wait led on, and every frame that was asked for.

    All that wait are asked for together; then each whose label was accepted goes on with the updated model,
    until none waits or no more may be asked. In rounds, so that it does not matter which is faster: the
    same jobs and answers give the same trajectories.
    """
    found, asked = list(walks), list[Asked]()
    while context.ask is not None and context.ask.left > 0:
        waiting = [k for k, one in enumerate(found) if one.pause is not None][: context.ask.left]
        if not waiting:
            break
        now = _asked(found, waiting, context.ask)
        asked += [one for one, _ in now]
        again = []
        for one, checkpoint in now:
            ended = found[one.trajectory]
            if one.call["status"] == "accepted":
                again.append(_resumed(jobs[one.trajectory], ended, checkpoint, calculator))
            else:
                ended.ended += f"; its call: {one.call['status']}"
                closed(jobs[one.trajectory], ended)
        led = iter(walked(again, context.run))
        for one, _ in now:
            if one.call["status"] == "accepted":
                found[one.trajectory] = next(led)
    return [closed(j, w) if w.pause else w for j, w in zip(jobs, found, strict=True)], asked


def _asked(walks: list[Walk], waiting: list[int], ask: Ask) -> list[tuple[Asked, Checkpoint]]:
    places = [(k, pause) for k in waiting if (pause := walks[k].pause) is not None]
    frames = [from_atoms(pause.atoms) for _, pause in places]
    answer = ask(frames)
    return [
        (
            Asked(
                trajectory=k,
                step=pause.step,
                frame=frame,
                sigma=pause.sigma,
                call=call,
                checkpoint=answer.checkpoint.digest,
            ),
            answer.checkpoint,
        )
        for (k, pause), frame, call in zip(places, frames, answer.calls, strict=True)
    ]


def _resumed(
    job: Trajectory,
    ended: Walk,
    checkpoint: Checkpoint,
    calculator: Callable[[Checkpoint], Calculator],
) -> Trajectory:
    watch = job.watch and replace(job.watch, checkpoint=checkpoint)
    return replace(job, calculator=partial(calculator, checkpoint), watch=watch, resumed=ended)
