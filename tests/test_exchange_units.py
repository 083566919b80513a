"""The border of units, stress sign and component order, against numbers from outside aldata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import published_data
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import read as ase_read
from ase.io import write as ase_write

from aldata import exchange, units
from aldata.artifacts.frames import Labels
from aldata.errors import InvalidInput
from aldata.exchange import Conventions, Request
from aldata.exchange.conventions import tensor

SILICON = published_data.SILICON / "train.xyz"
ACETYLACETONE = published_data.ACETYLACETONE / "train_300K.xyz"
THEORY = exchange.stated_theory("EMT")


@pytest.fixture(scope="module")
def sheared() -> Atoms:
    """Copper, compressed along x, sheared in xy, one atom moved: six different components."""
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    strain = np.array([[-0.02, 0.03, 0.01], [0.03, 0.01, -0.015], [0.01, -0.015, 0.005]])
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.positions[0] += [0.05, -0.03, 0.08]
    atoms.calc = EMT()
    return atoms


def derivative(atoms: Atoms, row: int, column: int, step: float = 1e-5) -> float:
    """dE/dstrain of one symmetric strain component (eV), by central differences of the energy."""
    energies = []
    for sign in (1, -1):
        strain = np.zeros((3, 3))
        strain[row, column] += sign * step / 2
        strain[column, row] += sign * step / 2
        moved = atoms.copy()
        moved.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        moved.calc = EMT()
        energies.append(moved.get_potential_energy())
    return (energies[0] - energies[1]) / (2 * step)


def imported(tmp_path: Path, atoms: Atoms, stress: object, conventions: Conventions) -> np.ndarray:
    """The stress that aldata understands from a plain file with `stress` under a foreign name."""
    bare = atoms.copy()
    bare.info["their_stress"] = np.asarray(stress, dtype=float)
    bare.info["their_energy"] = atoms.get_potential_energy()
    bare.arrays["their_forces"] = atoms.get_forces()
    ase_write(tmp_path / "a.xyz", bare, format="extxyz")
    keys = {name: f"their_{name}" for name in ("energy", "forces", "stress")}
    request = Request(conventions=conventions, theory=THEORY, keys=keys)
    return np.asarray(exchange.read(tmp_path / "a.xyz", request).labels.stress[0])


STATED = Conventions(length="angstrom", energy="eV", force="eV/angstrom")


class TestStress:
    def test_every_component_is_the_derivative_of_the_energy(
        self, tmp_path: Path, sheared: Atoms
    ) -> None:
        """Independent of any order or sign of ASE's: only its energies enter."""
        volume = sheared.get_volume()
        expected = {
            name: derivative(sheared, *place) / volume
            for name, place in {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "yz": (1, 2),
                                "xz": (0, 2), "xy": (0, 1)}.items()
        }  # fmt: skip
        assert len({round(value, 5) for value in expected.values()}) == 6
        vasp = "xx yy zz xy yz zx"
        in_kilobar = [
            -expected["".join(sorted(name))] * 1602.1766208 for name in vasp.split()
        ]  # 1 eV/A^3 = 1602.18 kB; VASP prints compression as positive
        conventions = STATED.merged(Conventions(stress="kB", stress_sign="compression", voigt=vasp))
        found = imported(tmp_path, sheared, in_kilobar, conventions)
        for name, value in zip(units.VOIGT_ORDER, found, strict=True):
            assert value == pytest.approx(expected[name], rel=1e-5, abs=1e-7), name

    @pytest.mark.parametrize(
        ("unit", "per_ev_a3"),
        [
            ("GPa", 160.21766208),
            ("kB", 1602.1766208),
            ("kbar", 1602.1766208),
            ("Ha/bohr^3", 0.529177210903**3 / 27.211386245988),
            ("Ry/bohr^3", 2 * 0.529177210903**3 / 27.211386245988),
            ("eV/Angstrom^3", 1.0),
        ],
    )
    def test_units_of_the_literature(
        self, tmp_path: Path, sheared: Atoms, unit: str, per_ev_a3: float
    ) -> None:
        """Factors from CODATA 2018 as printed: one more digit than the tolerance needs."""
        stress = sheared.get_stress()
        conventions = STATED.merged(
            Conventions(stress=unit, stress_sign="tension", voigt="xx yy zz yz xz xy")
        )
        found = imported(tmp_path, sheared, stress * per_ev_a3, conventions)
        assert found == pytest.approx(stress, rel=1e-7, abs=1e-8)

    def test_a_virial_is_minus_stress_times_volume(self, tmp_path: Path, sheared: Atoms) -> None:
        """The virial of QUIP and GAP files, a 3 x 3 tensor in eV; one shear component by name."""
        virial = np.zeros((3, 3))
        for row in range(3):
            for column in range(3):
                virial[row, column] = -derivative(sheared, row, column)
        conventions = STATED.merged(Conventions(stress="eV", stress_sign="compression"))
        found = imported(tmp_path, sheared, virial, conventions)
        xz = units.VOIGT_ORDER.index("xz")
        assert found[xz] == pytest.approx(
            derivative(sheared, 0, 2) / sheared.get_volume(), rel=1e-5
        )
        assert found == pytest.approx(sheared.get_stress(), rel=1e-4, abs=1e-6)

    def test_lammps_order(self, tmp_path: Path, sheared: Atoms) -> None:
        xx, yy, zz, yz, xz, xy = sheared.get_stress()
        order = Conventions(stress="GPa", stress_sign="compression", voigt="xx yy zz xy xz yz")
        theirs = -160.21766208 * np.array([xx, yy, zz, xy, xz, yz])
        found = imported(tmp_path, sheared, theirs, STATED.merged(order))
        assert found == pytest.approx(sheared.get_stress(), rel=1e-7, abs=1e-8)

    def test_order_and_sign_must_be_said(self, tmp_path: Path, sheared: Atoms) -> None:
        six = sheared.get_stress()
        with pytest.raises(InvalidInput) as problem:
            imported(tmp_path, sheared, six, STATED.merged(Conventions(stress="kB")))
        assert "--stress-sign" in str(problem.value)
        assert "--voigt" in str(problem.value)

    def test_a_tensor_that_is_not_symmetric(self, tmp_path: Path, sheared: Atoms) -> None:
        full = sheared.get_stress(voigt=False)
        full[0, 1] += 0.1
        ase = exchange.PRESETS["ase"]
        with pytest.raises(InvalidInput, match="frame 0: its stress tensor is not symmetric"):
            imported(tmp_path, sheared, full, ase)

    def test_a_stress_without_a_volume(self, tmp_path: Path, sheared: Atoms) -> None:
        slab = sheared.copy()
        slab.calc = EMT()
        slab.cell[2] = 0
        slab.pbc = [True, True, False]
        with pytest.raises(InvalidInput, match="a stress but no volume"):
            imported(tmp_path, slab, np.zeros(6), exchange.PRESETS["ase"])


