"""docs/format.md: its tables are the schema's, and a reader written from it alone reads every store."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format_reader import Store, array_digest, configuration_id
from made_stores import CLASSES, made

from aldata import store
from aldata.artifacts.documents import call_id
from aldata.artifacts.frames import Configuration, Labels, as_configurations, result_digest
from aldata.artifacts.schema import SIZES
from aldata.store import metadata

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "format.md").read_text(encoding="utf-8")


def _tables() -> Any:
    spec = importlib.util.spec_from_file_location("format_tables", DOCS / "format_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_the_schema() -> None:
    """If not: python docs/format_tables.py."""
    assert _tables().with_tables(PAGE) == PAGE


def test_fixed_sizes_and_attributes_of_the_group_are_described(tmp_path: Path) -> None:
    for dimension, size in SIZES.items():
        assert f"`{dimension}` {size}" in PAGE
    store.write(tmp_path / "l.zarr", made(Labels, [1]))
    group = json.loads((tmp_path / "l.zarr" / "zarr.json").read_text())
    table = PAGE.split("## Attributes of the group")[1].split("##")[0]
    described = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(described) == sorted(group["attributes"])


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("row_size", [[3, 1, 0, 2], []])
def test_the_reader_of_the_page_reads_every_kind(
    tmp_path: Path, kind: str, row_size: list[int]
) -> None:
    whole = made(CLASSES[kind], row_size, attributes={"Å": [1e-05, 1e16, 0.1, -0.0, None]})
    store.write(tmp_path / "s.zarr", whole)
    read = Store(tmp_path / "s.zarr")
    assert read.damage() == []
    assert read.attributes["digest"] == whole.digest
    for name, array in whole.arrays.items():
        assert read.elements(name) == array.reshape(-1).tolist()
    if "row_size" in whole.names() and row_size:
        frame = read.frame(3)
        part = whole.take([3])  # type: ignore[attr-defined]
        assert frame == {name: array.reshape(-1).tolist() for name, array in part.arrays.items()}


def test_the_reader_joins_chunks_and_finds_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "CHUNK_LIMIT", metadata.PAGE)
    labels = made(Labels, [50] * 400)
    store.write(tmp_path / "l.zarr", labels)
    read = Store(tmp_path / "l.zarr")
    assert (tmp_path / "l.zarr" / "forces" / "c" / "2" / "0").exists()
    assert read.elements("forces") == labels.arrays["forces"].reshape(-1).tolist()
    assert read.damage() == []
    chunk = tmp_path / "l.zarr" / "energy" / "c" / "0"
    content = bytearray(chunk.read_bytes())
    content[9] ^= 4
    chunk.write_bytes(content)
    assert read.damage() == ["energy", "digest"]


def test_the_worked_example() -> None:
    section = PAGE.split("### Worked example")[1].split("\n## ")[0]
    example = json.loads(section.split("```json")[1].split("```")[0])
    positions = [x for row in example["positions"] for x in row]
    found = configuration_id(example)
    configuration = Configuration(
        numbers=np.array(example["numbers"]),
        positions=np.array(example["positions"]),
        cell=np.array(example["cell"]),
        pbc=np.array(example["pbc"]),
        charge=example["charge"],
        spin=example["spin"],
    )
    assert found == configuration.id
    stated = re.findall(r"\b[0-9a-f]{64}\b", section)
    assert stated[0] == array_digest("int32", [2], example["numbers"])
    assert stated[1] == array_digest("float64", [2, 3], positions)
    assert found in stated
    assert as_configurations([configuration]).ids == [found]


def test_ids_of_calls_and_results_are_as_described() -> None:
    from format_reader import canonical, digest_of_arrays, sha256

    assert call_id("a", "b") == sha256(canonical({"configuration": "a", "theory": "b"}))
    forces = np.array([[1.0, -0.0, 2.0]])
    digests = {
        "energy": array_digest("float64", [1], [-1.5]),
        "forces": array_digest("float64", [1, 3], [1.0, 0.0, 2.0]),
        "stress": array_digest("float64", [0], []),
    }
    stated = digest_of_arrays(digests, {"status": "accepted"})
    assert result_digest("accepted", -1.5, forces, None) == stated
