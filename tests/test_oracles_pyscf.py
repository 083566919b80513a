"""What is particular to the oracle pyscf."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from oracle_examples import COPPER, WATER

from aldata.artifacts.conversion import from_atoms, to_atoms
from aldata.errors import OracleUnavailable
from aldata.label import (
    Oracle,
    from_theory,
    isolated_atoms,
    resolve,
    restarted,
    tighter,
)
from aldata.units import EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR, EV_PER_HARTREE


def pyscf(**settings: Any) -> Oracle:
    return from_theory(resolve("pyscf", settings))


def test_pyscf_agrees_with_pyscf_asked_directly(tmp_path: Path) -> None:
    from pyscf import dft, gto

    mol = gto.M(atom=list(zip("OHH", WATER.positions, strict=True)), basis="def2-svp", verbose=0)
    field = dft.RKS(mol, xc="pbe").density_fit()
    field.grids.level = 2
    field.conv_tol = 1e-8
    energy = field.kernel()
    gradient = field.nuc_grad_method().kernel()
    found = pyscf().label(WATER, tmp_path)
    assert found.energy == pytest.approx(energy * EV_PER_HARTREE, abs=1e-6)
    forces = -gradient * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR
    assert found.forces == pytest.approx(forces, abs=1e-5)
    assert found.proof["cycles"] == found.scf_steps > 3
    assert "converged SCF energy" in (tmp_path / "output.txt").read_text()


def test_pyscf_d3bj_adds_what_dftd3_says(tmp_path: Path) -> None:
    dftd3 = pytest.importorskip("dftd3.ase")
    with_d3 = pyscf(basis="sto-3g", dispersion="d3bj")
    atoms = to_atoms(WATER)
    atoms.calc = dftd3.DFTD3(method="PBE", damping="d3bj")
    plain = pyscf(basis="sto-3g").label(WATER, tmp_path)
    corrected = with_d3.label(WATER, tmp_path)
    assert abs(atoms.get_potential_energy()) > 1e-3
    assert corrected.energy - plain.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    assert corrected.forces - plain.forces == pytest.approx(atoms.get_forces(), abs=1e-6)
    assert "dftd3" in with_d3.version()
    assert resolve("pyscf", {}).id != resolve("pyscf", {"dispersion": "d3bj"}).id


def test_charge_changes_the_electrons(tmp_path: Path) -> None:
    oracle = pyscf(basis="sto-3g")
    neutral = oracle.label(WATER, tmp_path)
    cation = oracle.label(replace(WATER, charge=1, spin=1), tmp_path)
    assert 5 < cation.energy - neutral.energy < 15  # ionisation energy, 12.6 eV by experiment
    assert oracle.check([replace(WATER, charge=1, spin=1)]) == []
    (problem,) = oracle.check([replace(WATER, charge=1)])
    assert "H2O with charge 1 has 9 electrons: 0 of them cannot be unpaired" in problem


def test_isolated_atoms_converge_at_the_default_level(tmp_path: Path) -> None:
    oracle = pyscf()
    atoms = isolated_atoms([1, 6, 8])
    assert oracle.check(list(atoms)) == []
    energies = [oracle.label(atom, tmp_path).energy for atom in atoms]
    # hydrogen: exact 13.606 eV; PBE in this basis 13.57
    assert energies[0] == pytest.approx(-13.57, abs=0.01)
    assert energies[0] > energies[1] > energies[2]


def test_pyscf_names_what_it_lacks() -> None:
    with pytest.raises(OracleUnavailable, match="no functional 'pbee'"):
        resolve("pyscf", {"xc": "pbee"})
    with pytest.raises(OracleUnavailable, match="no basis 'def3-svp'"):
        resolve("pyscf", {"basis": "def3-svp"})
    assert pyscf(basis="sto-3g").check([from_atoms(Atoms("U"), spin=4)]) == [
        "the basis sto-3g has no U",
        "the basis def2-universal-jkfit has no U",
    ]
    (problem,) = pyscf().check([COPPER])
    assert "is periodic" in problem


def test_the_fitting_basis_is_spelled_out() -> None:
    assert resolve("pyscf", {}).settings["auxiliary_basis"] == "def2-universal-jfit"
    assert resolve("pyscf", {"density_fit": False}).record["auxiliary_basis"] is None
    explicit = resolve("pyscf", {"auxiliary_basis": "def2-universal-jfit"})
    assert explicit.id == resolve("pyscf", {}).id


def test_pyscf_is_tightened_by_grid_and_tolerance_alone() -> None:
    theory = resolve("pyscf", {"grid_level": 1, "conv_tol": 1e-7})
    tight, other = tighter(theory), restarted(theory)
    changed = {k for k in theory.record if theory.record[k] != tight.record[k]}
    assert changed == {"grid_level", "conv_tol_hartree", "conv_tol_gradient_hartree", "max_cycle"}
    assert (tight.settings["grid_level"], tight.settings["conv_tol"]) == (3, pytest.approx(1e-9))
    assert {k for k in theory.record if theory.record[k] != other.record[k]} == {"scf"}
    assert restarted(other).id == theory.id
    with pytest.raises(OracleUnavailable, match="no finer grid"):
        tighter(resolve("pyscf", {"grid_level": 9, "conv_tol": 1e-12}))
