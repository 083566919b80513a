"""What is moved: a committee that a project has trained, and labelled frames to start from."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Configuration, Labels
from aldata.store import read


def subjects(arguments: argparse.Namespace) -> tuple[Checkpoint, Labels]:
    """The checkpoint of `--generation` in `--project`, and its accepted labels."""
    folder = Path(arguments.project) / "generations" / arguments.generation
    labels = read(folder / "labels.zarr", Labels)
    return read(folder / "checkpoint.zarr", Checkpoint), labels.take(labels.accepted)


def subject(arguments: argparse.Namespace) -> tuple[Checkpoint, Configuration]:
    """The checkpoint, and the first of its frames."""
    checkpoint, labels = subjects(arguments)
    return checkpoint, labels[0]


def single(checkpoint: Checkpoint) -> Checkpoint:
    """The first member of a checkpoint as a committee of its own."""
    return replace(
        checkpoint, weights=checkpoint.weights[:1], information=checkpoint.information[:1]
    )
