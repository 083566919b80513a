"""`aldata import`: into a real project, where the next `dvc repro` uses it, or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from conftest import EMT_TEST
from projects import Project, made

from aldata import exchange, params, store
from aldata.artifacts.documents import Manifest, Theory
from aldata.artifacts.frames import Configurations, Labels
from aldata.artifacts.geometry_files import read_geometries
from aldata.artifacts.schema import PURPOSES
from aldata.cli.main import main
from aldata.errors import InvalidInput

ASE = ("--units", "ase")
SAME = ("--theory", "same")
THEORY = Theory(oracle="emt", settings={}, record={"code": "emt"})


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of a gold-copper cell with EMT, nothing computed, and a file of labelled frames."""
    folder = tmp_path_factory.mktemp("blank")
    cell = bulk("Au", "fcc", a=4.0, cubic=True)
    cell.symbols[0] = "Cu"
    cell.write(folder / "cell.xyz")
    values = {"oracle": {"name": "emt", "settings": {}}, "seed.test": {**EMT_TEST, "frames": 2}}
    project = made(folder / "project", folder / "cell.xyz", values, 1)
    frames = []
    for seed in range(8):
        atoms = cell.copy()
        atoms.rattle(0.15, seed=seed)
        atoms.calc = EMT()
        single = SinglePointCalculator(
            atoms, energy=atoms.get_potential_energy(), forces=atoms.get_forces(),
            stress=atoms.get_stress(),
        )  # fmt: skip
        atoms.calc = single
        frames.append(atoms)
    write(project.root / "old.xyz", frames[:6])
    write(project.root / "hot.xyz", frames[6:])
    write(project.root / "both.xyz", frames[4:])
    return project


@pytest.fixture
def project(blank: Project, tmp_path: Path) -> Project:
    shutil.copytree(blank.root, tmp_path / "project")
    return Project(tmp_path / "project")


def imports(project: Project, *command: str) -> tuple[int, str]:
    """Exit code and output of `aldata import` in the project, in this process."""
    text = io.StringIO()
    with contextlib.chdir(project.root), redirect_stdout(text), redirect_stderr(text):
        code = main(["import", *command])
    return code, text.getvalue()


def taken(project: Project, *command: str) -> str:
    code, text = imports(project, *command)
    assert code == 0, text
    return text


def refused(project: Project, *command: str) -> str:
    """The command stops with one message; nothing in the project has changed."""
    before = snapshot(project)
    code, text = imports(project, *command)
    assert code == 1
    assert snapshot(project) == before
    return text


def snapshot(project: Project) -> dict[str, bytes]:
    return {
        str(path.relative_to(project.root)): path.read_bytes()
        for folder in ("structures", "test_sets")
        for path in sorted((project.root / folder).rglob("*"))
        if path.is_file()
    } | {"params.yaml": (project.root / "params.yaml").read_bytes()}


def settings(project: Project) -> params.Parameters:
    return params.load(project.root / "params.yaml")


def comments(project: Project) -> list[str]:
    lines = (project.root / "params.yaml").read_text().splitlines()
    return [line for line in lines if line.startswith("#")]


def test_labels_and_a_test_set_are_used_by_the_seed(project: Project) -> None:
    before = comments(project)
    text = taken(project, "old.xyz", "--as", "labels", *ASE, *SAME)
    assert "6 frames, 24 atoms -> structures/old-" in text
    taken(project, "hot.xyz", "--as", "test:hot", *ASE, *SAME)
    seed = settings(project).seed
    assert seed.labels is not None
    stored = store.read(project.root / seed.labels, Labels)
    assert len(before) > 5
    assert comments(project) == before
    assert list(settings(project).evaluate.test_sets) == ["hot"]
    project.ok("python", "-m", "pipelines.seed")
    labels = project.read(Labels, "seed")
    imported = labels.take(labels.purpose == PURPOSES.index("imported"))
    assert imported.ids == stored.ids
    assert np.array_equal(imported.energy, stored.energy)
    assert np.array_equal(imported.forces, stored.forces)
    assert np.array_equal(imported.stress, stored.stress)
    roles = [e.role for e in project.read(Manifest, "seed").entries if e.purpose == "imported"]
    assert set(roles) <= {"train", "valid"}
    assert len(roles) == 6
    used = project.json("seed", "seed.activity")["used"]
    assert used[seed.labels] == stored.digest
    # the same frames once more: the project has them, and says so
    text = taken(project, "old.xyz", "--as", "structures", "--replace", *ASE)
    assert "6 of 6 frames are labels of seed already" in text
    again = read_geometries(next((project.root / "structures").glob("old-*.xyz")))
    assert again.ids == stored.ids


def test_everything_that_is_not_stated_is_asked_for(project: Project) -> None:
    text = refused(project, "old.xyz", "--as", "labels")
    for option in ("--length-unit", "--energy-unit", "--force-unit", "--stress-unit",
                   "--stress-sign", "level of theory"):  # fmt: skip
        assert option in text
    assert "unknown unit" in refused(project, "old.xyz", "--as", "labels", "--energy-unit", "volt")
    assert "test:NAME" in refused(project, "old.xyz", "--as", "training", *ASE)
    assert "no such file" in refused(project, "nowhere.xyz", "--as", "labels", *ASE, *SAME)
    assert "test:NAME" in refused(project, "old.xyz", "--as", "test:Hot!", *ASE, *SAME)
    assert "'generated'" in refused(project, "old.xyz", "--as", "test:generated", *ASE, *SAME)