def test_hydrogen_in_atomic_units(tmp_path: Path) -> None:
    """H2 at its equilibrium distance, 1.4011 bohr = 0.7414 A; -1.17447 Hartree = -31.959 eV.

    Kolos and Wolniewicz, J. Chem. Phys. 49, 404 (1968); a force of 1 Hartree/bohr is 51.4221 eV/A.
    """
    atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 1.4011]])
    atoms.info["E"] = -1.17447
    atoms.arrays["F"] = np.array([[0, 0, 0.01], [0, 0, -0.01]])
    ase_write(tmp_path / "a.xyz", atoms, format="extxyz")
    request = Request(
        conventions=exchange.PRESETS["atomic"],
        theory=exchange.stated_theory("exact"),
        keys={"energy": "E", "forces": "F"},
    )
    labels = exchange.read(tmp_path / "a.xyz", request).labels
    assert np.linalg.norm(labels.positions[1] - labels.positions[0]) == pytest.approx(
        0.7414, abs=5e-5
    )
    assert labels.energy[0] == pytest.approx(-31.959, abs=5e-4)
    assert labels.forces[0, 2] == pytest.approx(0.514221, abs=5e-7)


@pytest.mark.parametrize(
    ("unit", "ev"), [("kcal/mol", 0.0433641), ("kJ/mol", 0.01036427), ("Rydberg", 13.605693), ("meV", 1e-3)]
)  # fmt: skip
def test_energies_of_the_literature(unit: str, ev: float) -> None:
    assert units.factor("energy", unit) == pytest.approx(ev, rel=2e-6)


def test_the_vasp_preset_is_how_ase_understands_an_outcar() -> None:
    """ASE's own reader of VASP's stress line, on the numbers of a line in VASP's order and sign."""
    from ase.io.vasp_parsers.vasp_outcar_parsers import Stress

    line = "  in kB     -10.00     20.00     30.00     1.00     2.00     3.00"
    theirs = Stress().parse(0, [line])["stress"]
    vasp = exchange.PRESETS["vasp"]
    mine = vasp.stresses([-10.0, 20.0, 30.0, 1.0, 2.0, 3.0], np.eye(3))
    assert mine == pytest.approx(theirs, rel=1e-7)


