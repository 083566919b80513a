"""Where imported data goes in a project, and which parameter then names it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from aldata.artifacts.layout import SEED, path_of
from aldata.errors import InvalidInput
from aldata.evaluate.settings import FOLDER as TEST_SETS
from aldata.exchange.given import STORE
from aldata.params import Parameters
from aldata.seed.settings import FOLDER as STRUCTURES

NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Destination:
    """A place for imported frames.

    folder and ending of the file; key: the parameter that names it; name: of the file, else the
    source's. labelled: energies and forces are needed; trained: a model learns from them.
    """

    folder: str
    ending: str
    key: str
    name: str | None
    labelled: bool
    trained: bool

    def path(self, stem: str, digest: str) -> Path:
        """The file's path in the project: the digest in it makes every content a file of its own."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", self.name or stem)
        return Path(self.folder) / f"{name}-{digest[:8]}{self.ending}"


def destination_of(text: str, parameters: Parameters, replace: bool) -> Destination:
    """What `--as` names. Raises InvalidInput for an unknown one, or when its parameter is taken."""
    what, _, name = text.partition(":")
    if what == "labels" and not name:
        _refuse_taken("seed.labels", parameters.seed.labels, replace)
        return Destination(STRUCTURES, STORE, "seed.labels", None, True, True)
    if what == "structures" and not name:
        if path_of(SEED, "dataset").exists():
            _refuse_taken("seed.structures", parameters.seed.structures, replace)
        return Destination(STRUCTURES, ".xyz", "seed.structures", None, False, False)
    if what == "test" and NAME.fullmatch(name):
        _refuse_taken(f"test set {name}", parameters.evaluate.test_sets.get(name), replace)
        return Destination(TEST_SETS, STORE, f"evaluate.test_sets.{name}", name, True, False)
    raise InvalidInput(
        f"there is no place '{text}'",
        where="--as",
        expected="labels, structures, or test:NAME with a NAME of a-z, 0-9 and _",
    )


def _refuse_taken(setting: str, value: str | None, replace: bool) -> None:
    if value and not replace:
        raise InvalidInput(
            f"is {value} already",
            where=f"params.yaml: {setting}",
            next_step="--replace puts the new data in its place (the old file stays)",
        )
