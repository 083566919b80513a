"""describe: a vector per atom for every candidate, and what the parent's model predicts."""

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Candidates, Descriptors, Labels, Predictions, rows_of
from aldata.describe import DescribeSettings, describe
from aldata.potentials import predict
from pipelines.history import History
from pipelines.stage import Stage, run


def describe_candidates(stage: Stage) -> None:
    """Training frames and failed ones that no ancestor described in this way are described here too.

    These are imported labels, and all of them when the settings have changed or the descriptor is
    the model's own. The store holds the candidates first; the attribute `candidates` says how many
    there are.
    """
    candidates = stage.read(Candidates)
    checkpoint = stage.read(Checkpoint, of=stage.parent)
    history = History(stage, stage.parent)
    settings = stage.settings(DescribeSettings)
    species = history.manifests[-1].species
    described = describe(candidates, settings, species, checkpoint)
    training, _ = history.with_roles(["train", "valid"])
    identity = described.attributes["descriptor_id"]
    known = Labels.concatenate([training, history.failed], training.attributes)
    _, missing = history.descriptors(identity, known.ids)
    rest = known.take(rows_of(known, sorted(missing)))
    attributes = {**described.attributes, "candidates": len(candidates)}
    further = describe(rest, settings, species, checkpoint)
    stage.write(Descriptors.concatenate([described, further], attributes))
    if checkpoint.is_null:
        stage.write(Predictions.empty({"checkpoint": checkpoint.digest, "members": 0}))
    else:
        stage.write(predict(checkpoint, candidates, stage.parameters.uncertainty))


if __name__ == "__main__":
    run("describe", describe_candidates)
