"""`aldata doctor`: what is missing is named before a call, with the command that puts it right."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import codes
import pytest
from ase.build import bulk
from projects import Project, made

from aldata.cli.main import main
from aldata.label import ORACLES
from aldata.label.oracles.trials import TRIALS


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("silicon")
    bulk("Si").write(folder / "si.xyz")
    settings = {
        "ecutwfc": 12.0,
        "kpoints": {"grid": [1, 1, 1]},
        "pseudopotentials": {"Si": "gth-pbe"},
    }
    values = {"oracle": {"name": "espresso", "settings": settings}}
    return made(folder / "project", folder / "si.xyz", values, 1)


def findings(
    capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, dict[str, dict[str, Any]]]:
    capsys.readouterr()
    code = main(["doctor", "--json", *arguments])
    return code, {f["what"]: f for f in json.loads(capsys.readouterr().out)}


def test_a_project_that_can_label(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ALDATA_ESPRESSO", codes.pw_x())
    code, found = findings(capsys)
    assert code == 0, found
    assert "quantum-espresso 7" in found["oracle espresso"]["said"]
    assert "Si.gth-pbe.gth" in found["pseudopotential Si"]["said"]
    assert found["configurations"]["said"] == "2 can be computed"  # the cell, and the isolated atom
    assert "GiB free" in found["ledger"]["said"]
    assert main(["doctor"]) == 0
    assert "ok       oracle espresso" in capsys.readouterr().out


def test_a_missing_program_is_named_with_the_command_that_installs_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("PATH", str(project.root))
    code, found = findings(capsys)
    assert code == 1
    assert found["oracle espresso"]["good"] is False
    assert "aldata doctor --install espresso" in found["oracle espresso"]["fix"]
    assert found["program git"]["fix"]


def test_a_missing_pseudopotential_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ALDATA_ESPRESSO", codes.pw_x())
    settings = "{ecutwfc: 12, kpoints: {grid: [1, 1, 1]}, pseudopotentials: {Ge: gth-pbe}}"
    structures = str(project.root / "structures" / "si.xyz")
    code, found = findings(
        capsys, "--oracle", "espresso", "--settings", settings, "--structures", structures
    )
    assert code == 1
    assert "no pseudopotential is named for Si" in found["configurations"]["said"]
    code, found = findings(capsys, "--oracle", "espresso", "--settings", "{ecutwfc: 12}")
    assert code == 1
    assert "'kpoints' is missing" in found["oracle espresso"]["said"]


@pytest.mark.parametrize("name", ["emt", "pyscf", "tblite"])
def test_an_oracle_outside_of_a_project_is_tried(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, found = findings(capsys, "--oracle", name, "--run")
    assert code == 0, found
    (calculation,) = [f for what, f in found.items() if what.startswith("calculation")]
    assert "largest force" in calculation["said"]


def test_every_code_has_a_trial() -> None:
    assert set(ORACLES) - set(TRIALS) == {"ase", "replay"}  # these need the user's settings


def test_a_ledger_that_cannot_be_written_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.root)
    (project.root / ".aldata").mkdir(exist_ok=True)
    blocked = project.root / ".aldata" / "ledger"
    shutil.rmtree(blocked, ignore_errors=True)
    blocked.write_text("a file where the folder should be")
    try:
        code, found = findings(capsys)
    finally:
        blocked.unlink()
    assert code == 1
    assert found["ledger"]["good"] is False


def test_i_pi_is_looked_for_where_a_sampler_needs_it(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = Project(tmp_path / "project")
    shutil.copytree(project.root, one.root)
    monkeypatch.chdir(one.root)
    assert "ipi" not in findings(capsys)[1]
    one.set({"generations.g000.explore": {"samplers": [{"name": "path_integral"}]}})
    assert findings(capsys)[1]["ipi"]["good"]
    monkeypatch.setattr("aldata.explore.ipi.find_spec", lambda name: None)
    code, found = findings(capsys)
    assert code == 1
    assert found["ipi"]["said"].endswith("i-PI is not installed")
    assert found["ipi"]["fix"] == "pip install 'aldata[path_integrals]'"
