"""Descriptors of whole sets of configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata import digest
from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Configurations, Descriptors
from aldata.describe.methods import METHODS, OF_A_MODEL, WITHOUT_A_MODEL
from aldata.describe.settings import DescribeSettings
from aldata.errors import InvalidInput

BLOCK = 256
"""Frames described at a time, so that the float64 vectors of a large pool never exist at once."""

Float = npt.NDArray[np.float64]


def describe(
    configurations: Configurations,
    settings: DescribeSettings,
    species: list[int],
    checkpoint: Checkpoint | None = None,
) -> Descriptors:
    """An invariant vector of length 1 for every atom.

    `species` are the atomic numbers of the whole project, so that descriptors of any two of its
    generations compare; their order and repetitions do not matter. `checkpoint` is the model whose
    features method `mace` takes; without one (or with the null checkpoint) SOAP is done instead.
    Attributes: `descriptor_id` (what decides the vectors), `method` (what was done), `settings`,
    `species`, `checkpoint` (digest of the model, None where the vectors depend on none).

    Raises InvalidInput if a configuration holds an element outside `species`.
    """
    known = sorted({int(number) for number in species})
    _refuse_unknown(configurations, known)
    method = _method(settings, checkpoint)
    vectors = _vectors_of(method, settings, known, checkpoint)
    blocks = [
        _block(vectors(configurations.take(range(begin, min(begin + BLOCK, len(configurations))))))
        for begin in range(0, max(len(configurations), 1), BLOCK)
    ]
    return Descriptors(
        configuration_id=configurations.configuration_id,
        row_size=configurations.row_size,
        numbers=configurations.numbers,
        descriptor=np.concatenate(blocks),
        attributes={
            "descriptor_id": descriptor_id(settings, known, checkpoint),
            "method": method,
            "settings": settings.content(),
            "species": known,
            "checkpoint": checkpoint.digest if checkpoint and method == OF_A_MODEL else None,
        },
    )


def descriptor_id(
    settings: DescribeSettings, species: list[int], checkpoint: Checkpoint | None = None
) -> str:
    """Identity of a descriptor: vectors compare only if these are equal."""
    method = _method(settings, checkpoint)
    identity: dict[str, Any] = {
        "settings": settings.own(method),
        "species": sorted({int(number) for number in species}),
    }
    if checkpoint and method == OF_A_MODEL:
        identity["checkpoint"] = checkpoint.digest
    return digest.of_json(identity)


def _method(settings: DescribeSettings, checkpoint: Checkpoint | None) -> str:
    modelless = checkpoint is None or checkpoint.is_null
    return WITHOUT_A_MODEL if settings.method == OF_A_MODEL and modelless else settings.method


def _vectors_of(
    method: str, settings: DescribeSettings, species: list[int], checkpoint: Checkpoint | None
) -> Callable[[Configurations], Float]:
    if method != OF_A_MODEL or checkpoint is None:
        return lambda block: METHODS[method](block, settings, species)
    from aldata.potentials import Committee

    return Committee.from_checkpoint(checkpoint, "float64").node_features


def _block(vectors: Float) -> npt.NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1.0), dtype=np.float32)


def _refuse_unknown(configurations: Configurations, species: list[int]) -> None:
    unknown = ~np.isin(configurations.numbers, species)
    if not unknown.any():
        return
    elements = sorted({int(number) for number in configurations.numbers[unknown]})
    first = configurations.ids[int(configurations.frame_of_atom[unknown][0])]
    raise InvalidInput(
        f"atomic numbers {elements} are not among the project's species {species}",
        where=f"configuration {first[:8]}",
        next_step="add a structure with these elements to the seed",
    )
