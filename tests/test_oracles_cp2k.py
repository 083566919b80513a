"""What is particular to the oracle cp2k; what needs the program is skipped where it is not there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import codes
import numpy as np
import pytest
from oracle_examples import EXAMPLES, SILICON

from aldata.errors import InvalidParameters, OracleUnavailable
from aldata.label import Oracle, OracleFailure, from_theory, isolated_atoms, resolve
from aldata.label.oracles.cp2k_files import answer_of
from aldata.label.oracles.programs import Ended

SETTINGS: dict[str, Any] = {
    **EXAMPLES["cp2k"].settings,
    "cutoff": 100.0,
    "kpoints": {"grid": [1, 1, 1]},
    "eps_default": 1e-8,
}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALDATA_CP2K", codes.program("cp2k", "cp2k.psmp", "cp2k"))


needs_cp2k = pytest.mark.usefixtures("command")

DATA = """\
# a comment
Si  SZV-SMALL SZV-SMALL-q4
  1
  2  0  1  3  1  1
      1.2032422345  0.3290350445  0.0474539126
      0.4688409784 -0.2533118324 -0.2594473573
      0.1679863234 -0.7870946277 -0.5440929303   ! the last
Si DZVP-OTHER
  1
  2  0  0  1  1
      0.5  1.0
Ge SZV-SMALL
  1
"""
POTENTIAL = """\
Si GTH-PBE-q4 GTH-PBE
    2    2
     0.44000000    1    -6.26928833
    2
     0.43563383    2     8.95174150    -2.70627082
                                        3.49378060
     0.49794218    1     2.43127673
"""
TOLD = 'echo "CP2K version 2099.1"'


def cp2k(**settings: Any) -> Oracle:
    return from_theory(resolve("cp2k", {**SETTINGS, **settings}))


@pytest.fixture
def own_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A project with files of its own, and a program that only tells its version."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALDATA_CP2K", f"sh -c '{TOLD}'")
    (tmp_path / "pseudopotentials").mkdir()
    (tmp_path / "pseudopotentials" / "MY_BASIS").write_text(DATA)
    (tmp_path / "pseudopotentials" / "MY_POTENTIALS").write_text(POTENTIAL)
    return {
        "basis_file": "MY_BASIS",
        "potential_file": "MY_POTENTIALS",
        "basis": {"Si": "SZV-SMALL"},
        "potentials": {"Si": "GTH-PBE"},
    }


def test_only_the_named_block_of_a_file_is_the_level_of_theory(
    own_files: dict[str, Any], tmp_path: Path
) -> None:
    theory = resolve("cp2k", {**SETTINGS, **own_files})
    assert theory.record["basis"]["Si"]["file"] == "MY_BASIS: SZV-SMALL"
    file = tmp_path / "pseudopotentials" / "MY_BASIS"
    file.write_text(DATA.replace("# a comment", "# another").replace("0.5  1.0", "0.6  1.0"))
    assert resolve("cp2k", {**SETTINGS, **own_files}) == theory
    file.write_text(DATA.replace("0.0474539126", "0.0474539127"))
    assert resolve("cp2k", {**SETTINGS, **own_files}).id != theory.id
    with pytest.raises(OracleUnavailable, match="another level of theory: basis"):
        from_theory(theory)
    others = [{"cutoff": 120.0}, {"kpoints": {"grid": [2, 1, 1]}}, {"eps_scf": 1e-6}]
    file.write_text(DATA)
    ids = {resolve("cp2k", {**SETTINGS, **own_files, **other}).id for other in others}
    assert len({theory.id, *ids}) == 4
    assert str(tmp_path) not in json.dumps(theory.content())


def test_what_is_missing_is_named_before_any_call(
    own_files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OracleUnavailable, match="does not hold Si TZV") as caught:
        resolve("cp2k", {**SETTINGS, **own_files, "basis": {"Si": "TZV"}})
    assert "SZV-SMALL, DZVP-OTHER" in str(caught.value)
    monkeypatch.setenv("CP2K_DATA_DIR", str(tmp_path))
    with pytest.raises(OracleUnavailable, match="apt-get install cp2k-data"):
        resolve("cp2k", {**SETTINGS, **own_files, "basis_file": "BASIS_MOLOPT"})
    for wrong, said in (
        ({"basis": {}}, "name the same elements"),
        ({"smearing": "fd"}, "go together"),
        ({"kpoints": {}}, "either grid"),
    ):
        with pytest.raises(InvalidParameters, match=said):
            resolve("cp2k", {**SETTINGS, **own_files, **wrong})
    oracle = from_theory(resolve("cp2k", {**SETTINGS, **own_files}))
    (problem,) = oracle.check([replace(SILICON, numbers=np.array([14, 32]))])
    assert "no potential is named for Ge" in problem
    monkeypatch.delenv("ALDATA_CP2K")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OracleUnavailable, match="apt-get install cp2k cp2k-data"):
        resolve("cp2k", {**SETTINGS, **own_files})


@needs_cp2k
def test_numbers_without_the_proof_are_no_label(tmp_path: Path) -> None:
    """What CP2K prints when it was killed, did not converge and went on, or overflowed."""
    found = cp2k().label(SILICON, tmp_path)
    text = (tmp_path / "cp2k.out").read_text()
    assert found.stress is not None
    assert answer_of(Ended(0, text, ""), SILICON, 1e-7).energy == found.energy
    for ended, failure in (
        (Ended(0, text.replace("PROGRAM ENDED AT", ""), ""), "crashed"),
        (Ended(1, text, ""), "crashed"),
        (Ended(0, text[: len(text) // 2], ""), "crashed"),
        (Ended(0, text.replace("SCF run converged", "SCF run NOT converged"), ""), "not_converged"),
        (Ended(0, text.replace("SCF run converged", ""), ""), "not_converged"),
        (Ended(0, text, ""), "not_converged"),
    ):
        with pytest.raises(OracleFailure) as caught:
            answer_of(ended, SILICON, 1e-12 if ended.output == text else 1e-7)
        assert caught.value.failure == failure
    number = text.split("Element")[1].split("Si")[1].split()[0]
    stars = text.replace(number, "*" * len(number))
    assert np.isnan(answer_of(Ended(0, stars, ""), SILICON, 1e-7).forces).any()
    newer = text.replace("[a.u.]", "[hartree]", 1)
    assert answer_of(Ended(0, newer, ""), SILICON, 1e-7).energy == found.energy
    other = text.replace("stress tensor [GPa]", "stress tensor [bar]")
    in_bar = answer_of(Ended(0, other, ""), SILICON, 1e-7).stress
    assert in_bar == pytest.approx(found.stress * 1e-4)


@needs_cp2k
def test_an_isolated_atom_has_the_spin_of_its_ground_state(tmp_path: Path) -> None:
    (atom,) = isolated_atoms([14])
    found = cp2k(box=6.0).label(atom, tmp_path)
    assert -106 < found.energy < -100
    assert "MULTIPLICITY 3" in (tmp_path / "cp2k.inp").read_text()
    assert found.stress is None


@needs_cp2k
def test_a_refusal_is_told_from_a_crash(tmp_path: Path) -> None:
    positions = SILICON.positions.copy()
    positions[1] = positions[0]
    with pytest.raises(OracleFailure, match="GEOMETRY wrong") as caught:
        cp2k().label(replace(SILICON, positions=positions), tmp_path)
    assert caught.value.failure == "refused_input"
