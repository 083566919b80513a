"""Stored frames as other libraries show them: the same values, read when they are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_lineages import project_of, random_frames

import aldata
from aldata.archive import StoredFrames
from aldata.archive.columns import MappedColumn
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Candidates, Labels, Selection
from aldata.artifacts.schema import KINDS
from aldata.errors import InvalidInput


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generations; the stress of the seed's first two labels is unknown."""
    root = tmp_path_factory.mktemp("views") / "project"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        seed, later = random_frames(Labels, 6, 1), random_frames(Labels, 9, 2)
        seed.stress[:2] = np.nan
        seed.status[:3] = 0
        project_of(
            root,
            {
                "seed": [seed, random_frames(Candidates, 4, 3)],
                "g000": [later, random_frames(Candidates, 5, 4), random_frames(Selection, 2, 5)],
            },
        )
    return root


def _open(project: Path, kind: str = "labels") -> StoredFrames:
    frames = aldata.open(kind, "g000", root=project)  # type: ignore[call-overload]
    assert isinstance(frames, StoredFrames)
    return frames


@pytest.mark.parametrize("kind", ["labels", "candidates", "configurations"])
def test_atoms_are_the_frames(project: Path, kind: str) -> None:
    frames = _open(project, kind)
    atoms = frames.to_ase()
    assert len(atoms) == len(frames)
    for row, (shown, stored) in enumerate(zip(atoms, frames, strict=True)):
        back = from_atoms(shown)
        for name in ("numbers", "positions", "pbc", "charge", "spin"):
            np.testing.assert_array_equal(getattr(back, name), stored[name])
        np.testing.assert_array_equal(shown.cell.array, stored["cell"])
        assert shown.info["configuration_id"] == frames.ids[row]
        assert shown.info["generation"] == frames.column("generation")[row]


def test_only_accepted_calls_have_results(project: Path) -> None:
    frames = _open(project)
    accepted = frames.column("status") == 0
    assert 3 <= accepted.sum() < len(frames)
    for row, atoms in enumerate(frames.to_ase()):
        assert atoms.info["call_id"] == frames.call_ids[row]
        if not accepted[row]:
            assert atoms.calc is None
            continue
        stored = frames[row]
        assert atoms.get_potential_energy() == stored["energy"]
        np.testing.assert_array_equal(atoms.get_forces(), stored["forces"])
        assert ("stress" in atoms.calc.results) == (row >= 2)
        if row >= 2:
            np.testing.assert_array_equal(atoms.get_stress(), stored["stress"])


def test_atoms_are_sliced_like_frames_and_may_be_changed(project: Path) -> None:
    frames = _open(project)
    some = frames[::-2].to_ase()[1:]
    assert [a.info["call_id"] for a in some] == frames.call_ids[::-2][1:]
    assert some[-1].info["call_id"] == frames.call_ids[0]
    some[0].positions += 1.0
    np.testing.assert_array_equal(some[0].positions, frames[::-2][1]["positions"])
    changed = some[-1]
    changed.positions += 1.0
    changed.calc.results["forces"] += 1.0
    np.testing.assert_array_equal(some[-1].positions, frames[0]["positions"])
    np.testing.assert_array_equal(some[-1].get_forces(), frames[0]["forces"])
    with pytest.raises(IndexError):
        some[len(some)]
    with pytest.raises(InvalidInput, match="selections have no numbers"):
        _open(project, "selections").to_ase()


@pytest.mark.parametrize("kind", ["labels", "candidates", "configurations", "selections"])
@pytest.mark.parametrize("rows", [slice(None), slice(None, None, -2), [3, 0, 3], []])
def test_a_dataset_is_the_frames(project: Path, kind: str, rows: slice | list[int]) -> None:
    whole = _open(project, kind)
    frames = whole[rows if len(whole) > 3 or isinstance(rows, slice) else rows[1:2]]
    shown = frames.to_xarray()
    assert set(shown.variables) == set(frames.all_names)
    for name, array in frames.take(columns=frames.all_names).items():
        assert shown[name].shape == array.shape
        np.testing.assert_array_equal(shown[name].values, array)
    for variable in KINDS[frames.parts[0].artifact.KIND if kind != "configurations" else kind]:
        found = shown[variable.name]
        assert found.dims == variable.dims
        assert found.dtype == variable.dtype
        assert found.attrs["units"] == variable.unit
        assert found.attrs["long_name"] == variable.meaning
    assert shown.attrs["Conventions"].startswith("CF-")


def test_a_dataset_is_indexed_like_an_array(project: Path) -> None:
    for frames in (_open(project), _open(project)[[7, 2, 11]]):
        forces = frames.column("forces")
        shown = frames.to_xarray()
        atoms = np.array([len(forces) - 1, 0, 2])
        for key in (
            (atoms,),
            (slice(2, 7), 1),
            (3, slice(None, None, -1)),
            (slice(None, None, -3), [2, 0]),
            (-1, -1),
        ):
            picked = shown.forces.isel(dict(zip(("atom", "xyz"), key, strict=False)))
            expected = forces[key[0]]
            for place in key[1:]:
                expected = expected[..., place]
            np.testing.assert_array_equal(picked.values, expected)
        ones = shown.cell.isel(frame=[0, -1], abc=[2, 1], xyz=0)
        np.testing.assert_array_equal(ones.values, frames.column("cell")[[0, -1]][:, [2, 1], 0])
        last = shown.energy[shown.row_size > 3]
        np.testing.assert_array_equal(
            last.values, frames.column("energy")[frames.column("row_size") > 3]
        )


def test_a_dataset_reads_nothing_before_it_is_asked(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def counted(name: str) -> None:
        method = getattr(MappedColumn, name)

        def wrapped(self: MappedColumn, *given: object) -> object:
            found = method(self, *given)
            asked.append((name, len(found)))
            return found

        monkeypatch.setattr(MappedColumn, name, wrapped)

    counted("take")
    counted("span")
    shown = _open(project).to_xarray()
    text = repr(shown)
    assert "forces" in text
    assert asked == []
    part = shown.forces[4:9]
    assert asked == []
    assert part.values.shape == (5, 3)
    assert asked == [("span", 5)]
