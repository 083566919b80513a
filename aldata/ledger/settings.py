"""Where a project's ledger lies and with whom it is exchanged; DVC does not track this."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from aldata.errors import InvalidParameters
from aldata.execution.settings import CONFIG
from aldata.records import Record


class LedgerSettings(Record):
    """Key `ledger` of `.aldata/config.yaml`."""

    folder: str | None = Field(
        default=None,
        description="folder of the calls, for projects that share one; null: .aldata/ledger",
    )
    remote: str | None = Field(
        default=None, description="URL that push and pull use where none is given"
    )

    @classmethod
    def load(cls, root: Path) -> Self:
        """The settings of the project at `root`; no file or key: the defaults.

        Raises InvalidParameters.
        """
        path = root / CONFIG
        content = _document(path).get("ledger") or {}
        return cls.checked(content, where=f"{path}: ledger")

    def path(self, root: Path) -> Path:
        """The folder of the ledger; a relative one counts from the project's root."""
        return root / (Path(self.folder).expanduser() if self.folder else ".aldata/ledger")


def remember_remote(root: Path, url: str) -> None:
    """Write the URL into the project's configuration; comments and everything else stay.

    Raises InvalidParameters when the file cannot be read or written.
    """
    from ruamel.yaml import YAML

    path = root / CONFIG
    _document(path)
    yaml = YAML(typ="rt")
    text = io.StringIO()
    try:
        document = (yaml.load(path.read_text()) if path.exists() else None) or {}
        if document.get("ledger") is None:
            document["ledger"] = {}
        document["ledger"]["remote"] = url
        yaml.dump(document, text)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_text(text.getvalue().rstrip("\n") + "\n")
        part.replace(path)
    except OSError as problem:
        raise InvalidParameters(
            f"cannot be written: {problem.strerror or problem}", where=str(path)
        ) from None


def _document(path: Path) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(path.read_text()) if path.exists() else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise InvalidParameters(f"cannot be read: {problem}", where=str(path)) from None
    if not isinstance(document or {}, dict):
        raise InvalidParameters("is not a mapping", where=str(path))
    return document or {}
