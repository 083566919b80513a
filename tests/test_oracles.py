"""The contract that every oracle keeps, and what is particular to each."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from trial_calculators import FAR

from aldata.artifacts.conversion import from_atoms, to_atoms
from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label import (
    ORACLES,
    Oracle,
    OracleFailure,
    from_theory,
    isolated_atoms,
    resolve,
    restarted,
    tighter,
)
from aldata.label.versions import NUMBERS
from aldata.units import EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR, EV_PER_HARTREE

WATER = from_atoms(molecule("H2O"))
HYDROXYL = Configuration(
    numbers=np.array([8, 1]),
    positions=np.array([[0.0, 0, 0], [0.02, 0.03, 0.98]]),
    cell=np.zeros((3, 3)),
    pbc=np.zeros(3, dtype=bool),
    spin=1,
)


def rattled(atoms: Atoms, seed: int = 1) -> Configuration:
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).normal(0, 0.08, moved.positions.shape)
    return from_atoms(moved)


COPPER = rattled(bulk("Cu", cubic=True))


@dataclass(frozen=True)
class Example:
    """A level of theory, something it can compute, and something that it must refuse."""

    name: str
    settings: dict[str, Any]
    good: Configuration
    nonsense: Configuration
    noise: float
    """Numerical noise of forces (eV/A)."""


EXAMPLES = {
    "pyscf": Example(
        "pyscf", {"basis": "sto-3g"}, rattled(molecule("H2O")), replace(WATER, spin=1), 4e-3
    ),
    "pyscf radical": Example(
        "pyscf", {"basis": "sto-3g", "density_fit": False}, HYDROXYL, COPPER, 4e-3
    ),
    "ase": Example(
        "ase",
        {
            "calculator": "ase.calculators.lj.LennardJones",
            "keywords": {"sigma": 2.3, "rc": 8.0},
            "tighter": {},
        },
        rattled(bulk("Cu", cubic=True) * (2, 1, 1)),
        replace(COPPER, charge=1),
        1e-9,
    ),
    "emt": Example("emt", {}, COPPER, from_atoms(molecule("SiH4")), 1e-9),
}


def oracle_of(example: Example) -> Oracle:
    return from_theory(resolve(example.name, example.settings))


@pytest.fixture(scope="module", params=sorted(EXAMPLES))
def example(request: pytest.FixtureRequest) -> Example:
    return EXAMPLES[request.param]


@pytest.fixture(scope="module")
def answer(example: Example, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return oracle_of(example).label(example.good, tmp_path_factory.mktemp("answer"))


def test_every_oracle_has_an_example() -> None:
    assert {example.name for example in EXAMPLES.values()} == set(ORACLES)


def test_an_answer_is_whole_and_proved(example: Example, answer: Any) -> None:
    assert np.isfinite(answer.energy)
    assert answer.forces.shape == example.good.positions.shape
    assert np.isfinite(answer.forces).all()
    assert answer.converged is True
    assert answer.proof["by"]
    assert (answer.stress is not None) == bool(example.good.pbc.all())


def test_the_same_question_has_the_same_answer(
    example: Example, answer: Any, tmp_path: Path
) -> None:
    oracle = oracle_of(example)
    # another question in between must not matter
    oracle.label(replace(example.good, positions=example.good.positions * 1.02), tmp_path)
    again = oracle.label(example.good, tmp_path)
    assert again.energy == answer.energy
    assert np.array_equal(again.forces, answer.forces)


def test_forces_are_minus_the_gradient(example: Example, answer: Any, tmp_path: Path) -> None:
    oracle = oracle_of(example)
    direction = np.random.default_rng(2).normal(size=answer.forces.shape)
    step = 2e-3

    def energy(sign: int) -> float:
        positions = example.good.positions + sign * step * direction
        return oracle.label(replace(example.good, positions=positions), tmp_path).energy

    slope = (energy(1) - energy(-1)) / (2 * step)
    expected = -(answer.forces * direction).sum()
    assert abs(expected) > 0.1
    assert slope == pytest.approx(expected, rel=2e-3, abs=2 * example.noise)


def test_a_rotated_question_has_the_rotated_answer(
    example: Example, answer: Any, tmp_path: Path
) -> None:
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    rotated = replace(
        example.good,
        positions=example.good.positions @ turn.T,
        cell=example.good.cell @ turn.T,
    )
    found = oracle_of(example).label(rotated, tmp_path)
    assert found.energy == pytest.approx(answer.energy, abs=max(1e-8, example.noise / 4))
    assert found.forces == pytest.approx(answer.forces @ turn.T, abs=example.noise)
    if answer.stress is not None:
        tensor = turn @ tensor_of(answer.stress) @ turn.T
        assert tensor_of(found.stress) == pytest.approx(tensor, abs=1e-9)


def test_tighter_settings_answer_alike_at_another_level_of_theory(
    example: Example, answer: Any, tmp_path: Path
) -> None:
    theory = resolve(example.name, example.settings)
    tight = tighter(theory)
    assert set(tight.record) == set(theory.record)
    found = from_theory(tight).label(example.good, tmp_path)
    # SCF and grid move forces by a few meV/A; a basis, a cutoff or k-points would by far more
    assert found.forces == pytest.approx(answer.forces, abs=5 * example.noise)
    if tight.id == theory.id:
        assert np.array_equal(found.forces, answer.forces), "exact, and yet another answer"


def test_another_start_ends_in_the_same_place(
    example: Example, answer: Any, tmp_path: Path
) -> None:
    found = from_theory(restarted(resolve(example.name, example.settings))).label(
        example.good, tmp_path
    )
    assert found.energy == pytest.approx(answer.energy, abs=max(1e-8, example.noise / 4))
    assert found.forces == pytest.approx(answer.forces, abs=example.noise)


def tensor_of(voigt: Sequence[float]) -> Any:
    xx, yy, zz, yz, xz, xy = voigt
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def test_stress_is_the_strain_derivative_of_the_energy(
    example: Example, answer: Any, tmp_path: Path
) -> None:
    if answer.stress is None:
        pytest.skip("a molecule has no stress")
    oracle, step = oracle_of(example), 1e-4
    for component, (a, b) in {0: (0, 0), 3: (1, 2)}.items():
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * step / 2
            strain[b, a] += sign * step / 2
            strained = replace(
                example.good,
                positions=example.good.positions @ strain,
                cell=example.good.cell @ strain,
            )
            energies.append(oracle.label(strained, tmp_path).energy)
        volume = abs(np.linalg.det(example.good.cell))
        slope = (energies[0] - energies[1]) / (2 * step) / volume
        assert slope == pytest.approx(answer.stress[component], rel=1e-4, abs=1e-6)


def test_nonsense_is_refused_before_a_call_and_the_good_is_not(example: Example) -> None:
    oracle = oracle_of(example)
    assert oracle.check([example.good]) == []
    problems = oracle.check([example.good, example.nonsense])
    assert len(problems) == 1
    assert len(problems[0]) > 20


def test_the_theory_is_plain_and_complete(example: Example) -> None:
    theory = resolve(example.name, example.settings)
    assert json.loads(json.dumps(theory.record)) == theory.record
    assert theory.record["code"]
    again = resolve(theory.oracle, theory.settings)
    assert again == theory  # what is resolved resolves to itself


def test_versions_count_by_policy_and_only_there(example: Example) -> None:
    oracle = oracle_of(example)
    assert not [key for key in oracle.theory() if "version" in key]
    by = {
        policy: resolve(example.name, example.settings, policy).record["version"]
        for policy in NUMBERS
    }
    assert by["exact"] == oracle.version()
    assert all(re.search(r"\d", part) for part in oracle.version().split(", "))
    assert by["exact"].startswith(by["minor"].split(", ")[0])
    assert by["minor"].startswith(by["major"].split(", ")[0])


def test_raw_input_is_written(example: Example, tmp_path: Path) -> None:
    oracle_of(example).label(example.good, tmp_path)
    assert json.loads((tmp_path / "input.json").read_text())["geometry"]["charge"] == 0


# PySCF


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


def test_an_unconverged_scf_is_a_failure_never_a_label(tmp_path: Path) -> None:
    with pytest.raises(OracleFailure) as caught:
        pyscf(basis="sto-3g", max_cycle=2).label(WATER, tmp_path)
    assert caught.value.failure == "not_converged"
    assert "2 cycles" in caught.value.message


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


# ASE


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
