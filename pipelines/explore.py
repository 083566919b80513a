"""explore: candidates from the samplers of the plan (before there is a model: the seed's)."""

from pathlib import Path

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import Calibration
from aldata.artifacts.frames import Candidates, Labels
from aldata.artifacts.schema import PURPOSES, SAMPLERS
from aldata.explore import Context, ExploreSettings, committee_mean, propose
from pipelines.stage import Stage, run


def explore(stage: Stage) -> None:
    """Start from configurations whose labels the parent holds: these are known to be physical.

    Where it holds none yet, from the structures that the user gave.
    """
    settings, first = stage.settings(ExploreSettings), stage.read(Candidates, of=stage.parent)
    labels = stage.read(Labels, of=stage.parent)
    known = np.isin(labels.purpose, [PURPOSES.index(p) for p in ("acquired", "imported")])
    labelled = labels.take(labels.accepted & known)
    given = first.take(first.sampler == SAMPLERS.index("given"))
    calibration = stage.read(Calibration, of=stage.parent)
    parent = stage.read(Checkpoint, of=stage.parent)
    asking = None
    if settings.ask == "during" and not parent.is_null:
        from pipelines.asking import Asking  # it needs torch

        asking = Asking(stage, settings, parent)
    context = Context(
        starts=labelled if len(labelled) else given,
        checkpoint=parent,
        run=stage.runner("explore"),
        calculator=committee_mean,
        checks=settings.checks,
        uncertainty=stage.parameters.uncertainty,
        alpha=calibration.forces.alpha,
        thresholds=calibration.thresholds,
        project=stage.project,
        charge=stage.parameters.seed.charge,
        spin=stage.parameters.seed.spin,
        ask=asking,
    )
    candidates = propose(first, settings, stage.random_seed, context)
    records = candidates.attributes["trajectories"]
    for record in records:
        for file in record.get("files", [record["file"]] if "file" in record else []):
            stage.note(Path(file))
    stage.facts["candidates"] = len(candidates)
    stage.facts["ended"] = [record["ended"] for record in records]
    if asking is not None:
        stage.facts["asked"] = asking.calls
        stage.facts["label"] = asking.label.content()
    stage.write(candidates)


if __name__ == "__main__":
    run("explore", explore)
