"""`aldata init DIR`: a new project with the cycle in it, ready for `dvc repro`."""

from __future__ import annotations

import argparse
import shlex
import shutil
from pathlib import Path

import aldata
from aldata import params, provenance
from aldata.cli.project import quiet
from aldata.errors import InvalidInput, ProjectError

IGNORED = """\
# Artifacts are kept by DVC; git keeps the records.
generations/*/*
!generations/*/record
.aldata/
mlflow.db*
mlartifacts/
mlruns/
dvc_plots/
report.html
__pycache__/
.venv/
"""

DVC_CONFIG = """\
[core]
    analytics = false
    check_update = false
"""

NOT_SCANNED = """\
# DVC need not look for stages in here.
.aldata
.venv
mlartifacts
mlruns
__pycache__
"""

FOLDERS = {
    "test_sets": """\
Put labelled test sets here (anything `ase.io.read` reads, with energies in eV and forces in eV/A),
and name them in params.yaml under `evaluate.test_sets`, for example

    evaluate:
      test_sets: {hot: test_sets/hot.xyz}
""",
    "pools": """\
Put your own frames here (a trajectory of another program, a fixed pool; anything `ase.io.read` reads),
and name them in params.yaml under `explore.samplers`, for example

    explore:
      samplers:
        - {name: imported, file: pools/mine.xyz, sha256: 0123456789ab}   # sha256sum pools/mine.xyz

Let git track them (or `dvc add` them): experiments run in a copy of what is tracked.
""",
    "noise": """\
`aldata noise` keeps here what it measured: one file per level of theory. Let git track them.
""",
}
"""Folders that stages depend on, and what their README.md says."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata init`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the new project")
    parser.add_argument(
        "--structures",
        type=Path,
        metavar="FILE",
        help="geometry file to start from, anything ASE reads (default: an ethanol molecule)",
    )
    parser.add_argument("--charge", type=int, default=0, help="total charge (default 0)")
    parser.add_argument("--spin", type=int, default=0, help="unpaired electrons (default 0)")


def run(options: argparse.Namespace) -> int:
    """Make the project; nothing is left behind when it cannot be made."""
    folder: Path = options.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(
            "exists and is not an empty folder",
            where=str(folder),
            next_step="choose another name, or empty it",
        )
    structures = options.structures or _template("ethanol.xyz", "examples/ethanol.xyz")
    if not structures.is_file():
        raise InvalidInput(
            "there is no such structure file",
            where=str(structures),
            next_step="name a file that ase.io.read can read",
        )
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    try:
        _fill(folder, structures, options)
    except BaseException as problem:
        if missing:
            shutil.rmtree(missing[-1], ignore_errors=True)
        else:
            _empty(folder)
        if isinstance(problem, OSError):
            raise ProjectError(
                f"cannot be made: {problem.strerror or problem}",
                where=str(problem.filename or folder),
                next_step="name a folder that you may write to, and a file that you may read",
            ) from None
        raise
    print(f"Made {folder.resolve()}; its settings are in params.yaml. Next:")
    print(f"  cd {shlex.quote(str(folder))} && dvc repro")
    return 0


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _fill(folder: Path, structures: Path, options: argparse.Namespace) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text(IGNORED)
    shutil.copyfile(_template("params.yaml", "params.yaml"), folder / "params.yaml")
    copy_plan(folder)
    copy_stages(folder)
    (folder / "structures").mkdir()
    shutil.copyfile(structures, folder / "structures" / structures.name)
    changes = {
        "seed.structures": f"structures/{structures.name}",
        "seed.charge": options.charge,
        "seed.spin": options.spin,
    }
    params.set_values(folder / "params.yaml", changes)
    params.load(folder / "params.yaml")
    _repository(folder)


def copy_stages(folder: Path) -> None:
    """Copy the stages' code into the project (replacing an older copy)."""
    source = _template("pipelines", "pipelines")
    target = folder / "pipelines"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def copy_plan(folder: Path) -> None:
    """Copy the stages' plan, dvc.yaml, into the project (replacing an older copy).

    Folders that stages depend on are made if they are not there.
    """
    shutil.copyfile(_template("dvc.yaml", "dvc.yaml"), folder / "dvc.yaml")
    for name, text in FOLDERS.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "README.md").write_text(text)


def copy_plots(folder: Path) -> None:
    """Copy the templates of the plots to where DVC looks for them (replacing older copies)."""
    target = folder / ".dvc" / "plots"
    target.mkdir(parents=True, exist_ok=True)
    for source in sorted(_template("plots", "plots").glob("*.json")):
        shutil.copyfile(source, target / source.name)


def _template(installed: str, source: str) -> Path:
    """A file of the template: package data of a wheel, or the repository of a source checkout."""
    package = Path(aldata.__file__).parent
    inside = package / "template" / installed
    return inside if inside.exists() else package.parent / source


def _repository(folder: Path) -> None:
    quiet(["git", "init", "--quiet", "--initial-branch=main"], folder)
    for key, value in (("user.name", "aldata"), ("user.email", "aldata@localhost")):
        # A machine without a git identity can neither commit nor run `dvc exp`.
        if provenance.git(folder, "config", key) is None:
            quiet(["git", "config", key, value], folder)
    quiet(["dvc", "init", "--quiet"], folder)
    (folder / ".dvc" / "config").write_text(DVC_CONFIG)
    copy_plots(folder)
    with (folder / ".dvcignore").open("a") as stream:
        stream.write(NOT_SCANNED)
    quiet(["git", "add", "."], folder)
    quiet(["git", "commit", "--quiet", "-m", "A new aldata project"], folder)
