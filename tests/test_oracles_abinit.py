"""What is particular to the oracle abinit: the real program on a two-atom silicon cell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import codes
import pytest
from ase.build import bulk
from oracle_examples import EXAMPLES, SILICON

from aldata.artifacts.conversion import from_atoms
from aldata.errors import OracleUnavailable
from aldata.label import Oracle, OracleFailure, from_theory, isolated_atoms, resolve
from aldata.label.oracles.abinit import answer_of
from aldata.label.oracles.programs import Ended

SETTINGS: dict[str, Any] = {**EXAMPLES["abinit"].settings, "ecut": 8.0}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALDATA_ABINIT", codes.program("abinit", "abinit"))


needs_abinit = pytest.mark.usefixtures("command")


def abinit(**settings: Any) -> Oracle:
    return from_theory(resolve("abinit", {**SETTINGS, **settings}))


@needs_abinit
def test_the_level_of_theory_lists_its_points_and_files() -> None:
    theory = resolve("abinit", SETTINGS)
    assert theory.record["kpoints"][0] == [0.25, -0.25, -0.25, 0.25]
    assert len(theory.record["pseudopotentials"]["Si"]["sha256"]) == 64
    assert "/" not in json.dumps(theory.record["pseudopotentials"])
    others = [{"ecut": 9.0}, {"kpoints": {"grid": [2, 2, 2]}}, {"toldfe": 1e-8}]
    assert len({theory.id, *(resolve("abinit", {**SETTINGS, **o}).id for o in others)}) == 4


@needs_abinit
def test_what_it_cannot_compute_is_refused_by_the_call_too(tmp_path: Path) -> None:
    oracle = abinit()
    (problem,) = oracle.check([from_atoms(bulk("Ge"))])
    assert "no pseudopotential is named for Ge" in problem
    positions = SILICON.positions.copy()
    positions[1] = positions[0]
    wrong = {
        "7 valence electrons": replace(SILICON, charge=1),
        "located at the same point": replace(SILICON, positions=positions),
    }
    for number, (said, configuration) in enumerate(wrong.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(OracleFailure, match=said) as caught:
            oracle.label(configuration, folder)
        assert caught.value.failure == "refused_input"


@needs_abinit
def test_a_spin_reaches_the_code(tmp_path: Path) -> None:
    (atom,) = isolated_atoms([14])
    found = abinit(box=7.0, ecut=6.0).label(atom, tmp_path)
    assert -104 < found.energy < -101
    assert "spinmagntarget 2.0" in (tmp_path / "abinit.abi").read_text()
    assert found.stress is None


@needs_abinit
def test_numbers_without_the_proof_are_no_label(tmp_path: Path) -> None:
    oracle = abinit()
    oracle.label(SILICON, tmp_path)
    log, text = ((tmp_path / name).read_text() for name in ("abinit.log", "abinit.abo"))
    settings = oracle.settings
    assert answer_of(Ended(0, log, ""), text, SILICON, settings).converged
    for code, output, failure in (
        (0, text.replace("Calculation completed", ""), "crashed"),
        (14, text, "crashed"),
        (0, text[: len(text) // 2], "crashed"),
        (0, text.replace("etot is converged", ""), "not_converged"),
        (0, text + "not enough SCF cycles to converge", "not_converged"),
    ):
        with pytest.raises(OracleFailure) as caught:
            answer_of(Ended(code, log, ""), output, SILICON, settings)
        assert caught.value.failure == failure


def test_without_abinit_the_error_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ALDATA_ABINIT", raising=False)
    with pytest.raises(OracleUnavailable, match="apt-get install abinit"):
        resolve("abinit", SETTINGS)
