"""Stores that earlier versions wrote (tests/past) are read by this one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_stores import CLASSES

from aldata import store
from aldata.archive.columns import column_of
from aldata.artifacts.frames import Candidates
from aldata.artifacts.schema import CANDIDATES, KINDS, SCHEMA_VERSION, Variable
from aldata.store.metadata import layout_of

PAST = Path(__file__).with_name("past")
STORES = sorted(PAST.glob("schema*/*.zarr"))


def test_every_version_so_far_left_a_store_of_every_kind() -> None:
    """After raising SCHEMA_VERSION, run tests/past/make.py once."""
    found = {path.parent.name for path in STORES}
    assert found == {f"schema{version}" for version in range(1, SCHEMA_VERSION + 1)}
    assert {path.stem for path in STORES if path.parent.name == f"schema{SCHEMA_VERSION}"} == set(
        CLASSES
    )


@pytest.mark.parametrize("path", STORES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_store_of_the_past_is_read_with_the_values_it_was_given(path: Path) -> None:
    expected = json.loads((path.parent / "expected.json").read_text(encoding="utf-8"))[path.stem]
    again = store.read(path, CLASSES[path.stem])
    assert again.digest == expected["digest"]
    assert again.attributes == expected["attributes"]
    for name, stated in expected["arrays"].items():
        array = again.arrays[name]
        assert list(array.shape) == stated["shape"]
        assert str(array.dtype) == stated["dtype"]
        assert array.reshape(-1)[0].item() == stated["first"]
        assert array.reshape(-1)[-1].item() == stated["last"]


@pytest.mark.parametrize(
    "variable", [v for v in CANDIDATES if v.since > 1], ids=lambda variable: variable.name
)
def test_what_an_older_store_lacks_has_one_value_for_all_its_frames(variable: Variable) -> None:
    """Alone, and as the beginning of a lineage that goes on with newer stores."""
    old, new = (PAST / f"schema{version}" / "candidates.zarr" for version in (1, SCHEMA_VERSION))
    assert not (old / variable.name).exists()
    before, after = (store.read(path, Candidates).arrays[variable.name] for path in (old, new))
    assert before.dtype == after.dtype
    np.testing.assert_array_equal(before, np.full(4, variable.before))
    joined = column_of(variable, [layout_of(old), layout_of(new)])
    np.testing.assert_array_equal(joined.span(1, 8), np.concatenate([before, after])[1:])
    np.testing.assert_array_equal(
        joined.take(np.array([6, 0]), np.array([1, 0])), [after[2], before[0]]
    )


def test_only_numbers_of_frames_were_added_since_the_first_version() -> None:
    added = [v for kind in KINDS.values() for v in kind if v.since > 1]
    assert added
    assert {v.dims for v in added} == {("frame",)}
