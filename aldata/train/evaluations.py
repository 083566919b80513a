"""What an evaluation found, in the run of its generation: the same numbers as in `history.json`.

As in `tracking`: nothing fails with MLflow, and nothing is lost with it.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aldata.train.tracking import BATCH, Context, experiment_of, failure, quiet

if TYPE_CHECKING:
    from mlflow import MlflowClient

EVALUATED = ("metrics/", "test_")
"""How names begin that a later evaluation may no longer have: those of its test sets."""

Numbers = Mapping[str, float | None]


def track_evaluation(
    generation: str, checkpoint: str, numbers: Numbers, told: Mapping[str, str], context: Context
) -> list[str]:
    """Put the numbers of an evaluation into the generation's run; the runs that have them now.

    The run is the one of this generation, checkpoint (digest) and DVC experiment (`context.tags`). Where
    there is none, since it was trained elsewhere, it is made, without runs of members. What an earlier
    evaluation has put there is superseded: a number that has not changed is not written again, one that
    is None or gone becomes NaN. `told` are tags beside them. An empty
    list, with a warning that says why, if MLflow cannot be had.
    """
    try:
        with quiet():
            return _put(generation, checkpoint, numbers, told, context)
    except Exception as problem:  # MLflow, its database drivers and HTTP raise what they like
        warnings.warn(
            f"MLflow has no numbers of {generation} at {context.tracking_uri}: {failure(problem)}. "
            "They are complete in metrics.json and history.json; to put them there later: "
            f"dvc repro --force --single-item evaluate@{generation}",
            stacklevel=2,
        )
        return []


def _put(
    generation: str, checkpoint: str, numbers: Numbers, told: Mapping[str, str], context: Context
) -> list[str]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=context.tracking_uri)
    experiment = experiment_of(client, context)
    identity = {"aldata.generation": generation, "aldata.checkpoint": checkpoint}
    runs = _runs(client, experiment, identity, context.tags.get("aldata.experiment"))
    if not runs:
        tags = {**identity, "aldata.dataset": context.dataset, **context.tags}
        run = client.create_run(experiment, run_name=generation, tags=tags).info.run_id
        client.set_terminated(run)
        runs = [run]
    for run in runs:
        _supersede(client, run, numbers)
        for key, value in told.items():
            client.set_tag(run, key, value)
    return runs


def _runs(
    client: MlflowClient, experiment: str, identity: Mapping[str, str], within: str | None
) -> list[str]:
    """Runs of whole generations, not of members, made within this DVC experiment (None: in none)."""
    asked = " and ".join(f"tags.`{key}` = '{value}'" for key, value in identity.items())
    found = client.search_runs([experiment], asked)
    return [
        run.info.run_id
        for run in found
        if "aldata.member" not in run.data.tags and run.data.tags.get("aldata.experiment") == within
    ]


def _supersede(client: MlflowClient, run: str, numbers: Numbers) -> None:
    """MLflow shows the latest value of a name, and never forgets an earlier one."""
    from mlflow.entities import Metric

    known = client.get_run(run).data.metrics
    gone = {key for key in known if key.startswith(EVALUATED)} - set(numbers)
    wanted = {key: value for key, value in numbers.items() if value is not None or key in known}
    wanted |= dict.fromkeys(gone)
    now = int(time.time() * 1000)
    metrics = [
        Metric(key, value, now, 0)
        for key, value in ((k, math.nan if v is None else float(v)) for k, v in wanted.items())
        if not _same(known.get(key), value)
    ]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run, metrics=metrics[start : start + BATCH])


def _same(known: float | None, value: float) -> bool:
    return known is not None and (known == value or (math.isnan(known) and math.isnan(value)))
