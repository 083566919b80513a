"""What every stage shares: parameters, reading and writing artifacts, the lock, and the activity.

A stage that writes through `Stage` leaves `<stage>.activity.json` behind: provenance is a by-product
of running. The stage dies with the `dvc` that started it, and two stages never work on one
generation at the same time.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aldata import digest, exchange, execution, params, provenance, store
from aldata.artifacts import layout
from aldata.artifacts.columns import Columns
from aldata.artifacts.frames import Labels
from aldata.errors import AldataError, InvalidParameters, ProjectError
from aldata.provenance.activity import now
from aldata.records import Record

FURTHER_SECTIONS = {
    "seed": ("oracle", "label", "curate"),
    "explore": ("uncertainty",),
    "describe": ("uncertainty",),
    "acquire": ("uncertainty",),
    "calibrate": ("uncertainty",),
    "evaluate": ("curate",),
}
"""Sections of params.yaml that a stage obeys beside its verb's own: the seed labels and curates too."""

A = TypeVar("A", bound=Columns | Record)
J = TypeVar("J")
R = TypeVar("R")


class Stage:
    """One run of one verb for one generation, in the project that is the current folder."""

    def __init__(self, verb: str, generation: str) -> None:
        self.verb = verb
        self.generation = generation
        self.project = Path.cwd()
        # Experiments in a temporary folder share the main repository's ledger and tracking store.
        self.home = Path(os.environ.get("DVC_ROOT") or self.project)
        self.parameters = params.load(self.project / "params.yaml")
        is_seed = generation == layout.SEED
        self.parent = layout.SEED if is_seed else self.parameters.parent_of(generation)
        self.random_seed = self.parameters.random_seed_of(verb, generation)
        execution.ClusterSettings.load(self.home)  # a mistake in it is named before any work
        self.used: dict[str, str] = {}
        self.generated: dict[str, str] = {}
        self.facts: dict[str, Any] = {}

    def settings(self, kind: type[A], of: str | None = None) -> A:
        """Settings for this generation: of the stage's own verb, or `of` another one."""
        verb = of or self.verb
        found = self.parameters.settings_of(verb, self.generation)
        if not isinstance(found, kind):
            raise TypeError(f"{verb} has {type(found).__name__}, not {kind.__name__}")
        return found

    def read(self, kind: type[A], of: str | None = None, name: str | None = None) -> A:
        """Read an artifact of this or another generation, and note that it was used."""
        # mypy does not narrow a type variable by issubclass: the two readers check the kind anyway.
        a_kind: Any = kind
        path = layout.path_of(of or self.generation, name or layout.name_of(a_kind))
        reader: Any = store.read if issubclass(a_kind, Columns) else store.read_document
        artifact: A = reader(path, a_kind)
        self.used[str(path)] = artifact.digest
        return artifact

    def read_json(self, name: str, of: str | None = None) -> Any:
        """Read a plain JSON artifact, and note that it was used."""
        path = layout.path_of(of or self.generation, name)
        content = store.read_json(path)
        self.used[str(path)] = store.json_digest(content)
        return content

    def note(self, path: Path) -> None:
        """Note that a user's own file was used, by the digest of its bytes."""
        self.used[str(path)] = digest.of_file(path)

    def given(self, path: str) -> Labels:
        """Labelled frames that a user gave, and note that they were used."""
        seed = self.parameters.seed
        labels = exchange.given(Path(path), seed.charge, seed.spin, store.read)
        if Path(path).is_file():
            self.note(Path(path))
        else:
            self.used[path] = labels.digest
        return labels

    def write(self, artifact: Columns | Record, name: str | None = None) -> None:
        """Write an artifact of this generation, and note that it was generated."""
        path = layout.path_of(self.generation, name or layout.name_of(type(artifact)))
        if isinstance(artifact, Columns):
            self.generated[str(path)] = store.write(path, artifact)
        else:
            self.generated[str(path)] = store.write_document(path, artifact)

    def write_json(self, name: str, content: Any) -> None:
        """Write a plain JSON artifact, and note that it was generated."""
        path = layout.path_of(self.generation, name)
        store.write_json(path, content)
        self.generated[str(path)] = store.json_digest(content)

    def runner(
        self,
        jobs: str,
        needs: execution.Needs | None = None,
        title: str | None = None,
        **reports: Any,
    ) -> Runner:
        """Runs a function over jobs of this kind (of `execution.JOBS`) on their cluster.

        `reports`: `on_result` and `remarks`, see `execution.run`.
        """
        cluster = execution.ClusterSettings.load(self.home, jobs)
        return Runner(cluster, f"{self.generation} {title or jobs}", needs, reports)

    def record(self, started: str) -> None:
        """Write the activity: the last thing a stage does."""
        activity = provenance.Activity(
            stage=self.verb,
            generation=self.generation,
            used=self.used,
            generated=self.generated,
            parameters=self._parameters(),
            random_seed=self.random_seed,
            behaviour=self.parameters.behaviour[self.verb],
            started=started,
            ended=now(),
            facts=self.facts,
            **provenance.surroundings(self.project),
        )
        path = layout.activity_path(self.generation, self.verb)
        store.write_document(path, activity)

    def _parameters(self) -> dict[str, Any]:
        """What the stage obeyed of params.yaml."""
        if self.verb not in (layout.SEED, *params.VERBS):
            return {}
        parameters = self.parameters.settings_of(self.verb, self.generation).content()
        everything = self.parameters.content()
        own = (
            () if self.verb == layout.SEED else params.VERBS
        )  # the seed takes the defaults of verbs
        for name in FURTHER_SECTIONS.get(self.verb, ()):
            effective = self.parameters.settings_of(name, self.generation) if name in own else None
            parameters[name] = everything[name] if effective is None else effective.content()
        return parameters