def test_frames_that_are_learned_are_no_test(project: Project) -> None:
    taken(project, "old.xyz", "--as", "labels", *ASE, *SAME)
    text = refused(project, "both.xyz", "--as", "test:both", *ASE, *SAME)
    assert "2 of 4 frames are in seed.labels as well (first: frame 0)" in text
    assert "--replace" in refused(project, "hot.xyz", "--as", "labels", *ASE, *SAME)
    taken(project, "hot.xyz", "--as", "test:hot", *ASE, *SAME)
    text = refused(project, "both.xyz", "--as", "labels", "--replace", *ASE, *SAME)
    assert "2 of 4 frames are in test set hot as well (first: frame 2)" in text


def test_another_level_of_theory_is_mixed_by_name_only(project: Project) -> None:
    other = ("--theory", "PBE in VASP")
    text = refused(project, "old.xyz", "--as", "labels", *ASE, *other)
    assert "'PBE in VASP'" in text
    assert "--mix-theory" in text
    taken(project, "old.xyz", "--as", "labels", *ASE, *other, "--mix-theory")
    assert settings(project).seed.labels_theory == "PBE in VASP"
    project.set({"seed.labels_theory": "same"})
    done = project.run("python", "-m", "pipelines.seed")
    assert done.returncode == 1
    assert "another level of theory (PBE in VASP)" in done.stderr
    assert not (project.root / "generations").exists()
    project.set({"seed.labels_theory": "PBE in VASP"})
    project.ok("python", "-m", "pipelines.seed")
    assert project.json("seed", "seed.activity")["facts"]["labels_theory"] == "PBE in VASP"
    assert project.read(Labels, "seed").attributes["labels_theory"] == "PBE in VASP"
    # a test set may be at any level; it is recorded with it
    taken(project, "hot.xyz", "--as", "test:vasp", *ASE, *other)
    path = settings(project).evaluate.test_sets["vasp"]
    theory = store.read(project.root / path, Labels).attributes["theory"]
    assert theory["record"] == {"stated": "PBE in VASP"}


def test_structures_in_bohr(project: Project) -> None:
    atoms = bulk("Cu", "fcc", a=6.8, cubic=True)
    write(project.root / "bohr.xyz", atoms)
    taken(project, "bohr.xyz", "--as", "structures", "--length-unit", "bohr")
    path = project.root / settings(project).seed.structures
    found = read_geometries(path)
    assert found.cell[0, 0, 0] == pytest.approx(6.8 * 0.529177, rel=1e-5)
    assert exchange.read(path, exchange.Request(labelled=False)).frames.ids == found.ids
    assert isinstance(found, Configurations)


@pytest.mark.parametrize("ending", [".aselmdb", ".h5", ".parquet", ".xyz"])
def test_files_that_state_themselves_need_no_import(project: Project, ending: str) -> None:
    """An exact file of our own may lie in the project as it is."""
    request = exchange.Request(
        conventions=exchange.PRESETS["ase"], theory=exchange.stated_theory("EMT")
    )
    labels = exchange.read(project.root / "old.xyz", request).labels
    path = project.root / "structures" / f"own{ending}"
    statement = exchange.own_statement(exchange.stated_theory("EMT"), None, {})
    exchange.write(path, statement, exchange.frames_of(labels))
    found = exchange.given(path, 0, 0, store.read)
    assert found.digest == exchange.given(path, 0, 0, store.read).digest
    assert found.ids == labels.ids
    assert exchange.theory_name(exchange.stated_theory("EMT")) == "EMT"
    with pytest.raises(InvalidInput, match=r"seed\.labels_theory: .EMT"):
        exchange.other_theory(found, THEORY, "same", "seed.labels")
    assert exchange.other_theory(found, THEORY, "EMT", "seed.labels") == "EMT"
    assert exchange.other_theory(found, exchange.stated_theory("EMT"), "same", "x") is None


@pytest.mark.slow
def test_killed_at_any_moment(project: Project) -> None:
    """After kill -9 there is no half-written file, and the next import goes through."""
    code = "import sys; from aldata.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "import", "old.xyz", "--as", "labels", *ASE, *SAME]
    start = time.monotonic()
    once = subprocess.run(command, cwd=project.root, env=project.environment(), check=False)
    assert once.returncode == 0
    whole = time.monotonic() - start
    project.ok("git", "checkout", "params.yaml")
    done = settings(project)
    assert done.seed.labels is None
    for _ in range(12):
        shutil.rmtree(project.root / "structures")
        project.ok("git", "checkout", "params.yaml", "structures")
        process = subprocess.Popen(command, cwd=project.root, env=project.environment())
        time.sleep(random.uniform(0.3, 1.0) * whole)
        process.send_signal(signal.SIGKILL)
        process.wait()
        named = settings(project).seed.labels
        stores = list((project.root / "structures").glob("old-*"))
        assert all(
            p.name.startswith("cell") or p in stores
            for p in (project.root / "structures").iterdir()
        )
        for path in stores:
            assert len(store.read(path, Labels)) == 6
        if named is not None:
            assert (project.root / named) in stores
        else:
            taken(project, "old.xyz", "--as", "labels", *ASE, *SAME)


def test_what_a_killed_import_left_goes_with_the_next(project: Project) -> None:
    """Its folder nobody holds any more; one that another import holds stays."""
    folder = project.root / ".aldata" / "imports"
    with store.scratch(folder / "import") as alive:
        left = folder / ".import.0badf00d.tmp"
        left.mkdir()
        for each in (left, alive):
            os.utime(each, (0, 0))
        taken(project, "old.xyz", "--as", "labels", *ASE, *SAME)
        assert list(folder.iterdir()) == [alive]
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_error(project: Project) -> None:
    (project.root / ".aldata").mkdir(exist_ok=True)
    (project.root / ".aldata" / "imports").touch()
    assert "cannot be written" in refused(project, "old.xyz", "--as", "labels", *ASE, *SAME)
