"""seed: what a user's files become, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from aldata.artifacts.contacts import closest_contact, fragments, pairs_within
from aldata.artifacts.conversion import from_atoms, to_atoms
from aldata.artifacts.frames import Configurations, as_configurations
from aldata.artifacts.geometry_files import read_geometries
from aldata.artifacts.labelled_files import read_labelled
from aldata.artifacts.schema import PURPOSES, SAMPLERS
from aldata.digest import NO_HASH, to_hex
from aldata.errors import InvalidInput, InvalidParameters, OracleUnavailable
from aldata.seed import (
    SeedSettings,
    TestSettings,
    displaced,
    test_trajectory,
)

ETHANOL = molecule("CH3CH2OH")


def structures(*atoms: Atoms) -> Configurations:
    return as_configurations([from_atoms(a) for a in atoms])


class TestSettingsAreStrict:
    def test_a_file_outside_structures_is_refused(self) -> None:
        for path in ("ethanol.xyz", "structures/../secret.xyz", "/structures/a.xyz", "structures"):
            with pytest.raises(InvalidParameters, match="structures/"):
                SeedSettings.checked({"structures": path}, "seed")

    def test_an_unknown_name_lists_the_known_ones(self) -> None:
        with pytest.raises(InvalidParameters, match="displacement"):
            SeedSettings.checked({"displacements": [0.1]}, "seed")

    def test_another_calculator_does_not_get_the_keywords_of_tblite(self) -> None:
        assert TestSettings().keywords["method"] == "GFN2-xTB"
        assert TestSettings(calculator="ase.calculators.emt.EMT").keywords == {}

    def test_null_switches_the_test_set_off(self) -> None:
        assert SeedSettings.checked({"test": None}, "seed").test is None


class TestContacts:
    def test_a_bond_is_about_one_covalent_distance(self) -> None:
        assert 0.9 < closest_contact(from_atoms(molecule("C2H6")), below=2) < 1.1

    def test_an_image_of_the_atom_itself_counts(self) -> None:
        cell = bulk("Cu", "sc", a=1.2)
        assert closest_contact(from_atoms(cell)) == pytest.approx(1.2 / (2 * 1.32))
        cell.pbc = False
        assert closest_contact(from_atoms(cell)) == np.inf

    def test_periodic_and_open_agree_on_a_molecule_in_a_box(self) -> None:
        boxed = ETHANOL.copy()
        boxed.center(vacuum=6)
        boxed.pbc = True
        open_pairs, box_pairs = (pairs_within(from_atoms(a), 1.5) for a in (ETHANOL, boxed))
        assert len(open_pairs[2]) == len(box_pairs[2])
        np.testing.assert_allclose(np.sort(open_pairs[2]), np.sort(box_pairs[2]), rtol=1e-12)

    def test_pieces_are_counted(self) -> None:
        dimer = ETHANOL.copy()
        other = ETHANOL.copy()
        other.translate([8, 0, 0])
        assert fragments(from_atoms(ETHANOL), 1.5) == 1
        assert fragments(from_atoms(dimer + other), 1.5) == 2


class TestReadStructures:
    def test_charge_and_spin_come_from_the_frame_first(self, tmp_path: Path) -> None:
        own = ETHANOL.copy()
        own.info = {"charge": -1, "spin": 2}
        write(tmp_path / "a.xyz", [ETHANOL, own], format="extxyz")
        found = read_geometries(tmp_path / "a.xyz", charge=1, spin=1)
        assert found.charge.tolist() == [1, -1]
        assert found.spin.tolist() == [1, 2]

    def test_index_and_repeated_frames(self, tmp_path: Path) -> None:
        write(tmp_path / "a.xyz", [ETHANOL, ETHANOL, molecule("H2O")], format="extxyz")
        assert len(read_geometries(tmp_path / "a.xyz")) == 2
        assert len(read_geometries(tmp_path / "a.xyz", index="-1")) == 1

    def test_a_periodic_cell_keeps_its_cell(self, tmp_path: Path) -> None:
        write(tmp_path / "POSCAR", bulk("Cu", cubic=True), format="vasp")
        found = read_geometries(tmp_path / "POSCAR")
        assert found.pbc.all()
        assert found.row_size.tolist() == [4]

    def test_unusable_files_have_one_clear_error(self, tmp_path: Path) -> None:
        (tmp_path / "empty.xyz").write_text("")
        (tmp_path / "nonsense.xyz").write_text("this is not\na geometry\n")
        (tmp_path / "what.unknown").write_text("?")
        for name in ("missing.xyz", "empty.xyz", "nonsense.xyz", "what.unknown"):
            with pytest.raises(InvalidInput, match=name):
                read_geometries(tmp_path / name)

    def test_an_index_beyond_the_file_is_an_error(self, tmp_path: Path) -> None:
        write(tmp_path / "a.xyz", ETHANOL)
        for index in ("7", "5:9", "nonsense"):
            with pytest.raises(InvalidInput, match=index):
                read_geometries(tmp_path / "a.xyz", index=index)

    def test_every_bad_frame_is_named(self, tmp_path: Path) -> None:
        close, lost = ETHANOL.copy(), ETHANOL.copy()
        close.positions[1] = close.positions[0] + [0, 0, 0.05]
        lost.positions[3, 1] = np.nan
        write(tmp_path / "a.xyz", [close, ETHANOL, lost, Atoms("X")], format="extxyz")
        with pytest.raises(InvalidInput) as caught:
            read_geometries(tmp_path / "a.xyz")
        message = str(caught.value)
        assert "frame 0 has overlapping" in message
        assert "frame 2 has positions" in message
        assert "frame 3 has an atom of unknown element" in message
        assert "frame 1" not in message

    def test_periodic_without_a_cell_is_refused(self, tmp_path: Path) -> None:
        from ase.io.trajectory import Trajectory

        flat = Atoms("Cu", pbc=[True, True, False], cell=[3, 0, 0])
        with Trajectory(str(tmp_path / "a.traj"), "w") as file:
            file.write(flat)
        with pytest.raises(InvalidInput, match="without a cell vector"):
            read_geometries(tmp_path / "a.traj")


class TestDisplaced:
    def test_the_given_structures_come_first_and_are_the_parents(self) -> None:
        given = structures(ETHANOL, molecule("H2O"))
        found = displaced(given, SeedSettings(candidates=20), seed=3)
        assert found.ids[:2] == given.ids
        assert len(set(found.ids)) == len(found) == 20
        assert [SAMPLERS[s] for s in found.sampler] == ["given"] * 2 + ["displacement"] * 18
        assert to_hex(found.parent_configuration)[:4] == [NO_HASH, NO_HASH, *given.ids]
        assert (found.trajectory == -1).all()

    def test_displacements_have_their_standard_deviations_in_equal_shares(self) -> None:
        settings = SeedSettings(candidates=601, displacement=[0.02, 0.08])
        found = displaced(structures(ETHANOL), settings, seed=0)
        moves = found.positions.reshape(601, -1)[1:] - ETHANOL.positions.ravel()
        assert moves[0::2].std() == pytest.approx(0.02, rel=0.03)
        assert moves[1::2].std() == pytest.approx(0.08, rel=0.03)
        assert abs(moves.mean()) < 0.003

    @given(seed=st.integers(0, 2**31), more=st.integers(1, 5))
    @examples(max_examples=10, deadline=None)
    def test_a_candidate_depends_on_its_seed_and_number_only(self, seed: int, more: int) -> None:
        few = displaced(structures(ETHANOL), SeedSettings(candidates=6), seed)
        many = displaced(structures(ETHANOL), SeedSettings(candidates=6 + more), seed)
        assert few.ids == many.ids[:6]
        assert few.digest == displaced(structures(ETHANOL), SeedSettings(candidates=6), seed).digest
        assert (
            few.ids[1:]
            != displaced(structures(ETHANOL), SeedSettings(candidates=6), seed + 1).ids[1:]
        )

    def test_a_cell_is_strained_within_bounds(self) -> None:
        cell = bulk("Cu", cubic=True)
        settings = SeedSettings(candidates=40, displacement=[1e-6], strain=0.05)
        found = displaced(structures(cell), settings, seed=1)
        strain = np.linalg.inv(cell.cell.array) @ found.cell[1:] - np.eye(3)
        assert np.abs(strain).max() < 0.05
        assert np.abs(strain).max() > 0.03
        np.testing.assert_allclose(strain, strain.transpose(0, 2, 1), atol=1e-12)
        fractional = found.positions.reshape(40, -1, 3)[1:] @ np.linalg.inv(found.cell[1:])
        np.testing.assert_allclose(
            fractional, np.broadcast_to(cell.get_scaled_positions(), fractional.shape), atol=1e-5
        )
        assert set(found.sampler[1:]) == {SAMPLERS.index("strain")}

    def test_a_slab_is_not_stretched_into_its_vacuum(self) -> None:
        slab = fcc111("Al", (2, 2, 3), vacuum=8)
        settings = SeedSettings(candidates=9, displacement=[1e-9], strain=0.05)
        found = displaced(structures(slab), settings, seed=1)
        heights = found.positions.reshape(9, -1, 3)[:, :, 2]
        np.testing.assert_allclose(heights, np.tile(heights[0], (9, 1)), atol=1e-7)
        assert (found.cell[:, 2] == 0).all()
        assert np.abs(found.cell[1:, :2, :2] - found.cell[0, :2, :2]).max() > 0.01

    def test_no_nonsense_is_proposed(self) -> None:
        settings = SeedSettings(candidates=60, displacement=[0.25], min_distance_factor=0.6)
        found = displaced(structures(ETHANOL), settings, seed=0)
        assert min(closest_contact(frame) for frame in found) >= 0.6
        careless = SeedSettings(candidates=60, displacement=[0.25], min_distance_factor=0)
        unchecked = displaced(structures(ETHANOL), careless, seed=0)
        assert min(closest_contact(frame) for frame in unchecked) < 0.6

    def test_impossible_displacements_end_with_an_error(self) -> None:
        settings = SeedSettings(candidates=5, displacement=[1.0], min_distance_factor=0.9)
        cell = bulk("Cu", cubic=True)
        with pytest.raises(InvalidParameters, match=r"seed\.displacement"):
            displaced(structures(cell), settings, seed=0)


class TestImported:
    @staticmethod
    def labelled(atoms: Atoms, shift: float, **results: object) -> Atoms:
        frame = atoms.copy()
        frame.positions += shift * np.arange(len(atoms))[:, None]
        values = {"energy": -3.5 + shift, "forces": frame.positions * 0.1, **results}
        frame.calc = SinglePointCalculator(
            frame, **{name: value for name, value in values.items() if value is not None}
        )
        return frame

    def test_values_and_units_survive(self, tmp_path: Path) -> None:
        cell = bulk("Cu", cubic=True)
        stress = np.array([1.0, 2, 3, 4, 5, 6]) * 1e-3
        frames = [self.labelled(cell, 0.01, stress=stress), self.labelled(cell, 0.02)]
        write(tmp_path / "a.xyz", frames, format="extxyz")
        found = read_labelled(tmp_path / "a.xyz")
        np.testing.assert_allclose(found.energy, [-3.49, -3.48])
        np.testing.assert_allclose(found.forces[:4], frames[0].positions * 0.1, atol=1e-8)
        np.testing.assert_allclose(found.stress[0], stress)
        assert np.isnan(found.stress[1]).all()
        assert found.configurations.row_size.tolist() == [4, 4]

    def test_the_xy_shear_is_the_last_component(self, tmp_path: Path) -> None:
        (tmp_path / "a.xyz").write_text(
            '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3:forces:R:3 energy=1.0 '
            'stress="0 0.007 0 0.007 0 0 0 0 0" pbc="T T T"\nCu 0 0 0 0 0 0\n'
        )
        found = read_labelled(tmp_path / "a.xyz")
        np.testing.assert_allclose(found.stress, [[0, 0, 0, 0, 0, 0.007]])

    def test_a_full_stress_tensor_is_put_in_order(self, tmp_path: Path) -> None:
        frame = self.labelled(bulk("Cu", cubic=True), 0.01)
        frame.info["stress"] = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]])
        write(tmp_path / "a.traj", frame)
        found = read_labelled(tmp_path / "a.traj")
        np.testing.assert_allclose(found.stress, [[1, 2, 3, 4, 5, 6]])

    def test_frames_without_labels_are_named(self, tmp_path: Path) -> None:
        frames = [
            self.labelled(ETHANOL, 0.01),
            self.labelled(ETHANOL, 0.02, forces=None),
            self.labelled(ETHANOL, 0.03, energy=None),
        ]
        write(tmp_path / "a.xyz", frames, format="extxyz")
        with pytest.raises(InvalidInput) as caught:
            read_labelled(tmp_path / "a.xyz")
        assert "frame 1 has no forces" in str(caught.value)
        assert "frame 2 has no energy" in str(caught.value)
        assert "frame 0 has" not in str(caught.value)

    def test_reference_keys_win_and_other_names_are_shown(self, tmp_path: Path) -> None:
        frame = self.labelled(ETHANOL, 0.01)
        frame.info["REF_energy"] = -1.0
        frame.arrays["REF_forces"] = np.full((9, 3), 7.0)
        write(tmp_path / "a.xyz", frame, format="extxyz")
        found = read_labelled(tmp_path / "a.xyz")
        assert found.energy.tolist() == [-1.0]
        assert (found.forces == 7.0).all()
        bare = ETHANOL.copy()
        bare.info["TotEnergy"] = -1.0
        write(tmp_path / "b.xyz", bare, format="extxyz")
        with pytest.raises(InvalidInput, match="TotEnergy"):
            read_labelled(tmp_path / "b.xyz")

    @pytest.mark.parametrize("suffix", ["xyz", "traj", "json"])
    def test_the_formats_of_ase(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"hot.{suffix}"
        write(path, [self.labelled(ETHANOL, 0.01 * k) for k in range(3)])
        found = read_labelled(path, spin=2).labels("test")
        assert found.accepted.all()
        np.testing.assert_allclose(found.energy, [-3.5, -3.49, -3.48])
        assert set(found.purpose) == {PURPOSES.index("test")}
        assert found.spin.tolist() == [2, 2, 2]
        assert read_labelled(path, spin=2).labels("test").digest == found.digest

    def test_values_that_are_not_finite_are_refused(self, tmp_path: Path) -> None:
        forces = np.zeros((9, 3))
        forces[2, 2] = np.inf
        write(tmp_path / "a.xyz", self.labelled(ETHANOL, 0.01, forces=forces), format="extxyz")
        with pytest.raises(InvalidInput, match="frame 0 has forces"):
            read_labelled(tmp_path / "a.xyz")

    def test_a_repeated_frame_is_kept_once_unless_its_labels_differ(self, tmp_path: Path) -> None:
        frame, other = self.labelled(ETHANOL, 0.01), self.labelled(ETHANOL, 0.01, energy=7.0)
        write(tmp_path / "a.xyz", [frame, frame], format="extxyz")
        assert len(read_labelled(tmp_path / "a.xyz").energy) == 1
        write(tmp_path / "b.xyz", [frame, other], format="extxyz")
        with pytest.raises(InvalidInput, match="frames 0 and 1"):
            read_labelled(tmp_path / "b.xyz")


class TestTrajectory:
    EMT_SETTINGS = TestSettings(
        frames=5,
        steps_between=5,
        equilibration=10,
        timestep=2.0,
        calculator="ase.calculators.emt.EMT",
    )

    def test_frames_are_distinct_repeatable_and_leave_the_global_generator_alone(self) -> None:
        given = structures(bulk("Cu", cubic=True).repeat(2))
        np.random.seed(5)
        before = np.random.get_state()[1].copy()  # type: ignore[index]
        first = test_trajectory(given, self.EMT_SETTINGS, seed=4)
        assert (before == np.random.get_state()[1]).all()  # type: ignore[index]
        assert len(set(first.ids)) == 5
        assert first.digest == test_trajectory(given, self.EMT_SETTINGS, seed=4).digest
        assert first.digest != test_trajectory(given, self.EMT_SETTINGS, seed=5).digest

    def test_hotter_is_farther_from_the_minimum(self) -> None:
        given = structures(bulk("Cu", cubic=True).repeat(2))

        def mean_energy(temperature: float) -> float:
            settings = self.EMT_SETTINGS.model_copy(
                update={"temperature": temperature, "friction": 0.1, "equilibration": 40}
            )
            energies = []
            for frame in test_trajectory(given, settings, seed=1):
                atoms = to_atoms(frame)
                atoms.calc = EMT()
                energies.append(atoms.get_potential_energy())
            return float(np.mean(energies))

        assert mean_energy(900) > mean_energy(200)

    def test_frames_are_shared_out_over_the_structures(self) -> None:
        two = bulk("Cu", cubic=True)
        given = structures(two, bulk("Cu", cubic=True, a=3.7), bulk("Al", cubic=True))
        found = test_trajectory(given, self.EMT_SETTINGS, seed=4)
        assert [frame.numbers[0] for frame in found] == [29, 29, 29, 29, 13]
        assert len(np.unique(found.cell.reshape(5, 9), axis=0)) == 3

    def test_ethanol_by_tblite_with_its_charge(self) -> None:
        pytest.importorskip("tblite")
        settings = TestSettings(frames=2, steps_between=3, equilibration=3)
        neutral = from_atoms(ETHANOL)
        cation = from_atoms(ETHANOL, charge=1, spin=1)
        found = test_trajectory(as_configurations([neutral]), settings, seed=0)
        charged = test_trajectory(as_configurations([cation]), settings, seed=0)
        assert charged.charge.tolist() == [1, 1]
        assert charged.spin.tolist() == [1, 1]
        # the same seed and start: only another potential can tell them apart
        assert np.abs(charged.positions - found.positions).max() > 1e-3

    def test_a_missing_package_says_how_to_install_it(self) -> None:
        settings = TestSettings(calculator="no_such_package.ase.Calculator")
        with pytest.raises(OracleUnavailable, match="pip install no_such_package"):
            test_trajectory(structures(ETHANOL), settings, seed=0)

    def test_a_wrong_name_or_keyword_is_a_parameter_error(self) -> None:
        for change in (
            {"calculator": "ase.calculators.emt.Emt"},
            {"keywords": {"no_such": 1}, "calculator": "ase.calculators.lj.LennardJones2"},
        ):
            with pytest.raises(InvalidParameters):
                test_trajectory(structures(ETHANOL), TestSettings(**change), seed=0)

    def test_a_trajectory_that_blows_up_is_an_error(self) -> None:
        settings = self.EMT_SETTINGS.model_copy(update={"timestep": 60.0, "temperature": 9000.0})
        with pytest.raises(InvalidInput, match=r"seed\.test"):
            test_trajectory(structures(bulk("Cu", cubic=True)), settings, seed=0)