@dataclass(frozen=True)
class Runner:
    """Runs a top-level function over jobs on a cluster; results in the order of the jobs."""

    cluster: execution.ClusterSettings
    title: str
    needs: execution.Needs | None
    reports: dict[str, Any]

    def __call__(self, function: Callable[[J], R], jobs: Sequence[J], /) -> list[R]:
        """Results of `function(job)`, with a line that says how far it has come."""
        return execution.run(
            function, jobs, self.cluster, title=self.title, needs=self.needs, **self.reports
        )


@contextmanager
def locked(project: Path, generation: str) -> Iterator[None]:
    """Hold the generation's lock; the kernel releases it when the process ends, however it ends."""
    path = project / ".aldata" / "locks" / generation
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("w")
    except OSError as problem:
        raise ProjectError(
            f"cannot be written: {problem.strerror or problem}",
            where=str(path),
            next_step="free disk space or make the folder writable",
        ) from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ProjectError(
                "another process works on this generation",
                where=f"generations/{generation}",
                next_step="wait for it, or stop it, then run dvc repro again",
            ) from None
        yield


def _refuse_mixed(verb: str, generation: str) -> None:
    """Raise InvalidParameters unless the seed is asked of the seed, and a verb of a generation."""
    if verb != "record" and (verb == layout.SEED) != (generation == layout.SEED):
        raise InvalidParameters(
            f"generation '{generation}' has no stage {verb}",
            where=f"python -m pipelines.{verb}",
            next_step="dvc repro (which knows the stages), or name a generation of params.yaml",
        )


def run(verb: str, body: Callable[[Stage], None]) -> None:
    """Run a stage from the command line: `python -m pipelines.<verb> <generation>`.

    An error that a user can act on is printed without a traceback; the exit code is then 1.
    """
    execution.die_with_ancestors("dvc")
    generation = sys.argv[1] if len(sys.argv) > 1 else layout.SEED
    try:
        _refuse_mixed(verb, generation)
        stage = Stage(verb, generation)
        with locked(stage.project, generation):
            started = now()
            body(stage)
            if verb != "record":
                stage.record(started)
    except AldataError as problem:
        print(f"\naldata {verb} {generation}: {problem}\n", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"\naldata {verb} {generation}: stopped; what ended is kept", file=sys.stderr)
        sys.exit(130)
