"""Electronic-structure codes for the tests: the installed one, or one in an environment of its own."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from aldata.errors import AldataError
from aldata.label.oracles import environments

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aldata-tests"
"""Where the tests keep environments, outside of the repository."""


def environment(oracle: str) -> Path:
    """Python of an oracle's own environment, made by the first test that needs it; skips without."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{oracle}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return environments.install(oracle, CACHE / oracle)
        except AldataError as problem:
            pytest.skip(f"{oracle}: {problem}")


def pw_x() -> str:
    """A command for pw.x that may compute with GTH pseudopotentials."""
    return os.environ.get("ALDATA_ESPRESSO") or f"{environment('espresso')} -m qepy --pw.x"


def program(oracle: str, *names: str) -> str:
    """The command of a code that is installed here; skips without."""
    found = os.environ.get(f"ALDATA_{oracle.upper()}") or next(filter(shutil.which, names), None)
    if found is None:
        pytest.skip(f"there is no {' or '.join(names)}")
    return found
