"""Python environments of their own, for codes that want another numpy than aldata's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from aldata.errors import OracleUnavailable


@dataclass(frozen=True)
class Environment:
    """What goes into one: packages for pip, the program that must be there, files for the build."""

    name: str
    packages: tuple[str, ...]
    program: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


ENVIRONMENTS = {
    "espresso": Environment("qepy", ("qepy>=7.2,<8",)),
    "gpaw": Environment(
        "gpaw",
        ("gpaw>=25.1", "gpaw-data"),
        program="g++",
        variables={"GPAW_CONFIG": "gpaw_siteconfig.py", "CC": "gcc", "CXX": "g++"},
        files={
            # no MPI, BLAS by scipy, the functionals that GPAW has itself: nothing but g++ is needed
            "gpaw_siteconfig.py": "compiler = 'g++'\nmpi = False\nlibraries = []\n"
            "noblas = True\nnolibxc = True\n"
        },
    ),
}
"""Environments by the oracle that they are for."""


def install(oracle: str, folder: Path) -> Path:
    """Make the environment of an oracle in `folder`; returns its Python. Nothing half-made stays.

    Raises OracleUnavailable with the last line of what pip said.
    """
    recipe = ENVIRONMENTS[oracle]
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    if recipe.program and shutil.which(recipe.program) is None:
        raise OracleUnavailable(
            f"{recipe.program} is needed to build {recipe.name}",
            where=f"aldata doctor --install {oracle}",
            next_step=f"apt-get install {recipe.program}",
        )
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _run([sys.executable, "-m", "venv", str(folder)], oracle)
        for name, text in recipe.files.items():
            (folder / name).write_text(text)
        inside = {
            k: str(folder / v) if v in recipe.files else v for k, v in recipe.variables.items()
        }
        _run([str(python), "-m", "pip", "install", "--quiet", *recipe.packages], oracle, inside)
        (folder / "complete").touch()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return python


def _run(command: list[str], oracle: str, variables: dict[str, str] | None = None) -> None:
    surroundings = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        command,
        env={**surroundings, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = [line for line in done.stdout.split("\n") if line.strip()]
        said = next((x for x in reversed(lines) if "error" in x.lower()), " ".join(lines[-1:]))
        raise OracleUnavailable(
            f"could not be made: {said.strip()}", where=f"aldata doctor --install {oracle}"
        )
