"""Which trajectories advance side by side, one evaluation of the model for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from aldata.explore.lockstep import together
from aldata.explore.trajectories import Trajectory, Walk, walk
from aldata.potentials.questions import Ask

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

PROCESSES = 2
"""Groups that there are at least, if there are as many trajectories: a machine has several cores. What is
in a group must not depend on how many: sums are in another order there.
"""


def walked(
    trajectories: Sequence[Trajectory], run: Callable[[Callable[[Any], Any], Sequence[Any]], Any]
) -> list[Walk]:
    """What trajectories of one sampler and one model give, in their order; a group of them is a job."""
    sizes = [len(trajectory.start) for trajectory in trajectories]
    most = min((trajectory.settings.batch_atoms for trajectory in trajectories), default=1)
    groups = grouped(sizes, most)
    found: dict[int, Walk] = {}
    jobs = [[trajectories[row] for row in rows] for rows in groups]
    for rows, walks in zip(groups, run(walk_together, jobs), strict=True):
        found |= zip(rows, walks, strict=True)
    return [found[row] for row in range(len(trajectories))]


def grouped(sizes: Sequence[int], most: int) -> list[list[int]]:
    """Rows of each group, so that none has more atoms than `most` unless it is a single trajectory.

    Every group has some of all: neighbours in the list are replicas, which live about as long.
    """
    count = len(sizes)
    for groups in range(max(min(PROCESSES, count), -(-sum(sizes) // most)), count):
        rows = [list(range(first, count, groups)) for first in range(groups)]
        if max(sum(sizes[row] for row in part) for part in rows) <= most:
            return rows
    return [[row] for row in range(count)]


def walk_together(group: Sequence[Trajectory]) -> list[Walk]:
    """`walk` for each trajectory of a group, whose calculators are the same.

    Where the calculator has no `asking`, and for a single one, it is `walk`, one after the other.
    """
    shared = group[0].calculator()
    if len(group) == 1 or not hasattr(shared, "asking"):
        return [walk(trajectory) for trajectory in group]
    return together([partial(_walk_asking, one, shared) for one in group])


def _walk_asking(trajectory: Trajectory, shared: Calculator, ask: Ask) -> Walk:
    return walk(replace(trajectory, calculator=lambda: shared.asking(ask)))
