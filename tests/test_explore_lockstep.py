"""Trajectories side by side: the same as by themselves, whatever becomes of one of them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from made_potentials import copper, ethanol, in_process, informed, untrained

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import as_configurations
from aldata.explore import (
    BiasedDynamics,
    Context,
    ExploreSettings,
    MolecularDynamics,
    Trajectory,
    Watch,
    committee_mean,
    explore,
    walk,
)
from aldata.explore.groups import grouped, walk_together
from aldata.explore.lockstep import together
from aldata.potentials import Committee
from aldata.potentials.biased import BiasedCalculator
from aldata.potentials.calculator import means_of
from aldata.potentials.questions import Ask
from aldata.potentials.uncertainty import UncertaintySettings

SHORT: dict[str, Any] = {
    "steps": 25, "equilibration": 5, "interval": 5, "timestep": 0.2, "decorrelate": False,
}  # fmt: skip
RIDGE = UncertaintySettings().ridge


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    return informed(untrained(members=3), [ethanol(0), copper(0)])


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def exact(model: Checkpoint) -> Any:
    return Committee.from_checkpoint(model, "float64").calculator()


def group_of(
    model: Checkpoint, starts: Sequence[Atoms], settings: Any, calculator: Callable[[], Any]
) -> list[Trajectory]:
    watch = Watch(
        checkpoint=model, uncertainty=UncertaintySettings(), alpha=1.0, every=5, sigma_lo=None,
        sigma_hi=1e6,
    )  # fmt: skip
    return [
        Trajectory(
            start=from_atoms(atoms), temperature=100.0 + 100 * k, random_seed=k, settings=settings,
            calculator=calculator, watch=watch,
        )
        for k, atoms in enumerate(starts)
    ]  # fmt: skip


@pytest.mark.parametrize(("dtype", "far"), [("float64", 1e-11), ("float32", 1e-4)])
def test_one_evaluation_of_many_frames_is_that_of_each(
    model: Checkpoint, dtype: Any, far: float
) -> None:
    frames = [from_atoms(a) for a in (ethanol(0), copper(1), ethanol(2)[:4], copper(3) * (2, 1, 1))]
    committee = Committee.from_checkpoint(model, dtype)
    for found, frame in zip(means_of(committee, frames), frames, strict=True):
        (lone,) = means_of(committee, [frame])
        assert found.keys() == lone.keys()
        assert ("stress" in found) == bool(frame.pbc.all())
        assert np.ptp(found["force_deviation"]) > 0
        for name, value in lone.items():
            np.testing.assert_allclose(found[name], value, rtol=far, atol=far)


@pytest.mark.parametrize("ensemble", ["nvt", "nve", "npt", "biased", "last_layer"])
def test_trajectories_side_by_side_are_what_they_are_alone(
    model: Checkpoint, ensemble: str
) -> None:
    starts = [ethanol(0, 0.02), ethanol(1, 0.02), ethanol(2, 0.02)]
    settings, calculator = MolecularDynamics(**SHORT), partial(exact, model)
    if ensemble == "biased":
        settings = BiasedDynamics(**SHORT)
        committee = Committee.from_checkpoint(model, "float64")
        calculator = partial(BiasedCalculator, committee, RIDGE)
    elif ensemble in ("nve", "npt"):
        starts = [copper(0, 0.01), copper(1, 0.01), copper(2, 0.01) * (2, 1, 1)]
        settings = MolecularDynamics(**SHORT, ensemble=ensemble)
    jobs = group_of(model, starts, settings, calculator)
    if ensemble == "last_layer":
        asked = UncertaintySettings(method="last_layer")
        watch = replace(jobs[0].watch, uncertainty=asked) if jobs[0].watch else None
        jobs = [replace(job, watch=watch) for job in jobs]
    jobs[1] = replace(jobs[1], settings=settings.model_copy(update={"steps": 15}))  # ends sooner
    for found, job in zip(walk_together(jobs), jobs, strict=True):
        lone = walk(job)
        assert (found.done, found.ended, found.steps) == (lone.done, lone.ended, lone.steps)
        assert found.done == job.settings.steps
        np.testing.assert_allclose(found.sigmas, lone.sigmas, rtol=1e-7)
        np.testing.assert_allclose(found.energies, lone.energies, rtol=1e-9)
        np.testing.assert_allclose(found.frames[-1].positions, lone.frames[-1].positions, atol=1e-8)
        np.testing.assert_allclose(found.frames[-1].cell, lone.frames[-1].cell, atol=1e-8)
        assert found.bias == (None if lone.bias is None else pytest.approx(lone.bias))


def test_what_is_not_a_number_in_one_ends_that_one(model: Checkpoint) -> None:
    broken = ethanol(1, 0.02)
    broken.positions[1] = broken.positions[0]
    starts = [ethanol(0, 0.02), broken, ethanol(2, 0.02)]
    jobs = group_of(model, starts, MolecularDynamics(**SHORT), partial(exact, model))
    first, second, third = walk_together(jobs)
    assert (second.done, second.frames) == (0, [])
    assert "not finite" in second.ended or "the calculator failed" in second.ended
    for found, job in ((first, jobs[0]), (third, jobs[2])):
        assert found.done == job.settings.steps
        np.testing.assert_allclose(found.energies, walk(job).energies, rtol=1e-9)


def test_candidates_do_not_depend_on_who_runs_the_groups(model: Checkpoint) -> None:
    context = Context(
        starts=as_configurations([from_atoms(ethanol(k, 0.02)) for k in range(3)]),
        checkpoint=model,
        run=in_process,
        calculator=committee_mean,
    )
    settings = MolecularDynamics(**SHORT, temperatures=[50.0, 100.0], replicas=3)

    def backwards(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
        assert [len(job) for job in jobs] == [3, 3]
        return [function(job) for job in reversed(jobs)][::-1]

    one, other = (
        explore(ExploreSettings(samplers=[settings]), 7, replace(context, run=run))
        for run in (in_process, backwards)
    )
    assert one.digest == other.digest
    alone = settings.model_copy(update={"batch_atoms": 1})
    by_itself = explore(ExploreSettings(samplers=[alone]), 7, context)
    np.testing.assert_allclose(one.positions, by_itself.positions, atol=1e-3)
    assert (
        one.attributes["trajectories"][4]["random_seed"]
        == (by_itself.attributes["trajectories"][4]["random_seed"])
    )


def test_groups_follow_from_sizes_alone() -> None:
    assert grouped([9] * 8, 72) == [[0, 2, 4, 6], [1, 3, 5, 7]]
    assert grouped([9] * 8, 27) == [[0, 3, 6], [1, 4, 7], [2, 5]]
    assert grouped([64, 64, 64], 72) == [[0], [1], [2]]
    assert grouped([40, 30, 30, 30], 72) == [[0, 2], [1, 3]]
    assert grouped([100], 72) == [[0]]
    assert grouped([9, 9], 72) == [[0], [1]]
    assert grouped([], 72) == []
    assert grouped([9] * 5, 1) == [[0], [1], [2], [3], [4]]


class Doubling:
    """Doubles what it is asked for, and remembers what was asked together."""

    def __init__(self, fails: Callable[[int], None] = lambda _: None) -> None:
        self.batches: list[list[int]] = []
        self.fails = fails

    def __call__(self, _: object, questions: Sequence[int]) -> list[int]:
        self.batches.append(list(questions))
        for question in questions:
            self.fails(question)
        return [2 * question for question in questions]


def counting(answer: Any, first: int, times: int, ask: Ask) -> list[int]:
    return [ask(answer, None, first + k) for k in range(times)]


def test_the_group_shrinks_as_tasks_end() -> None:
    answer = Doubling()
    tasks = [partial(counting, answer, 10 * k, times) for k, times in enumerate((2, 0, 3, 1))]
    assert together(tasks) == [[0, 2], [], [40, 42, 44], [60]]
    assert answer.batches == [[0, 20, 30], [1, 21], [22]]
    assert together([]) == []


def test_a_problem_of_one_question_is_its_askers() -> None:
    def fails(question: int) -> None:
        if question == 11:
            raise ValueError("eleven")

    def careful(ask: Ask) -> list[int] | str:
        try:
            return counting(answer, 10, 3, ask)
        except ValueError as problem:
            return str(problem)

    answer = Doubling(fails)
    others = [partial(counting, answer, first, 3) for first in (0, 20)]
    assert together([others[0], careful, others[1]]) == [[0, 2, 4], "eleven", [40, 42, 44]]


@pytest.mark.parametrize("place", ["task", "answer"])
@pytest.mark.parametrize("problem", [KeyError, MemoryError, KeyboardInterrupt])
def test_any_other_exception_ends_all(place: str, problem: type[BaseException]) -> None:
    ended: list[int] = []

    def fails(question: int) -> None:
        if place == "answer" and question == 11:
            raise problem

    def task(first: int, ask: Ask) -> None:
        try:
            for k in range(1000):
                ask(answer, None, first + k)
                if place == "task" and first + k == 11:
                    raise problem
        finally:
            ended.append(first)

    answer = Doubling(fails)
    with pytest.raises(problem):
        together([partial(task, 0), partial(task, 10), partial(task, 2000)])
    assert sorted(ended) == [0, 10, 2000]
    assert len(answer.batches) <= 3


def test_an_interruption_ends_all_while_one_is_running() -> None:
    def task(first: int, ask: Ask) -> None:
        for k in range(1000):
            ask(answer, None, k)
            if first == 1 and k == 3:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                time.sleep(0.2)  # what this thread does while the caller is interrupted

    answer = Doubling()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # libraries set their own
    try:
        with pytest.raises(KeyboardInterrupt):
            together([partial(task, k) for k in range(3)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(answer.batches) < 10
