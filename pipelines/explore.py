"""explore: candidates from dynamics on the parent's committee (before there is one: the seed's)."""

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Candidates, Labels
from aldata.artifacts.schema import PURPOSES
from aldata.explore import ExploreSettings, propose
from pipelines.stage import Stage, run


def explore(stage: Stage) -> None:
    """Start from configurations whose labels the parent holds: these are known to be physical."""
    labels = stage.read(Labels, of=stage.parent)
    known = np.isin(labels.purpose, [PURPOSES.index(p) for p in ("acquired", "imported")])
    candidates = propose(
        stage.read(Candidates, of=stage.parent),
        labels.take(labels.accepted & known),
        stage.read(Checkpoint, of=stage.parent),
        stage.settings(ExploreSettings),
        stage.random_seed,
        stage.runner("explore"),
    )
    trajectories = candidates.attributes["trajectories"]
    stage.facts["candidates"] = len(candidates)
    stage.facts["ended"] = [trajectory["ended"] for trajectory in trajectories]
    stage.write(candidates)


if __name__ == "__main__":
    run("explore", explore)
