"""From a file to labels or configurations, or one error that names everything that is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from aldata import digest
from aldata.artifacts.frames import Configurations, Labels, as_configurations
from aldata.errors import AldataError, InvalidInput
from aldata.exchange.formats import Format, format_of
from aldata.exchange.frames import Content, Statement
from aldata.exchange.interpreting import Interpreter, as_labels
from aldata.exchange.request import Request

SHOWN = 5
"""How many frames with problems an error spells out."""


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
    """Read a file in one of `FORMATS`.

    Raises InvalidInput that names all violations: of the file, of what nobody has stated (units,
    level of theory), and of frames (unusable geometries, missing or not finite labels, contents that
    differ from the id they carry, one configuration with two labels).
    """
    content = content_of(path, format_of(path, request.format))
    statement, wrong = completed(content, request)
    interpreter = Interpreter(statement.conventions, request)
    if not wrong:
        interpreter.take(content.frames)
    _refuse(path, wrong, interpreter.problems)
    if not interpreter.kept:
        raise InvalidInput(
            "holds no frame that can be used", where=str(path), expected="accepted calls"
        )
    source = source_of(path)
    notes = interpreter.notes()
    if not request.labelled:
        geometries = as_configurations([one.configuration for one in interpreter.kept.values()])
        return Imported(geometries, statement, source, notes)
    labels = as_labels(list(interpreter.kept.values()), statement, source)
    return Imported(labels, statement, source, notes)


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
    """What the file holds, unconverted. Raises InvalidInput when it cannot be read or is empty."""
    if not path.exists():
        raise InvalidInput("there is no such file", where=str(path))
    if path.is_dir() and ".h5" not in kind.suffixes:
        raise InvalidInput("is a folder", where=str(path), expected="a file")
    kind.refuse_missing_packages(str(path))
    try:
        if path.is_file():
            path.open("rb").close()
        content = kind.read(path)
    except AldataError:
        raise
    except Exception as problem:  # the readers of six formats raise whatever they like
        raise InvalidInput(
            f"cannot be read ({type(problem).__name__}: {problem})",
            where=str(path),
            expected=kind.meaning,
        ) from problem
    if not content.frames:
        raise InvalidInput("holds no frames", where=str(path))
    return content


def completed(content: Content, request: Request) -> tuple[Statement, list[str]]:
    """The file's statement completed by the user's, and what is missing or contradicts itself."""
    stated = content.statement
    wrong = stated.conventions.contradictions(request.conventions)
    conventions = stated.conventions.merged(request.conventions)
    said = {str(f.values["theory_id"]) for f in content.frames if f.values.get("theory_id")}
    said |= {stated.theory_id or (stated.theory.id if stated.theory else "")} - {""}
    if len(said) > 1:
        wrong.append(f"its frames are at {len(said)} levels of theory; a file must have one")
    elif said and request.theory is not None and said != {request.theory.id}:
        wrong.append("the file states another level of theory than you: leave out --theory")
    theory = stated.theory or request.theory
    identity = next(iter(said), theory.id if theory is not None else None)
    interpreter = Interpreter(conventions, request)
    wrong += interpreter.unstated(content.frames)
    if request.labelled and identity is None:
        wrong.append(
            'no level of theory is stated: --theory "PBE/def2-SVP, PySCF", or a theory.json'
        )
    update = {"conventions": conventions, "theory": theory, "theory_id": identity}
    return stated.model_copy(update=update), wrong


def source_of(path: Path) -> str:
    """sha256 of a file, or of all the files of a folder."""
    if path.is_file():
        return digest.of_file(path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return digest.of_json({str(p.relative_to(path)): digest.of_file(p) for p in files})


def _refuse(path: Path, of_file: list[str], of_frames: list[str]) -> None:
    """Raise InvalidInput for problems: all of the file, the first ones of its frames."""
    shown = [*of_file, *of_frames[:SHOWN]]
    if len(of_frames) > SHOWN:
        shown.append(f"and {len(of_frames) - SHOWN} more")
    if not shown:
        return
    count = len(of_file) + len(of_frames)
    text = shown[0] if count == 1 else "\n  - ".join([f"{count} problems:", *shown])
    raise InvalidInput(
        text,
        where=str(path),
        next_step="see `aldata import --help` for what to state, or correct the file",
    )
