"""Writing stores: in one piece or in blocks, with the same bytes and the same digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from aldata import digest
from aldata.artifacts.columns import Columns, Frames, identity_of
from aldata.artifacts.schema import SCHEMA_VERSION
from aldata.errors import InvalidInput
from aldata.store.column_file import ColumnFile
from aldata.store.metadata import write_metadata
from aldata.store.sealing import Building, refusals_of

C = TypeVar("C", bound=Columns)
F = TypeVar("F", bound=Frames)


class Writer(Generic[C]):
    """A store that grows block by block and is visible only when it is complete.

    Use as a context manager: the end of the block seals the store, an exception discards it. The
    blocks' own attributes are ignored; `attributes` is the store's and may be completed until the
    end. `digest` is the artifact's, known after the end. Memory holds one block at a time.
    """

    def __init__(self, path: Path, kind: type[C], attributes: Mapping[str, Any]) -> None:
        self.path = path
        self.attributes: dict[str, Any] = dict(attributes)
        self.digest = ""
        self._kind = kind

    def __enter__(self) -> Self:
        _checked(self.attributes, self.path)
        with refusals_of(self.path):
            self._building = Building(self.path)
        folder = self._building.folder
        self._columns = {v.name: ColumnFile(folder, v) for v in self._kind.variables()}
        return self

    def append(self, block: C) -> None:
        """Append the frames of `block`.

        Raises InvalidInput when a free dimension such as `feature` differs from the blocks before,
        DamagedArtifact when the file system refuses.
        """
        for name, array in block.arrays.items():
            before = self._columns[name].shape
            if before and before[1:] != array.shape[1:]:
                raise InvalidInput(
                    f"{name} has rows of shape {array.shape[1:]}",
                    where=str(self.path),
                    expected=f"{before[1:]}, as in the blocks before",
                )
        with refusals_of(self.path):
            for name, array in block.arrays.items():
                self._columns[name].append(array)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                with refusals_of(self.path):
                    self._seal()
        finally:
            for column in self._columns.values():
                column.close()
            self._building.discard()

    def _seal(self) -> None:
        attributes = _checked(self.attributes, self.path)
        if not all(column.shape for column in self._columns.values()):
            raise InvalidInput(
                "no block was appended",
                where=str(self.path),
                expected=f"at least one, such as {self._kind.__name__}.empty(...)",
            )
        for column in self._columns.values():
            column.finish()
        digests = {name: column.digest for name, column in self._columns.items()}
        shapes = {name: column.shape for name, column in self._columns.items()}
        identity = identity_of(self._kind.KIND, SCHEMA_VERSION, attributes, digests)
        write_metadata(
            self._building.folder, self._kind.KIND, attributes, shapes, digests, identity
        )
        self._building.seal()
        self.digest = identity


def writer(path: Path, kind: type[F], attributes: Mapping[str, Any]) -> Writer[F]:
    """Build a sealed store at `path` in blocks, replacing what lies there when it is complete.

    ``with store.writer(path, Labels, {"theory_id": t}) as out: out.append(labels)``. The bytes and
    the digest are those of `write` with all blocks at once, however they were split. Raises
    InvalidInput for attributes that JSON cannot hold, DamagedArtifact when the file system refuses
    (full, read-only); then nothing is left.
    """
    return Writer(path, kind, attributes)


def write(path: Path, artifact: Columns) -> str:
    """Write `artifact` as a sealed store at `path`, replacing what lies there. Returns its digest.

    Raises InvalidInput for attributes that JSON cannot hold, DamagedArtifact when the file system
    refuses (full, read-only); then nothing is left.
    """
    with Writer(path, type(artifact), artifact.attributes) as out:
        out.append(artifact)
    return out.digest


def _checked(attributes: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The attributes as they will be read back. Raises InvalidInput unless their digest survives."""
    try:
        text = digest.canonical_json(dict(attributes))
        text.encode()
        back: dict[str, Any] = json.loads(text)
        if digest.canonical_json(back) != text:
            raise ValueError("keys that are not text do not keep their order")
    except (TypeError, ValueError) as problem:
        raise InvalidInput(
            f"its attributes cannot be stored as JSON ({problem})",
            where=str(path),
            expected="text, finite numbers, true, false, null, lists, and mappings with text keys",
        ) from None
    return back
