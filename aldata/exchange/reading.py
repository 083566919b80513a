"""From a file to labels or configurations, or one error that names everything that is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aldata import digest
from aldata.artifacts.frames import Configurations, Labels, as_configurations
from aldata.errors import AldataError, InvalidInput
from aldata.exchange.formats import Format, format_of
from aldata.exchange.frames import Content, Frame, Statement
from aldata.exchange.interpreting import Interpreter, Understood
from aldata.exchange.labels import as_labels, attributes_of
from aldata.exchange.request import Request

BLOCK = 1000
"""Frames of a file that are in memory at a time."""


@dataclass(frozen=True, eq=False)
class Imported:
    """What a file held, in aldata's units: labels, or configurations only, and what to know about it.

    statement: conventions and level of theory, the file's and the user's together. source: sha256 of
    the file. notes: what was left out or looks odd, in sentences.
    """

    frames: Configurations
    statement: Statement
    source: str
    notes: list[str] = field(default_factory=list)

    @property
    def labels(self) -> Labels:
        """The labels. Raises TypeError when only configurations were asked for."""
        if not isinstance(self.frames, Labels):
            raise TypeError("read without labels")
        return self.frames


def read(path: Path, request: Request) -> Imported:
    """Read a file in one of `FORMATS`. Raises what `Reading` raises."""
    reading = Reading(path, request)
    parts = list(reading.blocks())
    frames = reading.kind.concatenate(parts, reading.attributes)
    return Imported(frames, reading.statement, reading.source, reading.notes)


class Reading:
    """A file on its way in, a block of frames in memory at a time.

    Go through `blocks()` once, to its end; then `statement`, `attributes` and `notes` are known.
    kind: what the blocks are. source: sha256 of the file.

    Raises InvalidInput that names all violations, at the end of the blocks at the latest: of the file,
    of what nobody has stated (units, level of theory), and of frames (unusable geometries, missing
    or not finite labels, contents that differ from the id they carry, one configuration with two
    labels). What was read before is then worth nothing.
    """

    def __init__(self, path: Path, request: Request) -> None:
        self.path = path
        self.kind: type[Configurations] = Labels if request.labelled else Configurations
        self._format = format_of(path, request.format)
        self._request = request
        self._content = content_of(path, self._format)
        self.source = source_of(path)
        stated = self._content.statement.conventions
        self._wrong = stated.contradictions(request.conventions)
        self._interpreter = Interpreter(stated.merged(request.conventions), request)
        self._theories: set[str] = set()

    def blocks(self) -> Iterator[Configurations]:
        """All frames that are kept, in the order of the file; their attributes mean nothing."""
        block: list[Understood] = []
        count = 0
        for frame in self._frames():
            if theory_id := frame.values.get("theory_id"):
                self._theories.add(str(theory_id))
            one = self._interpreter.take(count, frame)
            count += 1
            if one is not None:
                block.append(one)
            if len(block) == BLOCK:
                yield self._made(block)
                block = []
        self._refuse(count)
        if block:
            yield self._made(block)

    @property
    def statement(self) -> Statement:
        """The file's statement completed by the user's."""
        theory = self._content.statement.theory or self._request.theory
        identity = next(iter(self._said()), theory.id if theory is not None else None)
        update = {
            "conventions": self._interpreter.conventions,
            "theory": theory,
            "theory_id": identity,
        }
        return self._content.statement.model_copy(update=update)

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the whole as an artifact."""
        labelled = self._request.labelled
        return attributes_of(self.statement, self.source) if labelled else {}

    @property
    def notes(self) -> list[str]:
        """What was left out or looks odd, in sentences."""
        return self._interpreter.notes()

    def _frames(self) -> Iterator[Frame]:
        with _readable(self.path, self._format):
            yield from self._content.frames

    def _made(self, block: list[Understood]) -> Configurations:
        if self._request.labelled:
            return as_labels(block, self.source)
        return as_configurations([one.configuration for one in block])

    def _said(self) -> set[str]:
        """Ids of the levels of theory that the file states."""
        stated = self._content.statement
        whole = stated.theory_id or (stated.theory.id if stated.theory else "")
        return {*self._theories, whole} - {""}

    def _refuse(self, count: int) -> None:
        if count == 0:
            raise InvalidInput("holds no frames", where=str(self.path))
        found = self._interpreter
        of_file = [*self._wrong, *self._theory_problems(), *found.unstated]
        if self._request.labelled and self.statement.theory_id is None:
            of_file.append(
                'no level of theory is stated: --theory "PBE/def2-SVP, PySCF", or a theory.json'
            )
        _refuse(self.path, of_file, found.problems, found.count)
        if not len(found):
            raise InvalidInput(
                "holds no frame that can be used", where=str(self.path), expected="accepted calls"
            )

    def _theory_problems(self) -> list[str]:
        said, asked = self._said(), self._request.theory
        if len(said) > 1:
            return [f"its frames are at {len(said)} levels of theory; a file must have one"]
        if said and asked is not None and said != {asked.id}:
            return ["the file states another level of theory than you: leave out --theory"]
        return []


def states_itself(path: Path) -> bool:
    """Whether a file says its units itself, so that it can be used without a word from the user."""
    try:
        kind = format_of(path)
    except InvalidInput:
        return False
    if ".xyz" not in kind.suffixes:
        return True
    with path.open(encoding="utf-8", errors="replace") as stream:
        stream.readline()
        return re.search(r'\bunits="?\{', stream.readline()) is not None


def content_of(path: Path, kind: Format) -> Content:
    """What the file holds, unconverted. Raises InvalidInput when it cannot be read."""
    if not path.exists():
        raise InvalidInput("there is no such file", where=str(path))
    if path.is_dir() and ".h5" not in kind.suffixes:
        raise InvalidInput("is a folder", where=str(path), expected="a file")
    kind.refuse_missing_packages(str(path))
    with _readable(path, kind):
        if path.is_file():
            path.open("rb").close()
        return kind.read(path)


@contextmanager
def _readable(path: Path, kind: Format) -> Iterator[None]:
    """Turn whatever a format's reader raises into one error about the file."""
    try:
        yield
    except AldataError:
        raise
    except Exception as problem:  # the readers of six formats raise whatever they like
        raise InvalidInput(
            f"cannot be read ({type(problem).__name__}: {problem})",
            where=str(path),
            expected=kind.meaning,
        ) from problem


def source_of(path: Path) -> str:
    """sha256 of a file, or of all the files of a folder."""
    if path.is_file():
        return digest.of_file(path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return digest.of_json({str(p.relative_to(path)): digest.of_file(p) for p in files})


def _refuse(path: Path, of_file: list[str], of_frames: list[str], frames: int) -> None:
    """Raise InvalidInput for problems: all of the file, the first of the `frames` of its frames."""
    shown = [*of_file, *of_frames]
    if frames > len(of_frames):
        shown.append(f"and {frames - len(of_frames)} more")
    if not shown:
        return
    count = len(of_file) + frames
    text = shown[0] if count == 1 else "\n  - ".join([f"{count} problems:", *shown])
    raise InvalidInput(
        text,
        where=str(path),
        next_step="see `aldata import --help` for what to state, or correct the file",
    )
