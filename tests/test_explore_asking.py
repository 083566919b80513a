"""explore.ask: during - a trajectory that is lost is told where it is, and goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from made_potentials import ethanol, in_process, informed, untrained

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.documents import Thresholds
from aldata.artifacts.frames import Configuration, as_configurations
from aldata.explore import (
    Answer,
    Context,
    ExploreSettings,
    MolecularDynamics,
    Trajectory,
    Watch,
    committee_mean,
    explore,
    walk,
)
from aldata.explore.asking import followed
from aldata.potentials.uncertainty import UncertaintySettings

DYNAMICS = MolecularDynamics(
    temperatures=[50.0], replicas=2, steps=60, equilibration=10, interval=5, timestep=0.2,
    watch_every=1, decorrelate=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    return informed(untrained(members=4), [ethanol(k) for k in range(4)])


def closer(model: Checkpoint, share: float) -> Checkpoint:
    """The members moved towards their mean: they disagree less, as after a label."""
    mean = model.weights.mean(axis=0)
    return replace(model, weights=(mean + share * (model.weights - mean)).astype(np.float32))


@dataclass
class Teacher:
    """Answers with members that agree a little more each time."""

    model: Checkpoint
    left: int = 3
    status: str = "accepted"
    asked: list[list[str]] = field(default_factory=list)

    def frames(self) -> list[str]:
        return [identity for some in self.asked for identity in some]

    def __call__(self, frames: Sequence[Configuration], /) -> Answer:
        self.left -= len(frames)
        self.asked.append([frame.id for frame in frames])
        calls = [{"call": frame.id[::-1], "status": self.status} for frame in frames]
        return Answer(checkpoint=closer(self.model, 0.5 ** len(self.asked)), calls=calls)


def context_of(model: Checkpoint, high: float, **more: Any) -> Context:
    return Context(
        starts=as_configurations([from_atoms(ethanol(k)) for k in range(3)]),
        checkpoint=model,
        run=in_process,
        calculator=committee_mean,
        thresholds=Thresholds(sigma_lo=high / 3, sigma_hi=high, level=0.9, frames=9),
        **more,
    )


@pytest.fixture(scope="module")
def high(model: Checkpoint) -> float:
    """A sigma that both trajectories exceed on their way, and not at once."""
    free = explore(ExploreSettings(samplers=[DYNAMICS]), 1, context_of(model, 1e6))
    seen = [free.sigma[free.trajectory == k] for k in (0, 1)]
    return float(min(one.max() for one in seen)) * 0.999


def test_it_asks_and_goes_on(model: Checkpoint, high: float) -> None:
    plan = ExploreSettings(samplers=[DYNAMICS])
    without = explore(plan, 1, context_of(model, high))
    ends = [record["ended"] for record in without.attributes["trajectories"]]
    assert all("above sigma_hi" in end for end in ends)
    teacher = Teacher(model)
    found = explore(plan, 1, context_of(model, high, ask=teacher))
    *records, question = found.attributes["trajectories"]
    assert question["ended"] == "asked during"
    assert [one["configuration"] for one in question["asked"]] == teacher.frames()
    assert sum(r["steps"] for r in records) > sum(
        r["steps"] for r in without.attributes["trajectories"]
    )
    frames = np.flatnonzero(found.trajectory == len(records))
    assert [found.ids[row] for row in frames] == teacher.frames()
    assert (found.sigma[frames] > high).all()
    seeds = {record["random_seed"]: record for record in records}
    for one, step in zip(question["asked"], found.step[frames], strict=True):
        assert one["step"] == step
        assert seeds[one["random_seed"]]["steps"] >= step
        assert one["status"] == "accepted"
    again = explore(plan, 1, context_of(model, high, ask=Teacher(model)))
    assert again.digest == found.digest


def test_as_many_as_it_may_and_all_of_them_stay(model: Checkpoint, high: float) -> None:
    teacher = Teacher(model, left=1)
    plan = ExploreSettings(samplers=[DYNAMICS], candidates=1)
    found = explore(plan, 1, context_of(model, high, ask=teacher))
    assert [len(one) for one in teacher.asked] == [1]
    assert set(teacher.frames()) < set(found.ids)
    assert len(found) == 2
    ends = [record["ended"] for record in found.attributes["trajectories"]]
    assert sum("above sigma_hi" in end for end in ends) == 1  # the other could not ask any more


def test_a_call_that_fails_ends_the_trajectory(model: Checkpoint, high: float) -> None:
    teacher = Teacher(model, status="failed")
    found = explore(ExploreSettings(samplers=[DYNAMICS]), 1, context_of(model, high, ask=teacher))
    *records, question = found.attributes["trajectories"]
    assert {one["status"] for one in question["asked"]} == {"failed"}
    asked = {one["random_seed"] for one in question["asked"]}
    for record in records:
        assert ("its call: failed" in record["ended"]) == (record["random_seed"] in asked)


def waiting(model: Checkpoint, ensemble: str, limit: float) -> Trajectory:
    """A trajectory that waits for a label above `limit` (eV/A)."""
    watch = Watch(
        checkpoint=model,
        uncertainty=UncertaintySettings(),
        alpha=1.0,
        every=1,
        sigma_lo=None,
        sigma_hi=limit,
    )
    return Trajectory(
        start=from_atoms(ethanol(0)),
        temperature=50.0,
        random_seed=5,
        settings=DYNAMICS.model_copy(update={"ensemble": ensemble, "interval": 1}),
        calculator=lambda: committee_mean(model),
        watch=watch,
        waits=True,
    )


@pytest.mark.parametrize("ensemble", ["nvt", "nve"])
def test_a_trajectory_that_waited_is_the_one_that_did_not(ensemble: str, model: Checkpoint) -> None:
    """With an answer that changes nothing but the threshold it goes on where it was, to the last bit."""
    straight = walk(waiting(model, ensemble, 1e6))
    assert straight.ended == "completed"
    job = waiting(model, ensemble, 0.999 * max(straight.sigmas))

    class Shrug(Teacher):
        def __call__(self, frames: Sequence[Configuration], /) -> Answer:
            object.__setattr__(job.watch, "sigma_hi", 1e6)
            return replace(super().__call__(frames), checkpoint=self.model)

    context = context_of(model, 1.0, ask=Shrug(model))
    before = walk(job)
    assert before.pause is not None
    (led,), (asked,) = followed([job], [before], context, committee_mean)
    assert led.ended == "completed"
    assert led.frames[-1].id == straight.frames[-1].id
    assert asked.frame.id == straight.frames[straight.steps.index(asked.step)].id


def test_those_that_waited_go_on_side_by_side(model: Checkpoint, high: float) -> None:
    """In groups of three and two they ask for what they ask for alone."""
    records, sigmas = [], []
    for atoms in (72, 1):
        settings = DYNAMICS.model_copy(update={"replicas": 5, "batch_atoms": atoms})
        teacher = Teacher(model, left=6)
        plan = ExploreSettings(samplers=[settings])
        found = explore(plan, 3, context_of(model, high, ask=teacher))
        asked = found.attributes["trajectories"][-1]["asked"]
        assert len(asked) > 1
        records.append([(one["random_seed"], one["step"]) for one in asked])
        sigmas.append(found.sigma)
    assert records[0] == records[1]
    np.testing.assert_allclose(sigmas[0], sigmas[1], rtol=1e-2)
