"""Where jobs run: settings that DVC does not track, because they must not change a result."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from aldata.errors import InvalidParameters
from aldata.records import Record

CONFIG = Path(".aldata") / "config.yaml"
"""Where a project says how its jobs run, relative to its root; not tracked by DVC."""


class ClusterSettings(Record):
    """Where jobs run: on this machine by default, or at a scheduler that is already running."""

    workers: int | None = Field(
        default=None, ge=1, description="worker processes of one thread each; null: one per core"
    )
    scheduler: str | None = Field(
        default=None, description="address of a running Dask scheduler, such as tcp://host:8786"
    )

    @property
    def processes(self) -> int:
        """Number of worker processes of a local cluster."""
        return self.workers or _usable_cores()

    @classmethod
    def load(cls, root: Path) -> Self:
        """The key `cluster` of `<root>/.aldata/config.yaml`; `ALDATA_WORKERS` overrides `workers`.

        A missing file or key means the defaults. Raises InvalidParameters.
        """
        path = root / CONFIG
        content = _read(path) if path.exists() else {}
        if not isinstance(content, dict):
            raise InvalidParameters("'cluster' is not a mapping", where=str(path))
        checked = cls.checked(content, where=str(path))
        workers = os.environ.get("ALDATA_WORKERS")
        if workers:
            return cls.checked({**checked.content(), "workers": workers}, where="ALDATA_WORKERS")
        return checked


def _read(path: Path) -> Any:
    import yaml

    try:
        document = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise InvalidParameters(f"cannot be read: {problem}", where=str(path)) from None
    if not isinstance(document, dict):
        raise InvalidParameters("is not a mapping", where=str(path))
    return document.get("cluster") or {}


def _usable_cores() -> int:
    """Cores this process may use: fewer than the machine has in a container or a batch job."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)
