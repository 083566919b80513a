"""Stores: what is written is read, bit for bit, and damage is found and named."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from made_stores import CLASSES, made

from aldata import store
from aldata.artifacts.checkpoints import Checkpoint, null_checkpoint
from aldata.artifacts.documents import Noise
from aldata.artifacts.frames import (
    Candidates,
    Configuration,
    Configurations,
    Descriptors,
    as_configurations,
)
from aldata.errors import DamagedArtifact


def _pair() -> Configurations:
    one = Configuration(
        numbers=np.array([8, 1, 1]),
        positions=np.arange(9.0).reshape(3, 3),
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, bool),
    )
    two = Configuration(
        numbers=np.array([13]), positions=np.zeros((1, 3)), cell=np.eye(3), pbc=np.ones(3, bool)
    )
    return as_configurations([one, two])


def _files(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    store.write(tmp_path / "a.zarr", _pair())
    store.write(tmp_path / "b.zarr", _pair())
    assert _files(tmp_path / "a.zarr") == _files(tmp_path / "b.zarr")


def test_local_arrays_are_memory_mapped_and_all_zero_arrays_have_a_chunk(tmp_path: Path) -> None:
    store.write(tmp_path / "c.zarr", _pair())
    again = store.read(tmp_path / "c.zarr", Configurations)
    assert (tmp_path / "c.zarr" / "charge" / "c" / "0").exists()
    mapped = Path("/proc/self/maps").read_text()
    for name, array in again.arrays.items():
        assert not array.flags.owndata
        assert not array.flags.writeable
        assert str(tmp_path / "c.zarr" / name / "c" / "0") in mapped
    del again, array
    assert str(tmp_path / "c.zarr") not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("row_size", [[3, 1], []])
def test_xarray_shows_a_clear_data_set(tmp_path: Path, kind: str, row_size: list[int]) -> None:
    """To someone who has xarray only, by the words of the CF conventions."""
    import xarray

    artifact = made(CLASSES[kind], row_size)
    store.write(tmp_path / "c.zarr", artifact)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = xarray.open_zarr(tmp_path / "c.zarr")
    assert shown.attrs["Conventions"] == "CF-1.11"
    assert kind in shown.attrs["title"]
    assert set(shown.variables) == set(artifact.names())
    for variable in artifact.variables():
        found = shown[variable.name]
        assert found.dims == variable.dims
        assert found.dtype == variable.dtype
        assert found.attrs["units"] == variable.unit
        assert found.attrs["long_name"] == variable.meaning
        assert ("flag_meanings" in found.attrs) == bool(variable.flags)
        if variable.flags:
            words = found.attrs["flag_meanings"].split()
            assert dict(zip(found.attrs["flag_values"], words, strict=True)) == dict(
                enumerate(variable.flags)
            )
        np.testing.assert_array_equal(found.values, artifact.arrays[variable.name])
    if "row_size" in artifact.names():
        counted = shown.row_size.attrs["sample_dimension"]
        assert shown.sizes[counted] == shown.row_size.sum()


def test_compressed_descriptors_survive(tmp_path: Path) -> None:
    frames = _pair()
    vectors = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)
    artifact = Descriptors(
        configuration_id=frames.configuration_id,
        row_size=frames.row_size,
        numbers=frames.numbers,
        descriptor=vectors,
        attributes={"descriptor_id": "x"},
    )
    store.write(tmp_path / "d.zarr", artifact)
    again = store.read(tmp_path / "d.zarr", Descriptors)
    np.testing.assert_array_equal(again.descriptor, vectors)


def test_the_null_checkpoint_survives(tmp_path: Path) -> None:
    null = null_checkpoint(np.array([1, 8]), np.array([-13.0, -2000.0]))
    store.write(tmp_path / "k.zarr", null)
    again = store.read(tmp_path / "k.zarr", Checkpoint)
    assert again.is_null
    assert again.digest == null.digest


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "metadata", "attributes"])
def test_damage_is_found_and_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "c.zarr"
    store.write(path, _pair())
    chunk = path / "positions" / "c" / "0" / "0"
    if damage == "flip":
        content = bytearray(chunk.read_bytes())
        content[20] ^= 1
        chunk.write_bytes(content)
    elif damage == "truncate":
        chunk.write_bytes(chunk.read_bytes()[:-3])
    elif damage == "remove":
        chunk.unlink()
    elif damage == "metadata":
        (path / "zarr.json").write_text("{")
    else:
        root = json.loads((path / "zarr.json").read_text())
        root["attributes"]["attributes"]["sneaked"] = "in"
        (path / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(DamagedArtifact) as caught:
        store.read(path, Configurations)
    assert str(path) in str(caught.value)
    if damage in {"flip", "truncate", "remove"}:
        assert "positions" in str(caught.value)


def test_other_kinds_newer_versions_and_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.zarr"
    with pytest.raises(DamagedArtifact, match="does not exist"):
        store.read(path, Configurations)
    store.write(path, _pair())
    with pytest.raises(DamagedArtifact, match="holds configurations"):
        store.read(path, Candidates)
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"]["aldata_schema"] = 99
    (path / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(DamagedArtifact, match="schema version 99"):
        store.read(path, Configurations)


def test_a_damaged_document_names_every_violation(tmp_path: Path) -> None:
    path = tmp_path / "noise.json"
    noise = Noise(theory_id="t", sigma_energy=1e-3, sigma_forces=2e-3, source="given")
    store.write_document(path, noise)
    assert store.read_document(path, Noise) == noise
    content = json.loads(path.read_text())
    content["sigma_energy"], content["sigma_forcs"] = -1, content.pop("sigma_forces")
    path.write_text(json.dumps(content))
    with pytest.raises(DamagedArtifact) as caught:
        store.read_document(path, Noise)
    assert "sigma_energy" in str(caught.value)
    assert "sigma_forcs" in str(caught.value)


def test_a_read_only_folder_gives_a_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(DamagedArtifact, match="could not be written"):
        store.write(blocked / "c.zarr", _pair())
