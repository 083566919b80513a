"""What is particular to the oracle ase."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ase import Atoms
from oracle_examples import WATER
from trial_calculators import FAR

from aldata.artifacts.conversion import from_atoms
from aldata.errors import OracleUnavailable
from aldata.label import (
    Oracle,
    OracleFailure,
    from_theory,
    isolated_atoms,
    resolve,
    restarted,
    tighter,
)


def trial(side: Path, habit: str) -> Oracle:
    keywords = {"side": str(side), "habit": habit}
    return from_theory(
        resolve("ase", {"calculator": "trial_calculators.Springs", "keywords": keywords})
    )


def test_a_calculator_that_says_not_converged_is_believed(tmp_path: Path) -> None:
    far = from_atoms(Atoms("He2", positions=[[FAR + 1, 0, 0], [FAR + 2, 0, 0]]))
    with pytest.raises(OracleFailure) as caught:
        trial(tmp_path / "side", "not_converge").label(far, tmp_path)
    assert caught.value.failure == "not_converged"
    with pytest.raises(KeyError):
        trial(tmp_path / "side", "raise_anything").label(far, tmp_path)


def test_charge_and_spin_are_never_ignored_silently() -> None:
    settings = {"calculator": "ase.calculators.lj.LennardJones"}
    deaf = from_theory(resolve("ase", settings))
    hears = from_theory(resolve("ase", {**settings, "reads_charge_and_spin": True}))
    odd = [replace(WATER, charge=1, spin=1)]
    assert len(deaf.check(odd)) == 2
    assert hears.check(odd) == []
    assert deaf.check(list(isolated_atoms([8]))) == []  # an atom's spin says what its E0 is


def test_tighter_keywords_are_laid_over_the_calculators_own() -> None:
    keywords = {"epsilon": 1.0, "rc": 5.0}
    settings = {"calculator": "ase.calculators.lj.LennardJones", "keywords": keywords}
    theory = resolve("ase", {**settings, "tighter": {"rc": 9.0}, "other_start": {"ro": 4.0}})
    assert tighter(theory).record["keywords"] == {"epsilon": 1.0, "rc": 9.0}
    assert restarted(theory).record["keywords"] == {**keywords, "ro": 4.0}
    assert theory.id == resolve("ase", settings).id, "what noise is measured with is no method"
    with pytest.raises(OracleUnavailable, match=r"oracle\.settings\.tighter"):
        tighter(resolve("ase", settings))
