"""The parameters of a project: one section per verb, and the plan of generations."""

from __future__ import annotations

import re
from typing import Any, Self

from pydantic import Field, model_validator

from aldata import digest
from aldata.acquire.settings import AcquireSettings
from aldata.calibrate.settings import CalibrateSettings
from aldata.curate.settings import CurateSettings
from aldata.describe.settings import DescribeSettings
from aldata.errors import InvalidParameters
from aldata.evaluate.settings import EvaluateSettings
from aldata.explore.settings import ExploreSettings
from aldata.label.settings import LabelSettings
from aldata.label.versions import VersionPolicy
from aldata.potentials import UncertaintySettings
from aldata.records import Record, merged
from aldata.seed.settings import SeedSettings
from aldata.train.settings import TrainSettings

SETTINGS: dict[str, type[Record]] = {
    "explore": ExploreSettings,
    "describe": DescribeSettings,
    "acquire": AcquireSettings,
    "label": LabelSettings,
    "curate": CurateSettings,
    "train": TrainSettings,
    "calibrate": CalibrateSettings,
    "evaluate": EvaluateSettings,
}
"""The verbs of a generation, in the order of the cycle, and the class of their settings."""

VERBS = tuple(SETTINGS)

BEHAVIOUR: dict[str, int] = {
    "seed": 2,
    "noise": 1,
    "explore": 4,
    "describe": 2,
    "acquire": 5,
    "label": 3,
    "curate": 3,
    "train": 2,
    "calibrate": 2,
    "evaluate": 4,
    "record": 2,
}
"""Behaviour version per verb. It rises when the same input would give another result, and only then:
a project's stages depend on it in place of the library's code."""

SEED = "seed"
"""Name of the root of the tree of generations."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


class OracleChoice(Record):
    """Which electronic-structure code answers, its own settings, and how noisy its labels are."""

    name: str = Field(
        description="which code answers: a name of docs/oracles.md, such as pyscf or espresso"
    )
    settings: dict[str, Any] = Field(default={}, description="the oracle's own, checked by it")
    version_policy: VersionPolicy = Field(
        default="major",
        description="which versions of the code are the same level of theory: those with equal "
        "major numbers (2), major and minor numbers (2.8), or the exact version only",
    )
    sigma_energy: float = Field(
        default=2e-4, ge=0, description="numerical noise of an energy (eV per frame), as stated"
    )
    sigma_forces: float = Field(
        default=5e-4, ge=0, description="numerical noise of a force component (eV/A), as stated"
    )


class GenerationPlan(Record):
    """One generation: its parent, and per verb the settings that differ from the default."""

    parent: str
    explore: dict[str, Any]
    describe: dict[str, Any]
    acquire: dict[str, Any]
    label: dict[str, Any]
    curate: dict[str, Any]
    train: dict[str, Any]
    calibrate: dict[str, Any]
    evaluate: dict[str, Any]


class Parameters(Record):
    """All of `params.yaml`."""

    behaviour: dict[str, int]
    random_seed: int = Field(ge=0, lt=2**31)
    seed: SeedSettings
    oracle: OracleChoice
    uncertainty: UncertaintySettings
    explore: ExploreSettings
    describe: DescribeSettings
    acquire: AcquireSettings
    label: LabelSettings
    curate: CurateSettings
    train: TrainSettings
    calibrate: CalibrateSettings
    evaluate: EvaluateSettings
    generations: dict[str, GenerationPlan]

    @model_validator(mode="after")
    def _tree_is_sound(self) -> Self:
        problems = [problem for name in self.generations for problem in self._problems_of(name)]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @model_validator(mode="after")
    def _a_file_can_answer(self) -> Self:
        """A replay has labels for the frames of its file alone: said now, not after a trajectory."""
        if self.oracle.name != "replay":
            return self
        problems = []
        if self.seed.test is not None:
            problems.append(
                "seed.test: a replay has no labels for a trajectory of its own (seed.test: null, and "
                "labelled files under evaluate.test_sets)"
            )
        if any("samplers" not in plan.explore for plan in self.generations.values()):
            strange = [s.name for s in self.explore.samplers if s.name != "imported"]
            if strange:
                problems.append(
                    f"explore.samplers: a replay has no labels for what {', '.join(strange)} finds "
                    "(the one sampler: imported, with the replayed file)"
                )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems_of(self, name: str) -> list[str]:
        if not _NAME.fullmatch(name) or name == SEED:
            return [
                f"generation '{name}': a name is a-z, 0-9 and _, starts with a letter, not 'seed'"
            ]
        seen, current = [name], self.generations[name].parent
        while current != SEED:
            if current in seen:
                chain = " -> ".join([*seen, current])
                return [f"generation '{name}' is its own ancestor ({chain})"]
            if current not in self.generations:
                known = ", ".join([SEED, *self.generations])
                return [f"generation '{seen[-1]}' has no parent '{current}' (there are: {known})"]
            seen.append(current)
            current = self.generations[current].parent
        return []

    def parent_of(self, generation: str) -> str:
        """Name of the parent generation, or 'seed'."""
        return self.plan_of(generation).parent

    def plan_of(self, generation: str) -> GenerationPlan:
        """The plan's entry. Raises InvalidParameters for an unknown generation."""
        if generation not in self.generations:
            raise InvalidParameters(
                f"there is no generation '{generation}'",
                where="params.yaml: generations",
                expected=f"one of: {', '.join(self.generations) or '(none)'}",
                next_step=f"aldata advance --name {generation}",
            )
        return self.generations[generation]

    def settings_of(self, verb: str, generation: str) -> Record:
        """The verb's settings for one generation: the default with the entry's changes merged in."""
        if verb == SEED or generation == SEED:
            return self.seed
        default: Record = getattr(self, verb)
        changes: dict[str, Any] = getattr(self.plan_of(generation), verb)
        if not changes:
            return default
        where = f"params.yaml: generations.{generation}.{verb}"
        return SETTINGS[verb].checked(merged(default.content(), changes), where)

    def random_seed_of(self, verb: str, generation: str) -> int:
        """A seed of its own for each verb of each generation, from the project's one seed."""
        identity = digest.of_json([self.random_seed, generation, verb])
        return int(identity[:8], 16) & 0x7FFFFFFF

    def in_order(self) -> list[str]:
        """All generations, every parent before its children, otherwise as in the file."""
        placed: list[str] = []
        waiting = list(self.generations)
        while waiting:
            ready = [n for n in waiting if self.generations[n].parent in {SEED, *placed}]
            placed += ready
            waiting = [n for n in waiting if n not in ready]
        return placed
