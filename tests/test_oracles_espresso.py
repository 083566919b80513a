"""What is particular to the oracle espresso: the real pw.x on a two-atom silicon cell."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import codes
import numpy as np
import pytest
from ase.build import bulk
from oracle_examples import SILICON

from aldata.artifacts.conversion import from_atoms
from aldata.errors import InvalidParameters, OracleUnavailable
from aldata.label import Oracle, OracleFailure, from_theory, isolated_atoms, resolve
from aldata.label.oracles import cells
from aldata.label.oracles.espresso_files import answer_of
from aldata.label.oracles.programs import Ended

SETTINGS: dict[str, Any] = {
    "ecutwfc": 16.0,
    "kpoints": {"grid": [2, 2, 2], "shift": [0.5, 0.5, 0.5]},
    "pseudopotentials": {"Si": "gth-pbe"},
}


@pytest.fixture(autouse=True, scope="module")
def _pw_x() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALDATA_ESPRESSO", codes.pw_x())
        yield


def espresso(**settings: Any) -> Oracle:
    return from_theory(resolve("espresso", {**SETTINGS, **settings}))


def largest_force(oracle: Oracle, folder: Path) -> float:
    atoms = bulk("Si")
    atoms.positions[1] += [-0.0421, 0.0230, -0.0277]
    folder.mkdir()
    forces = oracle.label(from_atoms(atoms), folder).forces
    return float(np.linalg.norm(forces, axis=1).max())


def test_the_same_grid_with_and_without_gamma_is_not_the_same(tmp_path: Path) -> None:
    """One interface means the first by `kpts=(2, 2, 2)`, another the second (eV/A, largest force)."""
    around_gamma = espresso(ecutwfc=20.0, kpoints={"grid": [2, 2, 2]})
    shifted = espresso(ecutwfc=20.0)
    listed = espresso(ecutwfc=20.0, kpoints={"points": shifted.theory()["kpoints"]})
    assert around_gamma.theory()["kpoints"][0] == [0.0, 0.0, 0.0, 0.125]
    assert shifted.theory()["kpoints"][0] == [0.25, -0.25, -0.25, 0.25]
    assert listed.theory() == shifted.theory()
    forces = {
        name: largest_force(oracle, tmp_path / name)
        for name, oracle in {"gamma": around_gamma, "shifted": shifted, "listed": listed}.items()
    }
    assert forces["gamma"] == pytest.approx(0.91, abs=0.01)
    assert forces["shifted"] == pytest.approx(0.70, abs=0.01)
    assert forces["listed"] == forces["shifted"]


def test_charge_and_spin_reach_the_code_or_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = espresso()
    (problem,) = oracle.check([replace(SILICON, charge=1)])
    assert "Si2 with charge 1 has 7 valence electrons: 0 of them cannot be unpaired" in problem
    (problem,) = oracle.check([from_atoms(bulk("Ge"))])
    assert "no pseudopotential is named for Ge" in problem
    assert oracle.check([replace(SILICON, charge=1, spin=1), *isolated_atoms([14])]) == []
    oracle.label(replace(SILICON, charge=2), tmp_path)
    text = (tmp_path / "espresso.pwi").read_text()
    assert "tot_charge = 2.0" in text
    assert "number of electrons       =         6.00" in (tmp_path / "espresso.pwo").read_text()
    with pytest.raises(OracleFailure, match="7 valence electrons") as caught:
        oracle.label(replace(SILICON, charge=1), fresh(tmp_path))
    assert caught.value.failure == "refused_input"
    monkeypatch.setattr(cells, "electron_problems", lambda *_: [])  # pw.x itself refuses it as well
    with pytest.raises(OracleFailure, match="smearing is needed") as caught:
        oracle.label(replace(SILICON, charge=1), fresh(fresh(tmp_path)))
    assert caught.value.failure == "refused_input"


def fresh(folder: Path) -> Path:
    inside = folder / "again"
    inside.mkdir(exist_ok=True)
    return inside


def test_an_isolated_atom_has_the_spin_of_its_ground_state(tmp_path: Path) -> None:
    (atom,) = isolated_atoms([14])
    found = espresso(box=7.0, ecutwfc=12.0).label(atom, tmp_path)
    assert -104 < found.energy < -101
    assert "tot_magnetization = 2.0" in (tmp_path / "espresso.pwi").read_text()
    assert found.stress is None


def test_the_level_of_theory_knows_every_file_and_no_path(tmp_path: Path) -> None:
    theory = resolve("espresso", SETTINGS)
    (record,) = theory.record["pseudopotentials"].values()
    assert len(record["sha256"]) == 64
    assert theory.record["xc"] == "PBE"
    assert theory.record["density_cutoff_rydberg"] == 64
    assert codes.pw_x().split()[0] not in json.dumps(theory.content())
    others = [{"ecutwfc": 17.0}, {"kpoints": {"grid": [2, 2, 2]}}, {"conv_thr": 1e-8}]
    ids = {resolve("espresso", {**SETTINGS, **other}).id for other in others}
    assert len({theory.id, *ids}) == 4


def test_a_changed_pseudopotential_is_another_theory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aldata.label.oracles.place import Place
    from aldata.label.oracles.pseudopotentials import load

    monkeypatch.chdir(tmp_path)
    settings = {**SETTINGS, "pseudopotentials": {"Si": "Si.gth"}, "input_dft": "PBE"}
    with pytest.raises(OracleUnavailable, match=r"no pseudopotential file Si\.gth"):
        resolve("espresso", settings)
    content = load("Si", "gth-pbe", Place.here()).content
    (tmp_path / "pseudopotentials").mkdir()
    file = tmp_path / "pseudopotentials" / "Si.gth"
    file.write_bytes(content)
    pinned = resolve("espresso", settings)
    assert from_theory(pinned).check([SILICON]) == []
    file.write_bytes(content.replace(b"0.44000000", b"0.43000000"))
    with pytest.raises(OracleUnavailable, match="another level of theory: pseudopotentials"):
        from_theory(pinned)


def test_settings_that_contradict_each_other_are_refused() -> None:
    for wrong, said in (
        ({"occupations": "smearing"}, "needs smearing and degauss"),
        ({"extra": {"electrons": {"scf_must_converge": False}}}, "may not set scf_must_converge"),
        ({"kpoints": {}}, "either grid"),
        ({"pseudopotentials": {}}, "name one for every element"),
    ):
        with pytest.raises(InvalidParameters, match=said):
            resolve("espresso", {**SETTINGS, **wrong})
    with pytest.raises(OracleUnavailable, match="no pseudopotential gth-pbe for Og"):
        espresso(pseudopotentials={"Og": "gth-pbe"})


def test_without_pw_x_the_error_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ALDATA_ESPRESSO")
    with pytest.raises(OracleUnavailable, match="aldata doctor --install espresso"):
        resolve("espresso", SETTINGS)
    monkeypatch.setenv("ALDATA_ESPRESSO", f"'{sys.executable}' -c 'print(1)'")
    with pytest.raises(OracleUnavailable, match=r"does not say that it is pw\.x"):
        resolve("espresso", SETTINGS)
    (tmp_path / ".aldata").mkdir()
    (tmp_path / ".aldata" / "config.yaml").write_text("codes: {expresso: pw.x}")
    with pytest.raises(InvalidParameters, match="unknown name 'expresso'"):
        resolve("espresso", SETTINGS)


def test_an_old_pw_x_may_not_use_gth(monkeypatch: pytest.MonkeyPatch) -> None:
    old = 'print("Program PWSCF v.6.7MaX starts")'
    monkeypatch.setenv("ALDATA_ESPRESSO", f"'{sys.executable}' -c '{old}'")
    with pytest.raises(OracleUnavailable, match=r"pw\.x 6\.7 computes a wrong stress"):
        resolve("espresso", SETTINGS)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("output")
    espresso().label(SILICON, folder)
    return (folder / "espresso.pwo").read_text()


def test_numbers_without_the_proof_are_no_label(output: str) -> None:
    """What pw.x prints when it was killed, did not converge and was told to go on, or overflowed."""
    assert answer_of(Ended(0, output, ""), SILICON, 1e-9).converged
    for ended, failure in (
        (Ended(0, output.replace("JOB DONE", ""), ""), "crashed"),
        (Ended(2, output, ""), "crashed"),
        (Ended(0, output[: len(output) // 2], ""), "crashed"),
        (Ended(0, output, ""), "not_converged"),
    ):
        with pytest.raises(OracleFailure) as caught:
            answer_of(ended, SILICON, 1e-14 if failure == "not_converged" else 1e-9)
        assert caught.value.failure == failure
    stars = output.replace(output.split("force =")[1].split()[0], "************")
    assert np.isnan(answer_of(Ended(0, stars, ""), SILICON, 1e-9).forces).any()
