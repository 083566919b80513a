"""What a user gets wrong: one clear error each, and nothing half-written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from projects import Project, made

from aldata import params
from aldata.cli.main import main


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A new project of a water molecule, with one generation planned and nothing computed."""
    folder = tmp_path_factory.mktemp("blank")
    molecule("H2O").write(folder / "input.xyz")
    return made(folder / "project", folder / "input.xyz", {}, 1)


@pytest.fixture
def project(blank: Project, tmp_path: Path) -> Callable[..., Project]:
    def make(atoms: Atoms | None = None) -> Project:
        one = Project(tmp_path / "project")
        shutil.copytree(blank.root, one.root)
        if atoms is not None:
            atoms.write(one.root / "structures" / "input.xyz")
        return one

    return make


def _assert_fails(project: Project, *expected: str) -> None:
    """The seed stage stops with one message, and leaves no artifact and no call behind."""
    done = project.run("python", "-m", "pipelines.seed")
    assert done.returncode == 1
    for text in expected:
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.root / "generations").exists()
    assert project.ended_calls() == []


@pytest.mark.parametrize(
    ("setting", "valid"),
    [("explore.temprature", "samplers"), ("explore.samplers.0.temprature", "temperatures")],
)
def test_an_unknown_parameter_lists_the_valid_ones(
    project: Callable[..., Project], setting: str, valid: str
) -> None:
    one = project()
    one.set({setting: 3})
    _assert_fails(one, "temprature", valid, "params.yaml")


def test_all_violations_are_reported_at_once(project: Callable[..., Project]) -> None:
    one = project()
    one.set({"explore.samplers.0.timestep": -1.0, "acquire.batch": 0})
    _assert_fails(one, "timestep", "acquire.batch", "2 problems")


def test_an_unknown_strategy_lists_the_valid_ones(project: Callable[..., Project]) -> None:
    one = project()
    one.set({"acquire.strategy": "clever"})
    _assert_fails(one, "clever", "farthest_point", "max_variance", "random")


def test_a_generations_own_typo_is_found_before_any_work(project: Callable[..., Project]) -> None:
    one = project()
    one.set({"generations.g000.train": {"membres": 2}})
    _assert_fails(one, "generations.g000.train", "membres", "members")


def test_an_unknown_oracle_setting(project: Callable[..., Project]) -> None:
    one = project()
    one.set({"oracle.settings": {"functional": "pbe"}})
    _assert_fails(one, "functional", "xc")


def test_an_unknown_oracle_lists_the_valid_ones(project: Callable[..., Project]) -> None:
    one = project()
    one.set({"oracle.name": "vasp"})
    _assert_fails(one, "vasp", "pyscf", "emt")


@pytest.mark.parametrize("content", ["", "not a geometry at all", "3\n\nH 0 0 0\n"])
def test_an_unreadable_or_empty_structure_file(
    project: Callable[..., Project], content: str
) -> None:
    one = project()
    (one.root / "structures" / "input.xyz").write_text(content)
    _assert_fails(one, "structures/input.xyz")


def test_a_missing_structure_file(project: Callable[..., Project]) -> None:
    one = project()
    one.set({"seed.structures": "structures/nothing.xyz"})
    _assert_fails(one, "structures/nothing.xyz", "no such file")


def test_elements_without_a_basis(project: Callable[..., Project]) -> None:
    uranium = Atoms("UH2", positions=[[0, 0, 0], [2, 0, 0], [-2, 0, 0]])
    _assert_fails(project(uranium), "def2-svp", "U")


def test_odd_electrons_with_spin_zero(project: Callable[..., Project]) -> None:
    _assert_fails(project(molecule("OH")), "electron", "spin")


@pytest.mark.parametrize("wrong", [{"charge": 0.5}, {"charge": "minus one"}, {"spin": -2}])
def test_a_charge_or_spin_that_cannot_be(
    project: Callable[..., Project], wrong: dict[str, object]
) -> None:
    water = molecule("H2O")
    water.info.update(wrong)
    _assert_fails(
        project(water), "structures/input.xyz", "frame 0", str(next(iter(wrong.values())))
    )


@pytest.mark.parametrize("setting", ["seed.labels", "evaluate.test_sets"])
def test_a_labelled_file_without_labels_is_found_before_any_work(
    project: Callable[..., Project], setting: str
) -> None:
    one = project()
    folder = "structures" if setting == "seed.labels" else "test_sets"
    molecule("H2O").write(one.root / folder / "hot.xyz")
    path = f"{folder}/hot.xyz"
    one.set({setting: path if setting == "seed.labels" else {"hot": path}})
    _assert_fails(one, path, "no energy", "no forces")


