"""Frames of a file that are understood, as labels like our own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from aldata import digest
from aldata.artifacts.documents import call_id
from aldata.artifacts.frames import Labels, as_configurations
from aldata.artifacts.labelled_files import Given
from aldata.artifacts.schema import PURPOSES
from aldata.exchange.frames import Statement
from aldata.exchange.interpreting import Understood, is_id


def as_labels(frames: list[Understood], source: str) -> Labels:
    """The frames as labels: call ids, purposes and noise of the file's own, where it has them."""
    given = Given(
        configurations=as_configurations([one.configuration for one in frames]),
        energy=np.array([one.energy for one in frames]),
        forces=np.concatenate([np.zeros((0, 3)), *(one.forces for one in frames)]),
        stress=np.array([one.stress for one in frames]).reshape(-1, 6),
        source=source,
    )
    calls = [
        str(one.facts["call_id"])
        if is_id(one.facts.get("call_id"))
        else call_id(one.configuration.id, source)
        for one in frames
    ]
    purposes = [
        PURPOSES.index(one.facts["purpose"]) if one.facts.get("purpose") in PURPOSES
        else PURPOSES.index("imported")
        for one in frames
    ]  # fmt: skip
    return replace(
        given.labels("imported"),
        call_id=digest.to_bytes(calls),
        purpose=np.array(purposes),
        trajectory=np.array([int(one.facts.get("trajectory", -1)) for one in frames]),
        sigma_energy=np.array([float(one.facts.get("sigma_energy", 0.0)) for one in frames]),
        sigma_forces=np.array([float(one.facts.get("sigma_forces", 0.0)) for one in frames]),
    )


def attributes_of(statement: Statement, source: str) -> dict[str, Any]:
    """The attributes of labels from a file with this statement and sha256."""
    attributes: dict[str, Any] = {"theory_id": statement.theory_id or source, "source": source}
    if statement.theory is not None:
        attributes["theory"] = statement.theory.content()
    attributes["source_conventions"] = statement.conventions.content()
    return attributes
