"""Projects that several tests look at: each is computed once per test run by the real `dvc repro`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ase.build import bulk, molecule
from projects import EMT_TEST, Project, built_once, made

from aldata import params
from aldata.artifacts.documents import Manifest
from aldata.audit.retractions import due


@pytest.fixture(scope="session")
def metal(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two generations of a strained gold-copper cell with EMT: periodic, with stress; committed."""

    def build(folder: Path) -> None:
        atoms = bulk("Au", "fcc", a=4.0, cubic=True)
        atoms.symbols[0] = "Cu"
        atoms.write(folder / "cell.xyz")
        values = {"oracle": {"name": "emt", "settings": {}}, "seed.test": EMT_TEST}
        project = made(folder / "project", folder / "cell.xyz", values, 2)
        project.ok("dvc", "repro")
        project.commit("two generations")

    return Project(built_once(tmp_path_factory, "metal", build) / "project")


@pytest.fixture(scope="session")
def water(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two generations of a water molecule with PySCF; committed."""

    def build(folder: Path) -> None:
        molecule("H2O").write(folder / "water.xyz")
        values = {"seed.test.frames": 6, "seed.test.equilibration": 50}
        project = made(folder / "project", folder / "water.xyz", values, 2)
        project.ok("dvc", "repro")
        project.commit("two generations")

    return Project(built_once(tmp_path_factory, "water", build) / "project")


@pytest.fixture(scope="session")
def grown(metal: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """`metal` after a retraction of a call of g000: a branch g001b, which obeys it and goes on from
    g000's weights, and an experiment `chance`, in which g001 chooses at random. All is committed.
    """

    def build(folder: Path) -> None:
        root = folder / "project"
        shutil.copytree(metal.root, root, symlinks=True)
        project = Project(root)
        entries = project.read(Manifest, "g000").entries
        wrong = next(entry.call for entry in entries if entry.role == "train")
        project.ok("aldata", "retract", wrong, "--reason", "a wrong spin")
        plan = params.load(root / "params.yaml")
        changes = {"curate": due(root, plan, "g000"), "train": {"update": "warm_start"}}
        params.add_generation(root / "params.yaml", plan, "g001b", "g000", changes)
        project.ok("dvc", "repro", "record@g001b")
        project.commit("a branch")
        change = "+generations.g001.acquire.strategy=random"
        project.ok("dvc", "exp", "run", "--temp", "-n", "chance", "-S", change, "record@g001")

    return Project(built_once(tmp_path_factory, "grown", build) / "project")


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Project], Project]:
    """Private copies of a computed project, for tests that change it."""

    def copied(project: Project) -> Project:
        root = tmp_path / f"copy{len(list(tmp_path.glob('copy*')))}"
        shutil.copytree(project.root, root, symlinks=True)
        return Project(root)

    return copied
