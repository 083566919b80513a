"""Labels that explore asks for on the way: the same calls, ledger and refusals as in the label stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import call_id
from aldata.artifacts.frames import Configuration, Labels, as_configurations
from aldata.artifacts.schema import STATUSES
from aldata.errors import InvalidInput
from aldata.execution import Needs
from aldata.explore import Answer, ExploreSettings
from aldata.label import LabelSettings, Requests, label
from aldata.ledger import Ledger
from aldata.train import Parent, TrainingFrames, TrainSettings, train
from pipelines.purchases import announce, pinned_theory
from pipelines.stage import Stage


class Asking:
    """Has frames labelled, and updates the parent's last layer with all that were accepted until now.

    The labels are not kept here: the frames are candidates, acquisition selects them, and the label stage
    finds their calls in the ledger. The update is the closed form of `train.update: last_layer`, with the
    settings that the parent was trained with, and starts from the parent each time.

    Raises InvalidInput for a parent whose last layer is not the optimum that can be updated.
    """

    def __init__(self, stage: Stage, settings: ExploreSettings, parent: Checkpoint) -> None:
        self.stage, self.parent, self.left = stage, parent, settings.most_asked
        before = TrainSettings.checked(parent.card["settings"], "checkpoint card")
        if not before.last_layer:
            raise InvalidInput(
                "the parent's last layer is not the optimum (train.last_layer was false)",
                where="explore.ask: during",
                next_step="explore.ask: after, or train the parent with train.last_layer: true",
            )
        self.settings = before.model_copy(
            update={"update": "last_layer", "members": parent.members}
        )
        self.theory, self.label = pinned_theory(stage), stage.settings(LabelSettings, of="label")
        self.answers: list[Labels] = []
        self.calls: list[dict[str, Any]] = []

    def __call__(self, frames: Sequence[Configuration], /) -> Answer:
        """Labels of these frames from the ledger or by new calls, and the updated model."""
        stage, ledger = self.stage, Ledger.of_project(self.stage.home)
        requests = Requests.of(as_configurations(list(frames)), "acquired")
        announce(stage, requests, self.theory, ledger, self.label)
        runner = stage.runner(
            "label", Needs(self.label.cores, self.label.memory), title="label during explore"
        )
        numbers, energies = self.parent.numbers.tolist(), self.parent.isolated_energies.tolist()
        isolated = dict(zip(numbers, energies, strict=True))
        labels, _ = label(requests, self.theory, ledger, self.label, runner, isolated=isolated)
        self.left -= len(frames)
        self.answers.append(labels)
        calls = [
            {"call": call_id(frame.id, self.theory.id), "status": STATUSES[int(status)]}
            for frame, status in zip(frames, labels.status, strict=True)
        ]
        self.calls += calls
        return Answer(checkpoint=self._updated(), calls=calls)

    def _updated(self) -> Checkpoint:
        answers = Labels.concatenate(self.answers, self.answers[0].attributes)
        accepted = answers.take(np.flatnonzero(answers.accepted))
        if len(accepted) == 0:
            return self.parent
        frames = TrainingFrames(
            labels=accepted,
            roles=["train"] * len(accepted),
            numbers=self.parent.numbers,
            isolated_energies=self.parent.isolated_energies,
            dataset=self.parent.card["dataset"],
        )
        # what the parent learned from is in its information matrix: only what is new is needed here
        before = Parent(self.parent, Labels.empty(accepted.attributes))
        seeds = list(self.parent.card["seeds"])
        runner = self.stage.runner("train", title="update during explore")
        return train(frames, self.settings, seeds, runner, before).checkpoint