def test_a_test_set_that_would_be_learned_from(project: Callable[..., Project]) -> None:
    one = project()
    frames = [molecule("H2O") for _ in range(3)]
    for step, frame in enumerate(frames):
        frame.positions[1, 2] += 0.05 * step
        frame.calc = SinglePointCalculator(frame, energy=1.0, forces=frame.positions)
    write(one.root / "structures" / "old.xyz", frames[:2])
    write(one.root / "test_sets" / "hot.xyz", frames[1:])
    paths = {
        "evaluate.test_sets": {"hot": "test_sets/hot.xyz"},
        "seed.labels": "structures/old.xyz",
    }
    one.set(paths)
    _assert_fails(one, "test_sets/hot.xyz: 1 of 2 frames are in seed.labels as well")


def test_a_calculator_that_does_not_exist(project: Callable[..., Project]) -> None:
    one = project()
    one.set({"seed.test": {"calculator": "ase.calculators.nothing.EMT"}})
    _assert_fails(one, "seed.test.calculator", "no module 'ase.calculators.nothing'")


@pytest.mark.parametrize(
    "arguments", [["train"], ["seed", "g000"], ["record", "g000"], ["train", "g000"]]
)
def test_a_stage_run_by_hand_in_the_wrong_place(
    project: Callable[..., Project], arguments: list[str]
) -> None:
    one = project()
    done = one.run("python", "-m", f"pipelines.{arguments[0]}", *arguments[1:])
    assert done.returncode == 1
    assert "dvc repro" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (one.root / "generations").exists()


def test_a_parent_that_does_not_exist(project: Callable[..., Project]) -> None:
    one = project()
    one.set({"generations.g000.parent": "g007"})
    _assert_fails(
        one, "params.yaml: generation 'g000' has no parent 'g007' (there are: seed, g000)\n"
    )


def test_a_generation_that_is_its_own_ancestor(project: Callable[..., Project]) -> None:
    one = project()
    one.set({"generations.g000.parent": "g000"})
    _assert_fails(one, "its own ancestor", "g000 -> g000")


def test_another_behaviour_version_names_the_upgrade(project: Callable[..., Project]) -> None:
    one = project()
    one.set({"behaviour.train": 99})
    _assert_fails(one, "train: 99 in the project", "aldata upgrade")
    one.ok("aldata", "upgrade")
    assert f"train: {params.BEHAVIOUR['train']}," in (one.root / "params.yaml").read_text()


def test_params_that_are_not_yaml(project: Callable[..., Project]) -> None:
    one = project()
    (one.root / "params.yaml").write_text("a: [1,\n b: }")
    _assert_fails(one, "params.yaml", "not valid YAML")


def test_advance_refuses_a_bad_name_and_leaves_the_file_alone(
    project: Callable[..., Project],
) -> None:
    one = project()
    before = (one.root / "params.yaml").read_text()
    for arguments in (
        ["--name", "g000"],
        ["--parent", "g9"],
        ["--name", "Seed!"],
        ["--allow-calls", "g7"],
    ):
        done = one.run("aldata", "advance", *arguments)
        assert done.returncode == 1, arguments
        assert (one.root / "params.yaml").read_text() == before


def test_outside_a_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert main(["status"]) == 1
        assert "aldata init DIR" in capsys.readouterr().err
        (tmp_path / "params.yaml").write_text("")
        (tmp_path / "dvc.yaml").write_text("")
        assert main(["status"]) == 1
        assert "not in a git repository" in capsys.readouterr().err
    finally:
        os.chdir(here)


def test_status_says_what_the_seed_will_cost(project: Callable[..., Project]) -> None:
    one = project()
    text = one.ok("aldata", "status")
    assert "seed runs from the start: at most 42 new calls" in text
    (one.root / "structures" / "input.xyz").write_text("")
    done = one.run("aldata", "status")
    assert done.returncode == 1
    assert "structures/input.xyz" in done.stderr


def test_without_dvc(project: Callable[..., Project]) -> None:
    one = project()
    (one.root / ".dvc").rename(one.root / ".dvc.away")
    done = one.run("aldata", "status")
    assert done.returncode == 1
    assert "dvc init" in done.stderr


def test_init_refuses_a_folder_in_use_and_a_missing_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.tex").write_text("precious")
    assert main(["init", str(tmp_path / "used")]) == 1
    assert "not an empty folder" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "used").iterdir()] == ["thesis.tex"]
    assert main(["init", str(tmp_path / "new"), "--structures", "nowhere.xyz"]) == 1
    assert "nowhere.xyz" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_init_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("precious")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("empty", "deep/er/new"):
        assert main(["init", str(tmp_path / name), "--spin", "-1"]) == 1
        assert "seed.spin" in capsys.readouterr().err
    for name in ("file/new", "dangling", "dangling/new"):
        assert main(["init", str(tmp_path / name)]) == 1
        assert "cannot be made" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dangling", "empty", "file"]
    assert (tmp_path / "dangling").is_symlink()
    assert list((tmp_path / "empty").iterdir()) == []
