"""JSON documents: written whole or not at all, read back through their strict record."""

from __future__ import annotations

import json
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from aldata import digest
from aldata.errors import DamagedArtifact
from aldata.records import Record
from aldata.store.sealing import refusals_of, sync

R = TypeVar("R", bound=Record)


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people and programs (indented, sorted keys), atomically."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically: a killed program leaves the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with refusals_of(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_document(path: Path, document: Record) -> str:
    """Write a document and return its digest."""
    write_json(path, document.stored())
    return document.digest


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises DamagedArtifact when it is missing."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DamagedArtifact(
            "does not exist",
            where=str(path),
            next_step="dvc repro (to make it) or dvc pull (to fetch it)",
        ) from None


def read_json(path: Path) -> Any:
    """Read JSON. Raises DamagedArtifact when it is missing or cannot be parsed."""
    try:
        return json.loads(read_bytes(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise DamagedArtifact(
            f"cannot be read ({problem})",
            where=str(path),
            next_step=f"dvc checkout --force {path}  (or dvc repro to rebuild it)",
        ) from problem


def read_document(path: Path, kind: type[R]) -> R:
    """Read a document as `kind`; every violation is named in one DamagedArtifact."""
    return kind.checked(
        read_json(path),
        str(path),
        DamagedArtifact,
        f"dvc checkout --force {path}  (or dvc repro to rebuild it)",
    )


def json_digest(content: Any) -> str:
    """Digest of plain JSON content, as it will be read back."""
    return digest.of_json(json.loads(json.dumps(content)))
