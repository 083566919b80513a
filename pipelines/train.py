"""train: a committee on every training frame of the lineage, watched by MLflow."""

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.train import Parent, TrainingFrames, TrainSettings, track, train
from pipelines.history import History
from pipelines.stage import Stage, run
from pipelines.tracked import tracking


def train_committee(stage: Stage) -> None:
    """The isolated atoms' energies are handed down from the seed: an offset would hide in them."""
    settings = stage.settings(TrainSettings)
    history = History(stage, stage.generation)
    labels, roles = history.with_roles(["train", "valid"])
    before = stage.read(Checkpoint, of=stage.parent)
    frames = TrainingFrames(
        labels=labels,
        roles=roles,
        numbers=before.numbers,
        isolated_energies=before.isolated_energies,
        dataset=history.manifests[-1].digest,
    )
    draws = np.random.SeedSequence(stage.random_seed).generate_state(settings.members)
    seeds = [int(draw) for draw in draws]
    known, _ = History(stage, stage.parent).with_roles(["train"])
    trained = train(frames, settings, seeds, stage.runner("train"), Parent(before, known))
    stage.write(trained.checkpoint)
    counts = {role: roles.count(role) for role in ("train", "valid")}
    context = tracking(stage, frames.dataset, counts)
    runs = track(stage.generation, settings, trained, context)
    stage.facts["mlflow"] = None if runs is None else {"run": runs.parent, "members": runs.members}


if __name__ == "__main__":
    run("train", train_committee)
