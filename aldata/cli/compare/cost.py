"""What the experiments of a study cost at most: they share a ledger, which holds every call once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aldata.artifacts.geometry_files import read_geometries
from aldata.cli.project import Project
from aldata.cli.staleness import elements_of, mean_cost, most_calls
from aldata.compare import Planned
from aldata.explore import ExploreSettings
from aldata.explore.settings import Imported
from aldata.label.settings import LabelSettings
from aldata.params import Parameters


@dataclass(frozen=True)
class Cost:
    """Upper bounds of new calls: of the batches, of generated test sets, of isolated atoms.

    pool : frames of the fixed pool that bounds `batches`; None where other configurations are found, or
    the batches together are smaller. seconds : CPU time per call; None before the first call.
    """

    batches: int
    tests: int
    atoms: int
    pool: int | None
    seconds: float | None

    @property
    def calls(self) -> int:
        """All of them."""
        return self.batches + self.tests + self.atoms

    def __str__(self) -> str:
        """For the user who is about to pay."""
        source = "batches" if self.pool is None else f"a fixed pool of {self.pool} frames"
        parts = {source: self.batches, "test sets": self.tests, "isolated atoms": self.atoms}
        listed = ", ".join(f"{count} of {what}" for what, count in parts.items() if count)
        time = "" if self.seconds is None else f", about {self.seconds * self.calls:.0f} CPU s"
        return (
            f"At most {self.calls} new calls{time} ({listed or 'nothing is asked'}); "
            "what the ledger holds is not asked for again."
        )


def cost_of(project: Project, parameters: Parameters, todo: Sequence[Planned]) -> Cost:
    """The most that these experiments of the whole plan can ask for, each configuration once.

    Isolated atoms are the same in all; a test set is one seed's, whatever the strategy. Where all
    generations choose among imported frames, no more than these can be asked for, at the level of theory
    and at each fallback. Raises InvalidInput for a file that cannot be read.
    """
    root, names = project.root, list(parameters.generations)
    batches = len(todo) * sum(most_calls(root, parameters, name) for name in names)
    elements = elements_of(root, parameters) if todo else 0
    fallbacks = _fallbacks(parameters)
    frames = _fixed_pool(root, parameters)
    within = None if frames is None else frames + len(fallbacks) * (frames + elements)
    test = parameters.seed.test.frames if parameters.seed.test else 0
    return Cost(
        batches=batches if within is None else min(batches, within),
        tests=test * len({item.seed for item in todo}),
        atoms=elements,
        pool=None if within is None or within >= batches else frames,
        seconds=mean_cost(project),
    )


def _fallbacks(parameters: Parameters) -> set[str]:
    """Names of the levels of theory that a failed call is asked again at, in any generation."""
    settings = [parameters.settings_of("label", name) for name in parameters.generations]
    return {name for one in settings if isinstance(one, LabelSettings) for name in one.fallbacks}


def _fixed_pool(root: Path, parameters: Parameters) -> int | None:
    """Number of different frames that all generations choose among; None where they also look elsewhere."""
    settings = [parameters.settings_of("explore", name) for name in parameters.generations]
    samplers = [s for one in settings if isinstance(one, ExploreSettings) for s in one.samplers]
    files = {(s.file, s.index) for s in samplers if isinstance(s, Imported)}
    if not files or not all(isinstance(sampler, Imported) for sampler in samplers):
        return None
    seed = parameters.seed
    pools = [read_geometries(root / f, index, seed.charge, seed.spin) for f, index in sorted(files)]
    return len({identity for pool in pools for identity in pool.ids})
