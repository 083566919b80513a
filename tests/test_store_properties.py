"""Stores of any shape and any value: what is written is read, bit for bit, and the same every time."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_stores import CLASSES, files_of, made, same_bits

from aldata import store
from aldata.artifacts.columns import Array, Columns, Frames
from aldata.artifacts.frames import Configuration, Configurations, as_configurations

ODD = (0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1e308, 1 / 3)
"""Numbers that a careless writer changes: both zeros, no number, the smallest and a long one."""

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)
ATTRIBUTES = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=4)


def _spoiled(draw: st.DrawFn, array: Array) -> Array:
    """The array as drawn, all zero, or with odd numbers in it."""
    way = draw(st.sampled_from(["as it is", "zero", "odd"]))
    if way == "zero":
        return np.zeros_like(array)
    if way == "odd" and array.dtype.kind == "f" and array.size:
        array = array.copy()
        array.reshape(-1)[:: draw(st.integers(1, 4))] = draw(st.sampled_from(ODD))
    return array


@st.composite
def artifacts(draw: st.DrawFn, kind: str) -> Columns:
    row_size = draw(st.lists(st.integers(0, 5), max_size=7))
    free = {
        "feature": draw(st.sampled_from([0, 1, 3, 900])),
        "member": draw(st.integers(0, 3)),
        "parameter": draw(st.sampled_from([0, 1, 1000])),
        "element": draw(st.integers(0, 3)),
    }
    whole = made(CLASSES[kind], row_size, seed=draw(st.integers(0, 99)), **free)
    arrays = {
        name: array if name == "row_size" else _spoiled(draw, array)
        for name, array in whole.arrays.items()
    }
    return CLASSES[kind].from_arrays(arrays, draw(ATTRIBUTES))


@pytest.mark.parametrize("kind", CLASSES)
def test_what_is_written_is_read_bit_for_bit_and_always_the_same(kind: str) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        whole = data.draw(artifacts(kind))
        with tempfile.TemporaryDirectory() as folder:
            first, second = Path(folder) / "one.zarr", Path(folder) / "two.zarr"
            written = store.write(first, whole)
            again = store.read(first, CLASSES[kind])
            assert written == whole.digest == again.digest
            assert same_bits(again, whole)
            assert dict(again.attributes) == dict(whole.attributes)
            if isinstance(whole, Frames):
                cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=4).map(sorted))
                assert _streamed(second, whole, cuts) == written
            else:
                store.write(second, again)
            assert files_of(first) == files_of(second)

    holds()


def _streamed(path: Path, whole: Frames, cuts: Sequence[int]) -> str:
    with store.writer(path, type(whole), whole.attributes) as out:
        for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            out.append(whole.part(start, stop))
    return out.digest


@st.composite
def geometries(draw: st.DrawFn) -> Configuration:
    n = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    pbc = np.array([draw(st.booleans()) for _ in range(3)])
    return Configuration(
        numbers=rng.integers(1, 90, n),
        positions=rng.normal(size=(n, 3)),
        cell=np.where(pbc[:, None], rng.normal(size=(3, 3)) + 5.0 * np.eye(3), 0.0),
        pbc=pbc,
        charge=draw(st.integers(-3, 3)),
        spin=draw(st.integers(0, 3)),
    )


@settings(max_examples=20, deadline=None)
@given(frames=st.lists(geometries(), max_size=5))
def test_configurations_keep_their_ids_periodicity_charge_and_spin(frames: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.zarr"
        store.write(path, as_configurations(frames))
        again = store.read(path, Configurations)
        assert again.ids == [frame.id for frame in frames]
        for mine, theirs in zip(frames, again, strict=True):
            assert theirs.id == mine.id
            assert theirs.pbc.tolist() == mine.pbc.tolist()
            assert (theirs.charge, theirs.spin) == (mine.charge, mine.spin)
