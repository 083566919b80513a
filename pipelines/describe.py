"""describe: a vector per atom for every candidate, and what the parent's model predicts."""

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Candidates, Descriptors, Predictions, rows_of
from aldata.describe import DescribeSettings, describe, descriptor_id
from aldata.potentials import predict
from pipelines.history import History
from pipelines.stage import Stage, run


def describe_candidates(stage: Stage) -> None:
    """Training frames that no ancestor described in this way are described here as well.

    These are imported labels, and all of them when the settings have changed. The store holds the
    candidates first; the attribute `candidates` says how many there are.
    """
    candidates = stage.read(Candidates)
    history = History(stage, stage.parent)
    settings = stage.settings(DescribeSettings)
    species = history.manifests[-1].species
    described = describe(candidates, settings, species)
    training, _ = history.with_roles(["train", "valid"])
    _, missing = history.descriptors(descriptor_id(settings, species), training.ids)
    rest = training.take(rows_of(training, sorted(missing)))
    attributes = {**described.attributes, "candidates": len(candidates)}
    stage.write(Descriptors.concatenate([described, describe(rest, settings, species)], attributes))
    checkpoint = stage.read(Checkpoint, of=stage.parent)
    if checkpoint.is_null:
        stage.write(Predictions.empty({"checkpoint": checkpoint.digest, "members": 0}))
    else:
        stage.write(predict(checkpoint, candidates, stage.parameters.uncertainty))


if __name__ == "__main__":
    run("describe", describe_candidates)
