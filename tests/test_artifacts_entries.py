"""Data sets in short: nothing is lost, digests stay, and the spelled-out form is still read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aldata import store
from aldata.artifacts.documents import Entry, Manifest, Parent, Retraction, call_id
from aldata.errors import DamagedArtifact

IDS = st.sampled_from([f"{k:064x}" for k in range(6)])
WORDS = st.text("ab =/{}\n", max_size=6) | st.sampled_from(
    ["g000/trajectory-1", "g000/{configuration}", "a b"]
)


@st.composite
def entries(draw: Any) -> Entry:
    configuration = draw(IDS)
    return Entry(
        call=draw(st.sampled_from([call_id(configuration, "t"), "ab" * 32, ""]) | WORDS),
        configuration=configuration,
        result=draw(IDS),
        status=draw(st.sampled_from(["accepted", "failed"])),
        role=draw(st.sampled_from(["train", "valid", "probe", "none"])),
        purpose=draw(WORDS),
        lineage=draw(WORDS | st.just(f"g000/{configuration}")),
        duplicate_of=draw(st.none() | IDS),
    )


def manifest(found: list[Entry]) -> Manifest:
    return Manifest(
        generation="g000",
        parent=Parent(generation="seed", manifest="ab" * 32),
        theory_id="t",
        species=[1, 8],
        entries=found,
        retracted=[Retraction(call="cd" * 32, reason="a test")],
    )


@given(st.lists(entries(), max_size=8))
def test_what_is_stored_is_read_as_what_it_was(found: list[Entry]) -> None:
    whole = manifest(found)
    again = Manifest.model_validate(json.loads(json.dumps(whole.stored())))
    assert again == whole
    assert again.digest == whole.digest
    assert Manifest.model_validate(whole.content()) == whole


def ordinary(count: int) -> list[Entry]:
    return [
        Entry(
            call=call_id(f"{k:064x}", "t"),
            configuration=f"{k:064x}",
            result=f"{k + 1:064x}",
            status="accepted",
            role="train" if k % 4 else "probe",
            purpose="acquired" if k % 4 else "probe",
            lineage=f"g000/trajectory-{k % 3}" if k % 5 else f"g000/{k:064x}",
        )
        for k in range(count)
    ]


def test_a_call_takes_a_row_of_140_bytes(tmp_path: Path) -> None:
    whole = manifest(ordinary(1000))
    stated = store.write_document(tmp_path / "dataset.json", whole)
    assert stated == whole.digest
    assert (tmp_path / "dataset.json").stat().st_size < 1000 * 142
    assert store.read_document(tmp_path / "dataset.json", Manifest) == whole
    store.write_json(tmp_path / "long.json", whole.content())
    assert store.read_document(tmp_path / "long.json", Manifest).digest == stated


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calls": ["ab cd"]}, "entries cannot be read|not enough values"),
        ({"calls": ["ab cd 7"]}, "entries cannot be read"),
        ({"calls": ["ab cd 0 colour=red"]}, "unknown words: colour"),
        ({"groups": [{"status": "accepted"}]}, "entries cannot be read"),
        ({"calls": None}, "entries cannot be read"),
    ],
)
def test_a_damaged_row_is_one_error(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    content = manifest(ordinary(1)).stored()
    store.write_json(
        tmp_path / "dataset.json", {**content, "entries": {**content["entries"], **changes}}
    )
    with pytest.raises(DamagedArtifact, match=message):
        store.read_document(tmp_path / "dataset.json", Manifest)
