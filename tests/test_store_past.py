"""Stores that earlier versions wrote (tests/past) are read by this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_stores import CLASSES

from aldata import store
from aldata.artifacts.schema import SCHEMA_VERSION

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
