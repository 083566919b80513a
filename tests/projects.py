"""Real projects for the tests: made by `aldata init`, run by the real `dvc`."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aldata import params, store
from aldata.artifacts import layout
from aldata.artifacts.entries import whole_manifest
from aldata.cli.main import main

if TYPE_CHECKING:
    import pytest

BIN = Path(sys.executable).parent

SMALL: dict[str, Any] = {
    "explore.samplers.0.steps": 420,
    "explore.samplers.0.equilibration": 20,
    "explore.samplers.0.interval": 40,
    "explore.samplers.0.decorrelate": False,
    "explore.samplers.0.replicas": 1,
    "explore.checks": {"max_temperature_factor": 20.0},
    "acquire.batch": 8,
    "acquire.probe": 0.25,
    "train.steps": 60,
    "calibrate.minimum_probe": 2,
    "seed.candidates": 30,
}
"""Settings that make a generation a matter of seconds."""

EMT_TEST: dict[str, Any] = {
    "frames": 6,
    "temperature": 600.0,
    "steps_between": 10,
    "equilibration": 20,
    "calculator": "ase.calculators.emt.EMT",
    "keywords": {},
}
"""A test set that the seed makes with EMT."""


@dataclass(frozen=True)
class Project:
    """A project's folder, and the programs run in it."""

    root: Path

    def environment(self, **extra: str) -> dict[str, str]:
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "ALDATA_WORKERS": "2", **extra}

    def run(self, *command: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(**extra),
            capture_output=True,
            text=True,
            check=False,
        )

    def ok(self, *command: str, **extra: str) -> str:
        done = self.run(*command, **extra)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        done = self.run("aldata", "status", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def path(self, generation: str, name: str) -> Path:
        return self.root / layout.path_of(generation, name)

    def read(self, kind: Any, generation: str) -> Any:
        path = self.path(generation, layout.name_of(kind))
        reader: Any = store.read if path.suffix == ".zarr" else store.read_document
        return reader(path, kind)

    def json(self, generation: str, name: str) -> Any:
        return whole_manifest(store.read_json(self.path(generation, name)))

    def ended_calls(self) -> list[str]:
        """Ids of the calls in the ledger."""
        return sorted(p.stem for p in (self.root / ".aldata" / "ledger" / "calls").glob("*/*.json"))

    def set(self, values: dict[str, Any]) -> None:
        params.set_values(self.root / "params.yaml", values)

    def commit(self, message: str = "more") -> None:
        self.ok("git", "add", ".")
        self.ok("git", "commit", "--quiet", "-m", message)


def hear_sigint() -> None:
    """First thing in a child: hear Ctrl-C as in a terminal, though the tests may run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """A folder that `build` has filled: once per run, of which every worker of the tests has a copy."""
    own = factory.mktemp(name)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        build(own)
        return own
    shared = factory.getbasetemp().parent / f"shared-{name}"
    with shared.with_suffix(".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        if not (shared / "whole").exists():
            shutil.rmtree(shared, ignore_errors=True)
            shared.mkdir()
            build(shared)
            (shared / "whole").touch()
    shutil.copytree(shared, own, symlinks=True, dirs_exist_ok=True)
    return own


def made(root: Path, structures: Path, values: dict[str, Any], generations: int) -> Project:
    """A project from a structure file, with these settings and the first generations of the plan."""
    assert main(["init", str(root), "--structures", str(structures)]) == 0
    project = Project(root)
    project.set({**SMALL, **values})
    plan = {f"g{k:03d}": entry_of(f"g{k - 1:03d}" if k else "seed") for k in range(generations)}
    project.set({"generations": plan})
    project.commit("settings")
    return project


def entry_of(parent: str) -> dict[str, Any]:
    """An entry of the plan in which nothing differs."""
    return {"parent": parent, **{verb: {} for verb in params.VERBS}}
