"""Extended XYZ: text that everybody reads, written with every digit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from aldata.artifacts.geometry_files import each_frame
from aldata.errors import InvalidInput
from aldata.exchange.conventions import OWN, Conventions, tensor
from aldata.exchange.frames import (
    Content,
    Frame,
    Statement,
    frame_of_atoms,
    stated_theory,
    statement_of,
)

STATEMENT, UNITS, THEORY = "aldata", "units", "theory"
"""Keys of the comment line: our statement (first frame only), the conventions as JSON (every frame),
and a description of the level of theory, which anybody may write."""


def read(path: Path) -> Content:
    """Every frame that ASE finds, in any format that `ase.io.read` knows.

    What the first frame states holds for all. Raises InvalidInput, on the way, for one that differs.
    """
    found = map(frame_of_atoms, each_frame(path, ":"))
    first = next(found, None)
    if first is None:
        return Content(Statement(), iter(()))
    statement = statement_of(_spoken(first, STATEMENT), str(path))
    units, theory = _spoken(first, UNITS), _spoken(first, THEORY)
    if units is not None:
        stated = Conventions.checked(_json(units, path), f"{path}: units", error=InvalidInput)
        statement = statement.model_copy(
            update={"conventions": statement.conventions.merged(stated)}
        )
    if theory is not None and statement.theory is None and statement.theory_id is None:
        statement = statement.model_copy(update={"theory": stated_theory(theory)})
    return Content(statement, _alike(chain([first], found), (units, theory), path))


def _alike(
    frames: Iterator[Frame], said: tuple[str | None, str | None], path: Path
) -> Iterator[Frame]:
    for frame in frames:
        if (_spoken(frame, UNITS), _spoken(frame, THEORY)) != said:
            raise InvalidInput("its frames state different units or theories", where=str(path))
        yield frame


def _spoken(frame: Frame, key: str) -> str | None:
    """The text under `key`; other things, such as LAMMPS's `units=metal`, say nothing."""
    text = frame.values.get(key)
    if isinstance(text, str) and (key == THEORY or text.startswith("{")):
        return text
    return None


def _json(text: str, path: Path) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        raise InvalidInput(
            f"units is {text!r:.60}",
            where=str(path),
            expected='a JSON record such as {"energy": "eV", "length": "angstrom"}',
        ) from None


def write(path: Path, statement: Statement, frames: Iterable[Frame]) -> int:
    """Write the frames with 17 significant digits; returns how many."""
    written = 0
    own = Statement(conventions=OWN)
    with path.open("w", encoding="utf-8") as stream:
        for frame in frames:
            extra = {UNITS: _compact(own.conventions)}
            if written == 0:
                extra[STATEMENT] = statement.text()
            stream.write(_text(frame, extra))
            written += 1
    return written


def _compact(conventions: Conventions) -> str:
    from aldata.digest import canonical_json

    return canonical_json(conventions.content())


def _text(frame: Frame, extra: dict[str, str]) -> str:
    from ase.data import chemical_symbols
    from ase.io.extxyz import key_val_dict_to_str

    values = {k: v for k, v in frame.values.items() if k != "forces"}
    if "stress" in values:
        values["stress"] = tensor(np.asarray(values["stress"]))
    columns, properties = [frame.positions], "species:S:1:pos:R:3"
    if "forces" in frame.values:
        columns.append(frame.values["forces"])
        properties += ":forces:R:3"
    lattice = " ".join(repr(float(x)) for x in np.ravel(frame.cell))
    head = f'Lattice="{lattice}" ' if np.any(frame.cell) else ""
    texts = {**{k: v for k, v in values.items() if isinstance(v, str)}, **extra}
    rest = {k: v for k, v in values.items() if k not in texts}
    comment = key_val_dict_to_str({**rest, "pbc": np.asarray(frame.pbc)})
    comment = " ".join([comment, *(f"{name}={_quoted(text)}" for name, text in texts.items())])
    lines = [str(len(frame.numbers)), f"{head}Properties={properties} {comment}"]
    rows = np.concatenate(columns, axis=1).tolist()
    for number, row in zip(frame.numbers, rows, strict=True):
        lines.append(" ".join([chemical_symbols[number], *map(repr, row)]))
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text in quotes; ASE writes backslashes as they are, and reads them as escapes."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{plain}"'
