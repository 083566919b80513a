"""The waist of the hourglass: ragged columns, identities, records, errors and units."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import Field

from aldata import digest, errors, units
from aldata.artifacts import checkpoints, frames
from aldata.artifacts.checkpoints import Checkpoint, null_checkpoint
from aldata.artifacts.columns import Columns, field_names
from aldata.artifacts.conversion import from_atoms, to_atoms
from aldata.artifacts.frames import (
    Configuration,
    Configurations,
    Selection,
    as_configurations,
    result_digest,
    rows_of,
)
from aldata.artifacts.schema import KINDS
from aldata.errors import AldataError, InvalidInput, InvalidParameters
from aldata.records import Record

CLASSES = {
    kind.KIND: kind
    for module in (frames, checkpoints)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Columns) and "KIND" in vars(kind)
}

coordinates = st.floats(-50, 50, allow_nan=False, width=64)


@st.composite
def configurations(draw, least: int = 0, most: int = 5) -> Configuration:
    atoms = draw(st.integers(least, most))
    return Configuration(
        numbers=draw(hnp.arrays(np.int32, atoms, elements=st.integers(1, 118))),
        positions=draw(hnp.arrays(np.float64, (atoms, 3), elements=coordinates)),
        cell=draw(hnp.arrays(np.float64, (3, 3), elements=coordinates)),
        pbc=draw(hnp.arrays(np.bool_, 3)),
        charge=draw(st.integers(-3, 3)),
        spin=draw(st.integers(0, 4)),
    )


ragged = st.lists(configurations(), max_size=6)


def same(one: Columns, two: Columns) -> bool:
    return one.digest == two.digest and all(
        np.array_equal(one.arrays[name], two.arrays[name]) for name in one.names()
    )


# --- columns -----------------------------------------------------------------------------------


def test_every_kind_of_the_schema_has_a_class_with_exactly_its_variables():
    assert set(CLASSES) == set(KINDS)
    for kind, variables in KINDS.items():
        names = [variable.name for variable in variables]
        assert field_names(CLASSES[kind]) == set(names), kind
        assert len(names) == len(set(names))


@settings(max_examples=40, deadline=None)
@given(ragged)
def test_a_list_of_configurations_survives_as_columns(items):
    columns = as_configurations(items)
    assert len(columns) == len(items)
    assert columns.ids == [item.id for item in items] == [item.id for item in columns]
    assert columns.offsets[-1] == sum(len(item) for item in items) == len(columns.frame_of_atom)
    for row, item in enumerate(items):
        assert np.array_equal(columns.positions[columns.atoms_of(row)], item.positions)


@settings(max_examples=40, deadline=None)
@given(items=ragged, data=st.data())
def test_take_is_indexing(items, data):
    columns = as_configurations(items)
    rows = data.draw(st.lists(st.integers(0, len(items) - 1)) if items else st.just([]))
    assert same(columns.take(rows), as_configurations([items[row] for row in rows]))
    assert same(columns.take(range(len(items))), columns)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items))))
    chosen = [item for item, wanted in zip(items, mask, strict=True) if wanted]
    assert same(columns.take(mask.astype(bool)), as_configurations(chosen))


@settings(max_examples=40, deadline=None)
@given(ragged, ragged)
def test_concatenate_is_addition_with_the_empty_as_zero(one, two):
    a, b = as_configurations(one), as_configurations(two)
    assert same(Configurations.concatenate([a, b], {}), as_configurations([*one, *two]))
    assert same(Configurations.concatenate([Configurations.empty({}), a], {}), a)
    both = Configurations.concatenate([a, b], {})
    assert same(both.take(np.arange(len(a))), a)
    assert same(both.take(np.arange(len(a), len(both))), b)


@pytest.mark.parametrize("kind", sorted(CLASSES))
def test_arrays_rebuild_the_artifact_and_reach_its_digest(kind):
    cls = CLASSES[kind]
    sizes = {"frame": 2, "atom": 3, "feature": 4, "member": 2, "parameter": 5, "element": 2}
    sizes |= {"xyz": 3, "abc": 3, "voigt": 6, "hash": 32}
    arrays = {v.name: np.ones([sizes[d] for d in v.dims], v.dtype) for v in KINDS[kind]}
    if "row_size" in arrays:
        arrays["row_size"] = np.array([1, 2])
    artifact = cls.from_arrays(arrays, {"of": "test"})
    assert same(cls.from_arrays(artifact.arrays, artifact.attributes), artifact)
    assert cls.from_arrays(arrays, {"of": "another"}).digest != artifact.digest
    for name, value in arrays.items():
        if name == "row_size":
            continue
        changed = value.copy()
        changed.flat[-1] = not changed.flat[-1]
        other = cls.from_arrays(arrays | {name: changed}, {"of": "test"})
        assert other.digest != artifact.digest, name


def test_every_wrong_shape_is_named_at_once():
    good = as_configurations([Configuration(**content())]).arrays
    wrong = {"positions": np.zeros((3, 2)), "charge": np.zeros(2), "pbc": np.zeros(3)}
    with pytest.raises(InvalidInput) as caught:
        Configurations.from_arrays(good | wrong, {})
    for part in ("positions: xyz is 2", "charge: frame is 2", "pbc has 1 dimensions"):
        assert part in str(caught.value)
    with pytest.raises(InvalidInput, match="row_size sums to 1, but there are 2 atoms"):
        Configurations.from_arrays(good | {"row_size": np.array([1])}, {})


def test_arrays_are_cast_to_the_type_of_the_schema():
    columns = as_configurations([Configuration(**content())])
    for variable in columns.variables():
        assert columns.arrays[variable.name].dtype == np.dtype(variable.dtype)


def test_frames_without_atoms_can_be_taken():
    picks = Selection(
        configuration_id=np.arange(96).reshape(3, 32),
        score=[3.0, 2.0, 1.0],
        rank=[0, 1, 2],
        probe=[False, True, False],
        reason=[0, 1, 0],
        attributes={"reasons": ["far", "probe"]},
    )
    assert picks.take(picks.probe).rank.tolist() == [1]
    assert rows_of(picks, [picks.ids[2], picks.ids[0]]).tolist() == [2, 0]
    with pytest.raises(KeyError):
        rows_of(picks, ["ab" * 32])


# --- identity ----------------------------------------------------------------------------------


def content() -> dict:
    return {
        "numbers": np.array([1, 8], np.int32),
        "positions": np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
        "cell": 5 * np.eye(3),
        "pbc": np.array([True, True, False]),
        "charge": 0,
        "spin": 1,
    }


@pytest.mark.parametrize("name", sorted(content()))
def test_a_configurations_id_changes_with_any_of_its_content(name):
    value = content()[name]
    if isinstance(value, int):
        changed = value + 1
    elif value.dtype == bool:
        changed = ~value
    elif value.dtype == np.int32:
        changed = value[::-1].copy()
    else:
        changed = value.copy()
        changed[0, 0] = np.nextafter(changed[0, 0], 9.0)
    before = Configuration(**content())
    assert Configuration(**(content() | {name: changed})).id != before.id
    assert Configuration(**content()).id == before.id


def test_the_id_of_a_configuration_is_what_it_has_always_been():
    """A changed id would forfeit every ledger in use."""
    expected = "00336fa819f8125defc40de8606270ac577c182b83d68b759277bd7b0f14fb50"
    assert Configuration(**content()).id == expected


@settings(max_examples=40, deadline=None)
@given(configurations(least=1))
def test_negative_zero_is_zero_and_integers_of_any_width_are_equal(item):
    flipped = np.where(item.positions == 0.0, -0.0, item.positions)
    twin = Configuration(
        numbers=item.numbers.astype(np.int64),
        positions=np.asfortranarray(flipped),
        cell=item.cell + 0.0,
        pbc=item.pbc.astype(int),
        charge=np.int32(item.charge),
        spin=np.int64(item.spin),
    )
    assert twin.id == item.id


def test_result_digests_tell_status_and_every_number_apart():
    forces, stress = np.zeros((2, 3)), np.zeros(6)
    results = [
        ("accepted", -1.0, forces, stress),
        ("accepted", -1.0, forces, None),
        ("accepted", np.nextafter(-1.0, 0.0), forces, stress),
        ("accepted", -1.0, forces + 1e-300, stress),
        ("rejected", -1.0, forces, stress),
        ("failed", None, None, None),
        ("rejected", None, None, None),
    ]
    assert len({result_digest(*result) for result in results}) == len(results)
    assert result_digest("accepted", -1.0, -forces, stress) == result_digest(*results[0])


def test_the_null_checkpoint_has_no_members():
    null = null_checkpoint(np.array([1, 8]), np.array([-13.6, -2000.0]))
    assert null.is_null
    assert null.members == 0
    assert null.card == {"architecture": None}
    assert isinstance(null, Checkpoint)
    other = null_checkpoint(np.array([1, 8]), np.array([-13.6, -2000.1]))
    assert other.digest != null.digest


# --- ase ---------------------------------------------------------------------------------------


def test_atoms_keep_what_defines_them_and_lose_an_empty_cell():
    atoms = Atoms("OH", [[0, 0, 0], [0, 0, 1]], cell=[5, 6, 7], pbc=[True, False, True])
    atoms.info |= {"charge": -1, "spin": 0}
    item = from_atoms(atoms, charge=3, spin=2)
    assert (item.charge, item.spin) == (-1, 0)
    assert np.array_equal(item.cell, np.diag([5.0, 0.0, 7.0]))
    back = to_atoms(item)
    assert from_atoms(back).id == item.id
    boxed, bare = Atoms("OH", atoms.positions, cell=[9, 9, 9]), Atoms("OH", atoms.positions)
    assert from_atoms(boxed).id == from_atoms(bare).id


# --- digests -----------------------------------------------------------------------------------


def test_digests_agree_with_known_values(tmp_path):
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest.of_bytes(b"") == empty
    (tmp_path / "file").write_bytes(b"")
    assert digest.of_file(Path(tmp_path / "file")) == empty
    assert digest.canonical_json({"b": 1, "a": [True, None, "ä"]}) == '{"a":[true,null,"ä"],"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        digest.of_json({"a": float("nan")})


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(st.sampled_from([np.float64, np.int32, np.uint8]), hnp.array_shapes(min_side=0)))
def test_array_digests_depend_on_values_type_and_shape_only(array):
    strided = np.repeat(array, 2, axis=0)[::2]
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    assert digest.of_array(np.asfortranarray(array)) == digest.of_array(array)
    assert digest.of_array(strided) == digest.of_array(big_endian) == digest.of_array(array)
    assert digest.of_array(array[None]) != digest.of_array(array)
    assert digest.of_array(array.astype(np.complex128)) != digest.of_array(array)


def test_named_arrays_are_hashed_without_order_but_with_their_names():
    a, b = np.zeros(2), np.ones(2)
    assert digest.of_arrays({"a": a, "b": b}) == digest.of_arrays({"b": b, "a": a})
    assert digest.of_arrays({"a": a, "b": b}) != digest.of_arrays({"a": b, "b": a})
    assert digest.of_arrays({"a": a}, {"x": 1}) != digest.of_arrays({"a": a})


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), max_size=5))
def test_hashes_survive_as_bytes(raw):
    hexadecimal = [item.hex() for item in raw]
    packed = digest.to_bytes(hexadecimal)
    assert packed.shape == (len(raw), 32)
    assert digest.to_hex(packed) == hexadecimal


# --- records and errors ------------------------------------------------------------------------


class Inner(Record):
    share: float = Field(default=0.1, ge=0, le=1)


class Outer(Record):
    name: str
    inner: Inner = Inner()


def test_a_record_reports_every_violation_with_the_names_that_exist():
    bad = {"nam": "x", "inner": {"share": 2.0, "shares": 1}}
    with pytest.raises(InvalidParameters) as caught:
        Outer.checked(bad, "params.yaml", next_step="correct params.yaml")
    message = str(caught.value)
    assert message.startswith("params.yaml: 4 problems")
    assert "unknown name 'nam'; one of: inner, name" in message
    assert "unknown name 'inner.shares'; one of: share" in message
    assert "'inner.share'" in message
    assert "'name' is missing" in message
    assert "Next: correct params.yaml" in message


def test_records_are_frozen_and_equal_content_has_an_equal_digest():
    record = Outer(name="a")
    with pytest.raises(ValueError, match="frozen"):
        record.name = "b"
    assert Outer.checked({"inner": {"share": 0.1}, "name": "a"}, "x").digest == record.digest
    assert Outer(name="a", inner=Inner(share=0.2)).digest != record.digest
    assert json.loads(json.dumps(record.content())) == record.content()
    with pytest.raises(InvalidInput, match="finite"):
        Outer.checked({"name": "a", "inner": {"share": float("nan")}}, "x", InvalidInput)


ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if issubclass(kind, AldataError)])
def test_errors_cross_process_borders(kind):
    error = kind("it broke", where="here", expected="it whole", next_step="mend it")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error) == "here: it broke\n  Expected: it whole\n  Next: mend it"
    assert (copy.what, copy.where) == ("it broke", "here")
    assert copy.__doc__


# --- units -------------------------------------------------------------------------------------


def test_units_are_codata():
    from scipy import constants

    hartree = constants.physical_constants["Hartree energy in eV"]
    bohr = constants.physical_constants["Bohr radius"]
    assert pytest.approx(hartree[0], rel=1e-9) == units.EV_PER_HARTREE
    assert pytest.approx(bohr[0] * 1e10, rel=1e-9) == units.ANGSTROM_PER_BOHR
    assert pytest.approx(51.4220675, rel=1e-7) == units.EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR


def test_voigt_order_and_sign_are_those_of_ase():
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.stress import full_3x3_to_voigt_6_stress

    tensor = np.array([[1, 6, 5], [6, 2, 4], [5, 4, 3]])
    named = {"xx": 1, "yy": 2, "zz": 3, "yz": 4, "xz": 5, "xy": 6}
    expected = [named[pair] for pair in units.VOIGT_ORDER]
    assert full_3x3_to_voigt_6_stress(tensor).tolist() == expected
    stretched = bulk("Cu", a=3.75)
    stretched.calc = EMT()
    assert stretched.get_stress()[0] > 0
