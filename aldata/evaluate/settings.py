"""Settings of the verb evaluate."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

from aldata.records import Record

FOLDER = "test_sets"
"""Where test files lie in a project: the one path that the stage depends on."""

TAKEN = "generated"
"""Name of the test set that the seed labels itself."""


def _name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(
            f"test set '{name}' needs a name of lower-case letters, digits and underscores"
        )
    if name == TAKEN:
        raise ValueError(
            f"'{TAKEN}' is the test set that the seed labels itself: choose another name"
        )
    return name


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] != FOLDER or ".." in parts:
        raise ValueError(f"'{path}' must lie in {FOLDER}/, for example {FOLDER}/hot.xyz")
    return path


SetName = Annotated[str, AfterValidator(_name)]
SetPath = Annotated[str, AfterValidator(_inside)]


class EvaluateSettings(Record):
    """What the checkpoint is tested on, and how much goes into the plots."""

    test_sets: dict[SetName, SetPath] = Field(
        default={},
        description=f"labelled frames in {FOLDER}/ by name: files as for `seed.labels`, or what "
        "`aldata import --as test:NAME` made",
    )
    enough_information: float = Field(
        default=1.0,
        gt=0,
        description="information per call (nats) of the best batch left in the pool, below which "
        "further calls are not worth their price: with errors within acquire.target, `aldata status` "
        "says that the target is reached",
    )
    parity_points: int = Field(
        default=2000, ge=10, le=100_000, description="most points of a parity plot"
    )
