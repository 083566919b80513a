"""Electronic-structure codes for the tests: the installed one, or one in an environment of its own."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from aldata.errors import AldataError
from aldata.label.oracles import environments

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aldata-tests"
"""Where the tests keep environments, outside of the repository."""

PRODUCTION = "python -m pytest -m slow tests/test_oracles_production.py"


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
        pytest.skip(f"there is no {' or '.join(names)}: {PRODUCTION} installs it")
    return found


def gpaw() -> str:
    """A Python that imports GPAW: one that is named, or that of an environment made before."""
    made = CACHE / "gpaw" / "bin" / "python"
    if stated := os.environ.get("ALDATA_GPAW"):
        return stated
    if not (CACHE / "gpaw" / "complete").exists():
        pytest.skip(f"there is no GPAW: {PRODUCTION} installs it")
    return str(made)


def installed(packages: Sequence[str], *names: str) -> str:
    """The first of these programs, after an attempt to install them by apt; skips without."""
    if not any(map(shutil.which, names)):
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            pytest.skip(f"{names[0]} is not installed; apt-get install {' '.join(packages)}")
        install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
        for command in (["apt-get", "update"], install):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{' '.join(command)} failed: {done.stderr.strip()[-200:]}")
    return next(name for name in names if shutil.which(name))
