"""What `dvc repro` would run, and what it would cost in oracle calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aldata import exchange, provenance, store
from aldata.acquire.settings import AcquireSettings
from aldata.artifacts.documents import Noise, Theory
from aldata.artifacts.geometry_files import read_geometries
from aldata.artifacts.layout import SEED, path_of
from aldata.cli.project import Project, quiet
from aldata.label.settings import LabelSettings
from aldata.noise import NoiseFile, noise_of, path_of_noise
from aldata.params import VERBS, Parameters

STAGES = (*VERBS, "record")

INHERITED = dict.fromkeys(STAGES, "explore") | {"evaluate": "evaluate", "record": None}
"""The first stage that runs in a child when this one was the first to run in its parent."""


@dataclass(frozen=True)
class Forecast:
    """What one generation's re-run means: from which stage on, and at most how many new calls."""

    generation: str
    computed: bool
    recorded: bool
    first_stage: str
    new_calls_at_most: int
    oracle_seconds: float | None

    @property
    def buys_again(self) -> bool:
        """True when calls would be made for a generation that git's history already holds."""
        return self.recorded and self.new_calls_at_most > 0


def forecasts(project: Project, parameters: Parameters) -> list[Forecast]:
    """The seed and every generation that `dvc repro` would run, again or not; parents first."""
    changed = _changed_stages(project.root)
    recorded = provenance.recorded_generations(project.root)
    cost = mean_cost(project)
    first: dict[str, str] = {}
    for generation in parameters.in_order():
        own = [verb for verb in STAGES if f"{verb}@{generation}" in changed]
        if f"noise@{generation}" in changed and _has_other_noise(project, generation):
            own.append("acquire")
        parent = parameters.parent_of(generation)
        inherited = "explore" if "seed" in changed else INHERITED.get(first.get(parent, ""))
        stages = [stage for stage in STAGES if stage in {inherited, *own}]
        if stages:
            first[generation] = stages[0]
    found = [
        _forecast(
            generation,
            stage,
            most_calls(project.root, parameters, generation),
            recorded,
            cost,
            changed,
        )
        for generation, stage in first.items()
    ]
    if "seed" in changed:
        found.insert(0, _forecast_of_seed(project, parameters, recorded, cost))
    return found


def _has_other_noise(project: Project, generation: str) -> bool:
    """Whether the stage `noise` would write something else: most often it writes the same again."""
    path = project.root / path_of(generation, "noise")
    stated_at = project.root / path_of(SEED, "noise")
    if not path.exists() or not stated_at.exists():
        return False  # not made yet: the other stages of the generation say what that means
    stated = store.read_document(stated_at, Noise)
    file = project.root / path_of_noise(stated.theory_id)
    measured = store.read_document(file, NoiseFile) if file.exists() else None
    return noise_of(generation, stated, measured) != store.read_document(path, Noise)


def forecast_of_new(project: Project, parameters: Parameters, generation: str) -> Forecast:
    """What a generation that was just added to the plan will cost, without asking DVC again."""
    calls = most_calls(project.root, parameters, generation)
    cost = mean_cost(project)
    return Forecast(
        generation=generation,
        computed=False,
        recorded=False,
        first_stage=STAGES[0],
        new_calls_at_most=calls,
        oracle_seconds=None if cost is None else cost * calls,
    )


def most_calls(root: Path, parameters: Parameters, generation: str) -> int:
    """The batch; with fallbacks, all of it failing at each, and as many isolated atoms at most."""
    acquire = parameters.settings_of("acquire", generation)
    label = parameters.settings_of("label", generation)
    batch = acquire.batch if isinstance(acquire, AcquireSettings) else 0
    fallbacks = len(label.fallbacks) if isinstance(label, LabelSettings) else 0
    elements = elements_of(root, parameters) if fallbacks else 0
    return batch + fallbacks * (batch + elements)


def _forecast_of_seed(
    project: Project, parameters: Parameters, recorded: set[str], cost: float | None
) -> Forecast:
    """The generated test set, and an isolated atom for every element that there may be."""
    test = parameters.seed.test
    calls = (test.frames if test else 0) + elements_of(project.root, parameters)
    return Forecast(
        generation=SEED,
        computed=(project.root / path_of(SEED, "theory")).exists(),
        recorded=SEED in recorded,
        first_stage="the start",
        new_calls_at_most=calls,
        oracle_seconds=None if cost is None else cost * calls,
    )


def elements_of(root: Path, parameters: Parameters) -> int:
    """Number of elements in the files that the seed reads. Raises InvalidInput."""
    seed = parameters.seed
    numbers = set(read_geometries(root / seed.structures, seed.index).numbers.tolist())
    if seed.labels:
        labels = exchange.given(root / seed.labels, seed.charge, seed.spin, store.read)
        numbers |= set(labels.numbers.tolist())
    return len(numbers)


def _forecast(
    generation: str,
    stage: str,
    most: int,
    recorded: set[str],
    cost: float | None,
    changed: dict[str, Any],
) -> Forecast:
    calls = most if STAGES.index(stage) <= STAGES.index("label") else 0
    never = _never_run(changed.get(f"record@{generation}"))
    return Forecast(
        generation=generation,
        computed=not never,
        recorded=generation in recorded,
        first_stage=stage,
        new_calls_at_most=calls,
        oracle_seconds=None if cost is None else cost * calls,
    )


def mean_cost(project: Project) -> float | None:
    """CPU seconds per call at the project's level of theory; None before the first call."""
    path = project.root / path_of(SEED, "theory")
    if not path.exists():
        return None
    theory = store.read_document(path, Theory)
    return project.ledger.mean_cpu_seconds(theory.id)


def _never_run(changes: Any) -> bool:
    """True when DVC's status of a stage says that its output does not exist."""
    text = json.dumps(changes or [])
    return '"deleted"' in text and "record" in text


def _changed_stages(root: Path) -> dict[str, Any]:
    """Stages that DVC reports as changed, by name, with what changed."""
    found: dict[str, Any] = json.loads(quiet(["dvc", "status", "--json"], root))
    return {name.rsplit(":", 1)[-1]: changes for name, changes in found.items()}
