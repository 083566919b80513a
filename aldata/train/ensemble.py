"""The ensemble: one job per member, one checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Labels
from aldata.errors import InvalidInput
from aldata.potentials.network import Network
from aldata.train.loop import Progress
from aldata.train.member import Member, MemberJob, train_member
from aldata.train.settings import TrainSettings
from aldata.train.updating import Parent, starts_of

Runner = Callable[[Callable[[MemberJob], Member], list[MemberJob]], list[Member]]
"""Runs a function on every job, here or on other processes, results in the order of the jobs."""


@dataclass(frozen=True)
class TrainingFrames:
    """What an ensemble is trained on.

    labels: accepted frames; roles: "train" or "valid" per frame; numbers (element,) ascending and
    isolated_energies (element,) in eV: every element of the project; dataset: digest of the manifest.
    """

    labels: Labels
    roles: Sequence[str]
    numbers: npt.NDArray[Any]
    isolated_energies: npt.NDArray[np.float64]
    dataset: str

    def of(self, role: str) -> Labels:
        """The frames with this role."""
        return self.labels.take(np.array([r == role for r in self.roles], dtype=bool))


@dataclass(frozen=True)
class Trained:
    """A checkpoint, and per member one record per validation (step, loss, errors)."""

    checkpoint: Checkpoint
    histories: list[list[Progress]]


def train(
    frames: TrainingFrames,
    settings: TrainSettings,
    seeds: Sequence[int],
    run: Runner,
    parent: Parent | None = None,
) -> Trained:
    """Train one member per seed and assemble the checkpoint; see `updating` for what `parent` is for.

    Raises InvalidInput without training frames, with frames that were not accepted, if the number of
    seeds is not the number of members, or if the parent is not one that `settings.update` can go on
    from.
    """
    _check(frames, settings, seeds)
    numbers = [int(z) for z in frames.numbers]
    train_frames = frames.of("train")
    jobs = [
        MemberJob(
            train=train_frames,
            valid=frames.of("valid"),
            numbers=numbers,
            isolated_energies=np.asarray(frames.isolated_energies, dtype=np.float64),
            settings=settings,
            seed=seed,
            start=start,
        )
        for seed, start in zip(seeds, starts_of(parent, train_frames, settings), strict=True)
    ]
    members = run(train_member, jobs)
    network = Network(settings.architecture, numbers, members[0].mean_degree)
    checkpoint = Checkpoint(
        weights=np.stack([member.weights for member in members]),
        information=np.stack([member.information for member in members]),
        numbers=frames.numbers,
        isolated_energies=frames.isolated_energies,
        attributes={
            "card": {
                **_card(frames, settings, seeds, network),
                "prior": [member.prior.tolist() for member in members],
                "updates": parent.checkpoint.digest if jobs[0].start and parent else None,
            },
            "tensors": network.table(),
        },
    )
    return Trained(checkpoint, [member.history for member in members])


def _card(
    frames: TrainingFrames, settings: TrainSettings, seeds: Sequence[int], network: Network
) -> dict[str, Any]:
    return {
        "architecture": settings.architecture.content(),
        "mean_degree": network.mean_degree,
        "settings": settings.content(),
        "seeds": [int(seed) for seed in seeds],
        "dataset": frames.dataset,
        "theory_id": frames.labels.attributes.get("theory_id"),
        # what the rows of the information matrix stand for, in their order
        "parameters": {
            "coefficients": network.architecture.features,
            "shifts": len(network.numbers),
        },
    }


def _check(frames: TrainingFrames, settings: TrainSettings, seeds: Sequence[int]) -> None:
    problems = []
    if len(frames.roles) != len(frames.labels):
        problems.append(f"{len(frames.roles)} roles for {len(frames.labels)} frames")
    if strange := sorted(set(frames.roles) - {"train", "valid"}):
        problems.append(f"frames with the role {', '.join(strange)}")
    if "train" not in frames.roles:
        problems.append("no frame has the role train")
    if not frames.labels.accepted.all():
        problems.append(f"{int((~frames.labels.accepted).sum())} frames were not accepted")
    if len(seeds) != settings.members:
        problems.append(f"{len(seeds)} seeds for {settings.members} members")
    if list(frames.numbers) != sorted(set(frames.numbers)):
        problems.append("the elements are not in ascending order")
    if problems:
        raise InvalidInput(
            "; ".join(problems),
            where="training",
            expected="accepted frames with the role train or valid, and one seed per member",
        )
