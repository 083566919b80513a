"""explore.samplers displacements: volume scans, vacancies and swaps of crystals."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from made_potentials import in_process

from aldata.artifacts.checkpoints import null_checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Configuration, as_configurations
from aldata.artifacts.schema import SAMPLERS as KINDS
from aldata.errors import InvalidInput, InvalidParameters
from aldata.explore import SAMPLERS, Checks, Context, Displacements, ExploreSettings, explore
from aldata.explore.samplers.crystals import scaled
from aldata.explore.settings import Swaps, Vacancies, VolumeScan

SALT = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
COPPER = bulk("Cu", cubic=True)
STILL = Displacements(frames=0, displacement=[0.0], strain=0.0, volume_scan=VolumeScan())


def context_of(*starts: Atoms, **more: Any) -> Context:
    null = null_checkpoint(np.array([11, 17]), np.zeros(2))
    frames = as_configurations([from_atoms(atoms) for atoms in starts])
    return Context(starts=frames, checkpoint=null, run=in_process, calculator=int, **more)


def found(context: Context, seed: int = 0, **asked: Any) -> list[Any]:
    settings = Displacements.checked({"frames": 0, **asked}, "explore")
    return SAMPLERS["displacements"](settings, context, seed)


def volume(frame: Configuration) -> float:
    return float(np.linalg.det(frame.cell))


def test_a_scan_goes_through_the_stated_volumes_and_leaves_the_shape() -> None:
    (scan,) = found(context_of(SALT), volume_scan={"strain": [-0.06, 0.03], "points": 4})
    assert scan.record["strains"] == pytest.approx([-0.06, -0.03, 0.0, 0.03])
    ratios = [volume(frame) / SALT.get_volume() for frame in scan.frames]
    assert ratios == pytest.approx([0.94**3, 0.97**3, 1.0, 1.03**3])
    for frame in scan.frames:
        inside = frame.positions @ np.linalg.inv(frame.cell)
        np.testing.assert_allclose(inside, SALT.get_scaled_positions(wrap=False), atol=1e-12)
    assert scan.steps == [0, 1, 2, 3]
    assert scan.kinds == ["volume"] * 4
    assert scan.parents == [from_atoms(SALT).id] * 4


def test_a_slab_is_not_scaled_into_its_vacuum() -> None:
    slab = from_atoms(fcc111("Cu", (2, 2, 2), vacuum=6.0))
    larger = scaled(slab, 0.1)
    np.testing.assert_allclose(larger.cell[:2], 1.1 * slab.cell[:2], atol=1e-12)
    np.testing.assert_allclose(larger.cell[2], slab.cell[2])
    np.testing.assert_allclose(larger.positions[:, 2], slab.positions[:, 2])


def test_volumes_that_crush_atoms_are_left_out_and_counted() -> None:
    strict = context_of(COPPER, checks=Checks(min_distance_factor=0.95))
    (scan,) = found(strict, volume_scan={"strain": [-0.1, 0.1], "points": 5})
    assert scan.record["left_out"] == 2
    assert scan.steps == [2, 3, 4]


def test_several_crystals_are_scanned_and_molecules_left_alone() -> None:
    starts = context_of(molecule("H2O"), SALT, COPPER)
    scans = found(starts, volume_scan={"starts": 5, "points": 2})
    assert {scan.record["start"] for scan in scans} == {from_atoms(a).id for a in (SALT, COPPER)}


@pytest.mark.parametrize("atoms", [1, 3])
def test_vacancies_lack_the_atoms_that_the_record_names(atoms: int) -> None:
    quiet = {"displacement": [0.0], "strain": 0.0}
    (vacant,) = found(context_of(SALT), 3, vacancies={"frames": 6, "atoms": atoms}, **quiet)
    for frame, missing in zip(vacant.frames, vacant.record["missing"], strict=True):
        assert len(missing) == atoms
        np.testing.assert_array_equal(frame.numbers, np.delete(SALT.numbers, missing))
        np.testing.assert_array_equal(frame.positions, np.delete(SALT.positions, missing, axis=0))
    assert len({tuple(missing) for missing in vacant.record["missing"]}) > 1
    assert vacant.kinds == ["vacancy"] * 6


def test_defects_are_displaced_and_strained_too() -> None:
    (vacant,) = found(context_of(SALT), vacancies={"frames": 2}, displacement=[0.05])
    kept = np.delete(SALT.positions, vacant.record["missing"][0], axis=0)
    moved = vacant.frames[0].positions - kept
    assert 0.02 < np.std(moved) < 0.3
    assert not np.allclose(vacant.frames[0].cell, SALT.cell.array)


@pytest.mark.parametrize("pairs", [1, 4])
def test_swaps_exchange_unlike_atoms_and_keep_the_formula(pairs: int) -> None:
    quiet = {"displacement": [0.0], "strain": 0.0}
    (swapped,) = found(context_of(SALT), 1, swaps={"frames": 5, "pairs": pairs}, **quiet)
    for frame, chosen in zip(swapped.frames, swapped.record["swapped"], strict=True):
        changed = np.flatnonzero(frame.numbers != SALT.numbers)
        assert sorted(np.ravel(chosen).tolist()) == changed.tolist()
        assert len(changed) == 2 * pairs
        assert Counter(frame.numbers.tolist()) == Counter(SALT.numbers.tolist())
        np.testing.assert_array_equal(frame.positions, SALT.positions)


@pytest.mark.parametrize("symbols", ["AuCuCuCu", "AuCuAgPt", "AuAuCuAg"])
def test_as_many_pairs_as_there_are_can_be_swapped(symbols: str) -> None:
    cell = bulk("Au", cubic=True)
    cell.symbols = symbols
    most = {"AuCuCuCu": 1}.get(symbols, 2)
    for seed in range(20):
        (swapped,) = found(context_of(cell), seed, swaps={"frames": 1, "pairs": most})
        assert len(swapped.record["swapped"][0]) == most
    with pytest.raises(InvalidInput, match=f"{most + 1} asked for.* allow {most} at most"):
        found(context_of(cell), swaps={"frames": 1, "pairs": most + 1})


@pytest.mark.parametrize(
    "asked", [{"volume_scan": {}}, {"vacancies": {"frames": 1}}, {"swaps": {"frames": 1}}]
)
def test_a_molecule_is_refused_before_any_sampler_works(asked: dict[str, Any]) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("worked")

    water = replace(context_of(molecule("H2O")), run=never)
    plan = {"samplers": [{"name": "displacements"}, {"name": "displacements", **asked}]}
    with pytest.raises(InvalidInput, match="only molecules are there") as error:
        explore(ExploreSettings.checked(plan, "explore"), 0, water)
    (setting,) = asked
    assert f"set {setting} to null" in str(error.value)


def test_a_cell_too_small_for_the_defect_is_refused() -> None:
    with pytest.raises(InvalidInput, match="more than 4 atoms in a cell"):
        found(context_of(COPPER), vacancies={"frames": 1, "atoms": 4})
    with pytest.raises(InvalidInput, match="atoms of different elements"):
        found(context_of(COPPER), swaps={"frames": 1})


def test_defects_that_crush_are_one_error() -> None:
    strict = context_of(COPPER, checks=Checks(min_distance_factor=1.0))
    with pytest.raises(
        InvalidParameters, match=r"vacancies displaced by 0\.01 A leave atoms too close"
    ):
        found(strict, vacancies={"frames": 1}, displacement=[0.01])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"frames": 0}, "must ask for something"),
        ({"volume_scan": {"strain": [0.1, -0.1]}}, "strain must rise: 0.1 is not below -0.1"),
        ({"volume_scan": {"points": 1}}, "points"),
        ({"vacancies": {}}, "frames' is missing"),
        ({"swaps": {"frames": 1, "atoms": 1}}, "one of: frames, pairs"),
    ],
)
def test_settings_that_cannot_be(asked: dict[str, Any], said: str) -> None:
    plan = {"samplers": [{"name": "displacements", **asked}]}
    with pytest.raises(InvalidParameters, match=said):
        ExploreSettings.checked(plan, "explore")


def test_all_of_it_is_one_set_of_candidates_that_repeats_itself() -> None:
    settings = Displacements(
        frames=4,
        volume_scan=VolumeScan(points=3),
        vacancies=Vacancies(frames=2),
        swaps=Swaps(frames=3, pairs=2),
    )
    plan = ExploreSettings(samplers=[settings])
    first, again = (explore(plan, 7, context_of(SALT)) for _ in range(2))
    assert first.digest == again.digest
    assert explore(plan, 8, context_of(SALT)).digest != first.digest
    kinds = [KINDS[kind] for kind in first.sampler]
    assert kinds == ["strain"] * 4 + ["volume"] * 3 + ["vacancy"] * 2 + ["swap"] * 3
    assert first.trajectory.tolist() == [0] * 4 + [1] * 3 + [2] * 2 + [3] * 3
    alone = explore(ExploreSettings(samplers=[Displacements(frames=4)]), 7, context_of(SALT))
    assert alone.ids == first.ids[:4]  # what is asked for beside them does not change them
