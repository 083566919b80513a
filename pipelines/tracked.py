"""Where MLflow is told of what a stage has made: one tracking store, also for experiments in a copy."""

import os
from collections.abc import Mapping

from aldata.provenance import surroundings
from aldata.train import Context
from pipelines.stage import Stage


def tracking(stage: Stage, dataset: str, frames: Mapping[str, int] | None = None) -> Context:
    """The context of a stage's model, which was trained on this data set (digest of the manifest)."""
    around = surroundings(stage.project)
    tags = {f"aldata.{key}": around[key] for key in ("git_baseline", "experiment")}
    return Context(
        root=stage.home,
        uri=os.environ.get("MLFLOW_TRACKING_URI"),
        dataset=dataset,
        frames=frames or {},
        tags={key: value for key, value in tags.items() if value},
    )
