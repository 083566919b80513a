"""Descriptors of whole sets of configurations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aldata import digest
from aldata.artifacts.frames import Configurations, Descriptors
from aldata.describe.methods import METHODS
from aldata.describe.settings import DescribeSettings
from aldata.errors import InvalidInput

BLOCK = 256
"""Frames described at a time, so that the float64 vectors of a large pool never exist at once."""


def describe(
    configurations: Configurations, settings: DescribeSettings, species: list[int]
) -> Descriptors:
    """An invariant vector of length 1 for every atom.

    `species` are the atomic numbers of the whole project, so that descriptors of any two of its
    generations compare; their order and repetitions do not matter. Attributes: `descriptor_id`
    (method, settings and species decide), `settings`, `species`, `checkpoint` (None: these vectors
    depend on no model).

    Raises InvalidInput if a configuration holds an element outside `species`.
    """
    known = sorted({int(number) for number in species})
    _refuse_unknown(configurations, known)
    blocks = [
        _block(
            configurations.take(range(begin, min(begin + BLOCK, len(configurations)))),
            settings,
            known,
        )
        for begin in range(0, max(len(configurations), 1), BLOCK)
    ]
    return Descriptors(
        configuration_id=configurations.configuration_id,
        row_size=configurations.row_size,
        numbers=configurations.numbers,
        descriptor=np.concatenate(blocks),
        attributes={
            "descriptor_id": descriptor_id(settings, known),
            "settings": settings.content(),
            "species": known,
            "checkpoint": None,
        },
    )


def descriptor_id(settings: DescribeSettings, species: list[int]) -> str:
    """Identity of a descriptor: vectors compare only if these are equal."""
    known = sorted({int(number) for number in species})
    return digest.of_json({"settings": settings.content(), "species": known})


def _block(
    configurations: Configurations, settings: DescribeSettings, species: list[int]
) -> npt.NDArray[np.float32]:
    vectors = METHODS[settings.method](configurations, settings, species)
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
