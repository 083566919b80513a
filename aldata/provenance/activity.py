"""One run of one stage: what it used and generated (by digest), with what code, where and when."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from aldata.provenance.repository import head_of
from aldata.records import Record

PACKAGES = (
    "aldata", "ase", "dask", "distributed", "dscribe", "dvc", "e3nn", "mace-torch", "matscipy",
    "mlflow", "numpy", "pyscf", "scipy", "tblite", "torch", "zarr",
)  # fmt: skip
"""Distributions whose versions stand in every activity."""


class Activity(Record):
    """The record of a stage's run (a PROV activity). Digests are the links between activities.

    `git_baseline` is the commit the run started from: the commit that will hold its results does
    not exist yet. `uncommitted` says whether tracked files differed from it.
    """

    stage: str
    generation: str
    used: dict[str, str]
    generated: dict[str, str]
    parameters: dict[str, Any]
    random_seed: int
    behaviour: int
    git_baseline: str | None
    uncommitted: bool
    experiment: str | None
    started: str
    ended: str
    host: str
    platform: str
    python: str
    packages: dict[str, str]
    facts: dict[str, Any] = {}


def surroundings(project: Path) -> dict[str, Any]:
    """Where and with what a stage runs: the fields of an `Activity` that do not depend on it."""
    commit, uncommitted = head_of(project)
    return {
        "git_baseline": os.environ.get("DVC_EXP_BASELINE_REV") or commit,
        "uncommitted": uncommitted,
        "experiment": os.environ.get("DVC_EXP_NAME"),
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": _versions(),
    }


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
