"""Which accepted calls `aldata noise` asks again, and what exactly it asks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aldata import store
from aldata.acquire import Pool
from aldata.acquire.strategies import farthest_point
from aldata.artifacts.documents import Manifest, Theory
from aldata.artifacts.frames import Configurations, Labels, Predictions
from aldata.artifacts.layout import SEED, path_of
from aldata.artifacts.schema import PURPOSES
from aldata.cli.project import Project
from aldata.curate import retracted_in
from aldata.describe import DescribeSettings, describe
from aldata.errors import InvalidInput, InvalidParameters, ProjectError
from aldata.label import Requests, from_theory, resolve, restarted, tighter
from aldata.noise import FEWEST, Moves, moves
from aldata.params import Parameters

OURS = [PURPOSES.index(purpose) for purpose in ("acquired", "probe", "test")]
"""Purposes of calls that may be asked again: of the oracle itself, and no isolated atoms."""

MOST_COMPARED = 2000
"""Accepted calls among which the frames are chosen; of more, every k-th in the order of ids."""

CHOSEN_BY = "farthest-point sampling over SOAP vectors"


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """What is asked: frames with their labels and generations, levels of theory, moved copies."""

    frames: Labels
    generations: list[str]
    theory: Theory
    tight: Theory
    restart: Theory
    moved: Moves

    @property
    def is_exact(self) -> bool:
        """True when the oracle has nothing tighter: its answers are exact but for rounding."""
        return self.tight.id == self.theory.id

    def questions(self) -> dict[str, tuple[Requests, Theory]]:
        """What is asked at which level of theory: `tighter` (unless exact) and `repeats`."""
        asked = {"repeats": (Requests.of(self.moved.configurations, "noise"), self.restart)}
        if self.is_exact:
            return asked
        return {"tighter": (Requests.of(_geometries(self.frames), "noise"), self.tight), **asked}


def plan(
    project: Project, parameters: Parameters, count: int, repeats: int, generation: str | None
) -> Plan:
    """Choose `count` accepted calls, of one generation or of all, and what is asked about them.

    The choice depends on the accepted calls alone: a second run on the same project asks the same.
    Raises ProjectError before the seed, InvalidParameters for an unknown generation or another level
    of theory, InvalidInput for too few accepted calls, OracleUnavailable for an oracle without
    tighter settings.
    """
    theory = _theory(project, parameters)
    tight, restart = tighter(theory), restarted(theory)
    for level in (tight, restart):
        from_theory(level)
    accepted, origins = _accepted(project, parameters, generation)
    if len(accepted) < count:
        fewer = f", or ask for fewer: --frames {len(accepted)}" if len(accepted) >= FEWEST else ""
        raise InvalidInput(
            f"{len(accepted)} accepted calls are too few to ask {count} of them again",
            where=f"generation {generation}" if generation else "the project",
            expected=f"at least {count} accepted calls, isolated atoms and imported labels apart",
            next_step=f"label more frames (dvc repro, aldata advance){fewer}",
        )
    rows = _spread_out(accepted, count)
    frames = accepted.take(rows)
    return Plan(
        frames=frames,
        generations=[origins[row] for row in rows],
        theory=theory,
        tight=tight,
        restart=restart,
        moved=moves(_geometries(frames), repeats),
    )


def _theory(project: Project, parameters: Parameters) -> Theory:
    """The pinned level of theory; what the oracle's settings say beside it is that of now."""
    path = project.root / path_of(SEED, "theory")
    if not path.exists():
        raise ProjectError("there are no calls yet", where=str(path), next_step="dvc repro")
    pinned = store.read_document(path, Theory)
    choice = parameters.oracle
    asked = resolve(choice.name, choice.settings, choice.version_policy)
    if asked.id != pinned.id:
        raise InvalidParameters(
            f"is another level of theory ({asked.id[:12]}) than the seed's ({pinned.id[:12]})",
            where="params.yaml: oracle",
            next_step="undo the change, or begin a new project: a data set has one level of theory",
        )
    return asked


def _accepted(
    project: Project, parameters: Parameters, generation: str | None
) -> tuple[Labels, list[str]]:
    """Accepted calls at the project's level of theory that nobody took back, each configuration once, in
    ascending order of ids; and the generation of each.
    """
    if generation not in (None, SEED):
        parameters.plan_of(str(generation))
    names = [generation] if generation else [SEED, *parameters.in_order()]
    parts, origins, gone = [], [], _retracted(project, parameters)
    for name in names:
        path = project.root / path_of(name, "labels")
        if not path.exists():
            continue
        labels = store.read(path, Labels)
        other = gone.union(labels.fallback_of_call)
        usual = np.array([call not in other for call in labels.call_ids], bool)
        labels = labels.take(labels.accepted & usual & np.isin(labels.purpose, OURS))
        parts.append(labels)
        origins += [name] * len(labels)
    if not parts:
        raise InvalidInput(
            "has no labels yet",
            where=f"generation {generation}",
            next_step="dvc repro (to compute it) or dvc pull (to fetch it)",
        )
    joined = Labels.concatenate(parts, parts[0].attributes)
    first = {identity: row for row, identity in reversed(list(enumerate(joined.ids)))}
    rows = [first[identity] for identity in sorted(first)]
    return joined.take(rows), [origins[row] for row in rows]


def _retracted(project: Project, parameters: Parameters) -> set[str]:
    """Calls that the data sets say were taken back: their scatter is not the oracle's."""
    paths = [project.root / path_of(name, "dataset") for name in [SEED, *parameters.in_order()]]
    return retracted_in(store.read_document(path, Manifest) for path in paths if path.exists())


def _spread_out(accepted: Labels, count: int) -> list[int]:
    """Rows of frames that are far from each other in descriptor space, the first an ordinary one."""
    step = -(-len(accepted) // MOST_COMPARED)
    asked = np.arange(0, len(accepted), step) if len(accepted) // step >= count else None
    rows = np.arange(len(accepted)) if asked is None else asked
    frames = _geometries(accepted.take(rows))
    species = [int(number) for number in np.unique(frames.numbers)]
    described = describe(frames, DescribeSettings(), species)
    pool = Pool(
        candidates=described,
        training=described.take([]),
        predictions=Predictions.empty({}),
    )
    picks = farthest_point.pick(pool, count, np.random.default_rng(0))
    return [int(rows[row]) for row in picks.rows]


def _geometries(labels: Labels) -> Configurations:
    arrays = {name: labels.arrays[name] for name in Configurations.names()}
    return Configurations.from_arrays(arrays, {})
