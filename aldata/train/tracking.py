"""The only door to MLflow: one parent run per generation, one nested run per member.

Training never waits for it and never fails with it: what cannot be recorded is a warning.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aldata.errors import ProjectError
from aldata.train.loop import Progress
from aldata.train.settings import TrainSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from aldata.train.ensemble import Trained

BATCH = 1000
"""Metrics per call: MLflow's own limit."""
PARAMETER_LENGTH = 500
"""Characters of a parameter's value that every MLflow server takes."""


@dataclass(frozen=True)
class Context:
    """Where and under which name a training is recorded.

    root: the project's main repository, also under `dvc exp run --temp`. uri: tracking server, or None
    for `sqlite:///<root>/mlflow.db`. dataset: digest of the manifest. frames: number of frames per
    role. tags: git baseline revision, experiment name and the like.
    """

    root: Path
    dataset: str
    uri: str | None = None
    experiment: str = "aldata"
    frames: Mapping[str, int] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def tracking_uri(self) -> str:
        """The server's address."""
        return self.uri or f"sqlite:///{self.root.resolve()}/mlflow.db"


@dataclass(frozen=True)
class RunIds:
    """MLflow's ids of the generation's run and of its members' runs."""

    parent: str
    members: list[str]


def track(
    generation: str, settings: TrainSettings, trained: Trained, context: Context
) -> RunIds | None:
    """Record a finished training; None, with a warning that says why, if that is not possible."""
    try:
        with quiet():
            return _record(generation, settings, trained, context)
    except Exception as problem:  # MLflow, its database drivers and HTTP raise what they like
        warnings.warn(
            f"MLflow did not record {generation} at {context.tracking_uri}: "
            f"{failure(problem)}. "
            "The trained potential is complete.",
            stacklevel=2,
        )
        return None


def tags_of(root: Path, uri: str | None, runs: Sequence[str]) -> dict[str, dict[str, str] | None]:
    """Tags of runs by their id; None for a run that is not there, or was deleted.

    root, uri : as in `Context`. Raises ProjectError where the tracking store cannot be asked.
    """
    context = Context(root=root, uri=uri, dataset="")
    if uri is None and not (root / "mlflow.db").is_file():
        raise ProjectError("there is no tracking store", where=str(root / "mlflow.db"))
    try:
        with quiet():
            return _tags(context, runs)
    except Exception as problem:  # MLflow, its database drivers and HTTP raise what they like
        raise ProjectError(
            f"cannot be asked ({type(problem).__name__})", where=context.tracking_uri
        ) from problem


def _tags(context: Context, runs: Sequence[str]) -> dict[str, dict[str, str] | None]:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=context.tracking_uri)
    found: dict[str, dict[str, str] | None] = {}
    for run in runs:
        try:
            known = client.get_run(run)
        except MlflowException as problem:
            if problem.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            found[run] = None
            continue
        found[run] = dict(known.data.tags) if known.info.lifecycle_stage == "active" else None
    return found


def failure(problem: Exception) -> str:
    """What went wrong, in a line: the errors of databases are long."""
    return f"{type(problem).__name__}: {str(problem).strip().splitlines()[:1]}"


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow and its migrations announce themselves at INFO."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _record(generation: str, settings: TrainSettings, trained: Trained, context: Context) -> RunIds:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=context.tracking_uri)
    experiment = experiment_of(client, context)
    tags = {
        "aldata.generation": generation,
        "aldata.checkpoint": trained.checkpoint.digest,
        "aldata.dataset": context.dataset,
        **context.tags,
    }
    parent = client.create_run(experiment, run_name=generation, tags=tags).info.run_id
    parameters = flattened(settings.content())
    _log(client, parent, parameters, [_summary(trained)])
    _dataset(client, parent, generation, context)
    members = []
    for index, history in enumerate(trained.histories):
        nested = {**tags, "mlflow.parentRunId": parent, "aldata.member": str(index)}
        name = f"{generation}/{index}"
        run = client.create_run(experiment, run_name=name, tags=nested).info.run_id
        seed = {"seed": str(trained.checkpoint.card["seeds"][index])}
        _log(client, run, {**parameters, **seed}, history)
        client.set_terminated(run)
        members.append(run)
    client.set_terminated(parent)
    return RunIds(parent, members)


def experiment_of(client: MlflowClient, context: Context) -> str:
    """Id of the experiment of MLflow that all runs of a project are in."""
    found = client.get_experiment_by_name(context.experiment)
    if found is not None:
        return str(found.experiment_id)
    # MLflow's default is the working directory, which `dvc exp run --temp` deletes
    artifacts = None if context.uri else (context.root.resolve() / "mlartifacts").as_uri()
    return str(client.create_experiment(context.experiment, artifact_location=artifacts))


def flattened(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names and texts."""
    flat: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)[:PARAMETER_LENGTH]
    return flat


def _summary(trained: Trained) -> Progress:
    """Means over members of their last records."""
    last = [history[-1] for history in trained.histories]
    return {key: sum(record[key] for record in last) / len(last) for key in last[0]}


def _log(
    client: MlflowClient, run: str, parameters: Mapping[str, str], history: Sequence[Progress]
) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    metrics = [
        Metric(key, value, now, int(record["step"]))
        for record in history
        for key, value in record.items()
        if key != "step"
    ]
    params = [Param(key, value) for key, value in parameters.items()]
    client.log_batch(run, params=params[:100])
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run, metrics=metrics[start : start + BATCH])


def _dataset(client: MlflowClient, run: str, generation: str, context: Context) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    entity = Dataset(
        name=f"{generation}/dataset.json",
        digest=context.dataset[:36],  # MLflow's column is this wide; the full one is a tag
        source_type="local",
        source=f'{{"uri": "generations/{generation}/dataset.json", "sha256": "{context.dataset}"}}',
        profile=str(dict(context.frames)),
    )
    tag = InputTag(key="mlflow.data.context", value="training")
    client.log_inputs(run, datasets=[DatasetInput(entity, tags=[tag])])
