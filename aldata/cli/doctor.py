"""`aldata doctor`: is everything there that the next call needs? What is missing is named."""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from aldata import params
from aldata.artifacts.geometry_files import read_geometries
from aldata.cli.project import Project, program
from aldata.errors import AldataError, InvalidParameters
from aldata.execution import ClusterSettings
from aldata.explore import ExploreSettings
from aldata.explore.ipi import require_ipi
from aldata.label import ORACLES, Finding, finding_of, inspect_oracle, isolated_atoms
from aldata.label.oracles import environments
from aldata.label.oracles.place import Place
from aldata.label.oracles.trials import TRIALS

PACKAGES = ("aldata", "ase", "dvc", "mace-torch", "mlflow", "numpy", "torch", "zarr")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata doctor`."""
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument(
        "--oracle",
        choices=sorted(ORACLES),
        help="look at this oracle instead of the project's, also outside of a project",
    )
    parser.add_argument(
        "--settings",
        metavar="YAML",
        help="with --oracle: its settings (default: those of a small trial)",
    )
    parser.add_argument(
        "--structures",
        type=Path,
        metavar="FILE",
        help="with --oracle: what it would be asked about",
    )
    parser.add_argument("--run", action="store_true", help="also make a small real calculation")
    parser.add_argument(
        "--install",
        choices=sorted(environments.ENVIRONMENTS),
        help="make a Python environment of its own for this oracle, in .aldata/envs",
    )


def run(options: argparse.Namespace) -> int:
    """Print what was found; exit code 1 when anything is missing."""
    if options.install:
        folder = Place.here().environment(options.install)
        folder.parent.mkdir(parents=True, exist_ok=True)
        print(f"making {folder} ...", file=sys.stderr)
        print(environments.install(options.install, folder))
        return 0
    findings = [*_surroundings(), *_of_place()]
    if options.oracle:
        findings += _of_oracle(options)
    else:
        findings += _of_project(options.run)
    print(json.dumps([asdict(f) for f in findings], indent=1) if options.json else _text(findings))
    return 0 if all(finding.good for finding in findings) else 1


def _text(findings: list[Finding]) -> str:
    width = max(len(finding.what) for finding in findings)
    lines = []
    for finding in findings:
        mark = "ok     " if finding.good else "MISSING"
        lines.append(f"{mark}  {finding.what:{width}}  {finding.said}")
        if finding.fix and not finding.good:
            lines.append(f"{'':7}  {'':{width}}  -> {finding.fix}")
    return "\n".join(lines)


def _surroundings() -> Iterator[Finding]:
    """Python, the packages that matter, and the programs that DVC stages call."""
    yield Finding("python", True, f"{platform.python_version()} ({sys.executable})")
    for name in PACKAGES:
        try:
            yield Finding(name, True, version(name))
        except PackageNotFoundError:
            yield Finding(name, False, "is not installed", f"pip install {name}")
    for name in ("git", "dvc"):
        try:
            yield Finding(f"program {name}", True, program(name))
        except AldataError as problem:
            yield finding_of(f"program {name}", problem)


def _of_place() -> Iterator[Finding]:
    """How jobs run here, and where codes are."""
    try:
        place = Place.here()
        settings = ClusterSettings.load(place.home)
    except AldataError as problem:
        yield finding_of("config.yaml", problem)
        return
    stated = {name: value for name, value in place.codes.content().items() if value is not None}
    yield Finding("cluster", True, ", ".join(f"{k}: {v}" for k, v in settings.content().items()))
    yield Finding("codes", True, ", ".join(f"{k}: {v}" for k, v in stated.items()))


def _of_project(run: bool) -> Iterator[Finding]:
    try:
        project = Project.here()
    except AldataError as problem:
        yield finding_of("project", problem)
        project = Project(Path.cwd())
        if not project.params.exists():
            return
    yield _ledger(project)
    try:
        parameters = params.load(project.params)
        seed = parameters.seed
        file = project.root / seed.structures
        structures = list(read_geometries(file, seed.index, seed.charge, seed.spin))
    except AldataError as problem:
        yield finding_of("params.yaml", problem)
        return
    yield Finding("params.yaml", True, f"{len(parameters.generations)} generations planned")
    yield from _of_samplers(parameters)
    numbers = sorted({int(n) for c in structures for n in c.numbers})
    asked = [*structures, *isolated_atoms(numbers)]
    choice = parameters.oracle
    yield from inspect_oracle(choice.name, choice.settings, asked, run, choice.version_policy)


def _of_samplers(parameters: params.Parameters) -> Iterator[Finding]:
    """What the samplers of the plan need beside aldata itself."""
    settings = [parameters.settings_of("explore", name) for name in parameters.in_order()]
    plans = [parameters.explore, *(s for s in settings if isinstance(s, ExploreSettings))]
    if all(one.name != "path_integral" for plan in plans for one in plan.samplers):
        return
    try:
        require_ipi("explore.samplers: path_integral")
    except AldataError as problem:
        yield finding_of("ipi", problem)
    else:
        yield Finding("ipi", True, version("ipi"))


def _ledger(project: Project) -> Finding:
    """Whether calls can be stored, and how much room there is."""
    try:
        folder = project.ledger.folder
        folder.mkdir(parents=True, exist_ok=True)
        project.ledger.ready()
        free = shutil.disk_usage(folder).free
    except AldataError as problem:
        return finding_of("ledger", problem)
    except OSError as problem:
        fix = "make it a folder that you may write to"
        return Finding("ledger", False, f"{problem.filename}: {problem.strerror}", fix)
    return Finding("ledger", True, f"{folder}: {free / 2**30:.1f} GiB free")


def _of_oracle(options: argparse.Namespace) -> list[Finding]:
    """An oracle on its own: with the settings and structures that are named, or those of a trial."""
    settings, trial = TRIALS.get(options.oracle, ({}, None))
    asked = [] if trial is None or options.settings else [trial]
    if options.structures:
        asked = list(read_geometries(options.structures, ":", 0, 0))
    if options.settings:
        settings = _parsed(options.settings)
    return inspect_oracle(options.oracle, settings, asked, options.run)


def _parsed(text: str) -> dict[str, Any]:
    import yaml

    try:
        settings = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise InvalidParameters(f"not valid YAML: {problem}", where="--settings") from None
    if not isinstance(settings, dict):
        raise InvalidParameters("is not a mapping", where="--settings", expected="{ecutwfc: 30}")
    return settings