def _work(labels: Labels, first: int, second: int) -> float:
    """Integral of volume * stress : strain from one cell to the next (eV), by the trapezoidal rule."""
    cells = labels.cell[[first, second]]
    strain = np.linalg.inv(cells.mean(axis=0)) @ (cells[1] - cells[0])
    forces = [
        abs(np.linalg.det(labels.cell[row])) * tensor(labels.stress[row]) for row in (first, second)
    ]
    return float(np.sum(np.mean(forces, axis=0) * (strain + strain.T) / 2))


@pytest.mark.skipif(not SILICON.exists(), reason="needs the silicon data beside the project")
class TestSilicon:
    """The mlearn data: VASP stresses whose order and sign nobody has written down."""

    def test_they_are_not_silently_taken(self) -> None:
        request = Request(conventions=exchange.PRESETS["ase"], theory=THEORY)
        found = exchange.read(SILICON, request)
        assert np.isnan(found.labels.stress).all()
        assert "virial_stress_kB_source_order" in " ".join(found.notes)

    def test_vasps_order_and_sign_agree_with_its_energies(self, tmp_path: Path) -> None:
        """Along each of six strain paths the work of the stress is the difference of the energies.

        The preset `vasp` read into the data: a wrong sign, or xy in the place of yz, would show.
        """
        paths: dict[str, list[Atoms]] = {}
        for atoms in ase_read(SILICON, ":"):
            if atoms.info["config_type"] == "Elastic":
                mode, _, strain = atoms.info["description"].partition(", strain ")
                atoms.info["strain"] = float(strain or 0)
                paths.setdefault(mode.rpartition("mode ")[2], []).append(atoms)
        request = Request(
            conventions=exchange.PRESETS["vasp"],
            theory=exchange.stated_theory("PBE, VASP"),
            keys={"stress": "virial_stress_kB_source_order"},
        )
        checked = set()
        for mode, frames in paths.items():
            frames.sort(key=lambda atoms: atoms.info["strain"])
            if len(frames) < 2:
                continue
            ase_write(tmp_path / "mode.xyz", frames, format="extxyz")
            labels = exchange.read(tmp_path / "mode.xyz", request).labels
            for first, second in zip(range(len(labels)), range(1, len(labels)), strict=False):
                work = _work(labels, first, second)
                gained = labels.energy[second] - labels.energy[first]
                assert work == pytest.approx(gained, rel=0.05, abs=0.03), (mode, first)
                largest = np.argmax(np.abs(labels.stress[first, 3:]))
                if np.abs(labels.stress[first, 3 + largest]) > 0.02:
                    checked.add(units.VOIGT_ORDER[3 + largest])
        assert checked == {"yz", "xz", "xy"}


@pytest.mark.skipif(not ACETYLACETONE.exists(), reason="needs the acetylacetone data")
def test_real_molecules_through_every_format(tmp_path: Path) -> None:
    theory = exchange.stated_theory("UHF PBE-D3/def2-SVP, ORCA 5.0")
    request = Request(conventions=exchange.PRESETS["ase"], theory=theory)
    frames = ase_read(ACETYLACETONE, ":20")
    ase_write(tmp_path / "few.xyz", frames)
    labels = exchange.read(tmp_path / "few.xyz", request).labels
    assert labels.energy[0] == pytest.approx(-9391.45554428476, abs=1e-9)
    for name, kind in exchange.FORMATS.items():
        path = tmp_path / f"again{kind.suffixes[0]}"
        exchange.write(path, exchange.own_statement(theory, None, {}), exchange.frames_of(labels))
        again = exchange.read(path, Request()).labels
        for column, values in labels.arrays.items():
            assert values.tobytes() == again.arrays[column].tobytes(), (name, column)


def test_a_tensor_that_ase_has_ordered_is_not_permuted_again(
    tmp_path: Path, sheared: Atoms
) -> None:
    """ASE makes its own six components of a 3 x 3 `stress`: VASP's order must not apply to them."""
    ase_write(tmp_path / "a.xyz", sheared, format="extxyz")
    vasp = exchange.PRESETS["vasp"]
    labels = exchange.read(tmp_path / "a.xyz", Request(conventions=vasp, theory=THEORY)).labels
    xz = units.VOIGT_ORDER.index("xz")
    assert labels.stress[0, xz] == pytest.approx(
        -sheared.get_stress(voigt=False)[0, 2] / 1602.1766208, rel=1e-7
    )
