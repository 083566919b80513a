"""Verification finds every damage, names it, and touches nothing; the index is only derived."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_calls import THEORY, attempt, record, stored_with_raw, tree

from aldata import digest
from aldata.ledger import Index, Ledger, verify


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "ledger")
    for number in range(3):
        stored_with_raw(ledger, float(number))
    return ledger


def test_a_sound_ledger_has_no_damage(ledger: Ledger) -> None:
    before = tree(ledger.folder)
    found = verify(ledger)
    assert (found.calls, found.attempts, found.raw_files) == (3, 3, 3)
    assert (found.damages, found.notes) == ([], [])
    assert tree(ledger.folder) == before


def resealed(path: Path, **changes: Any) -> None:
    """Change an object's content and give it the digest of what it now holds."""
    whole = json.loads(path.read_text())
    whole["content"] |= changes
    path.write_text(json.dumps({**whole, "digest": digest.of_json(whole["content"])}))


def other_configuration(path: Path) -> None:
    content = json.loads(path.read_text())["content"]["configuration"]
    resealed(path, configuration={**content, "charge": 1})


def test_every_kind_of_damage_is_named_and_left_where_it_is(ledger: Ledger) -> None:
    path = ledger.path_of(record(0.0).call_id)
    whole = path.read_text()
    cases = {
        "does not have the digest": lambda: path.write_text(whole.replace("-25.36", "-25.37")),
        "is not a whole object": lambda: path.write_text(whole[:99]),
        "another configuration": lambda: other_configuration(path),
        "another level of theory": lambda: resealed(
            path, theory={**THEORY.content(), "record": {"code": "other"}}
        ),
        "a call id that its configuration": lambda: resealed(path, call_id="0" * 64),
        "not one force per atom": lambda: resealed(path, forces=[(0.0, 0.0, 0.0)]),
        "accepted without a result": lambda: resealed(path, energy=None),
        "format 9": lambda: path.write_text(whole.replace('"format": 2', '"format": 9')),
        "unknown name 'colour'": lambda: resealed(path, colour="red"),
    }
    for text, damage in cases.items():
        path.write_text(whole)
        damage()
        before = tree(ledger.folder)
        problems = [problem for file, problem in verify(ledger).damages if file == str(path)]
        assert any(text in problem for problem in problems), (text, problems)
        assert tree(ledger.folder) == before
    path.write_text(whole)
    assert verify(ledger).damages == []


def test_an_object_under_another_name_is_found(ledger: Ledger) -> None:
    path = ledger.path_of(record(0.0).call_id)
    path.rename(path.with_name("f" * 64 + ".json"))
    ((file, problem),) = verify(ledger).damages
    assert file.endswith("f" * 64 + ".json")
    assert record(0.0).call_id in problem


def test_raw_files_are_compared_with_their_digests(ledger: Ledger) -> None:
    first, second, third = (record(float(n)).call_id for n in range(3))
    (changed,) = ledger.folder.glob(f"raw/??/{first}/*/input.json")
    changed.write_text("something else")
    (lost,) = ledger.folder.glob(f"raw/??/{second}/*/input.json")
    lost.unlink()
    (folder,) = ledger.folder.glob(f"raw/??/{third}/*")
    (folder / "input.json").unlink()
    folder.rmdir()
    found = verify(ledger)
    assert dict(found.damages) == {
        str(changed): "is not the file that the attempt left",
        str(lost): "is missing",
    }
    assert found.notes == ["raw files of 1 attempts are not here (exchanged without --raw)"]


def test_a_damaged_attempt_is_found(ledger: Ledger) -> None:
    identity = record(7.0).call_id
    ledger.add_attempt(identity, attempt(5, "crashed"))
    (path,) = ledger.folder.glob(f"attempts/??/{identity}/*")
    path.write_text(path.read_text().replace("crashed", "running"))
    ((file, problem),) = verify(ledger).damages
    assert (file, "digest" in problem) == (str(path), True)


def test_the_index_follows_the_objects(ledger: Ledger) -> None:
    with Index(ledger) as index:
        assert [row.call_id for row in index.rows()] == sorted(
            record(float(n)).call_id for n in range(3)
        )
        assert index.theories()[THEORY.id]["record"] == THEORY.record
        assert [row.cpu_seconds for row in index.rows()] == [2.0] * 3
    ledger.store(record(9.0, status="rejected", failure="forces_too_large"))
    ledger.path_of(record(0.0).call_id).unlink()
    ledger.store(record(1.0, status="failed", failure="not_converged", energy=None, forces=None))
    with Index(ledger) as index:
        rows = {row.call_id: row.status for row in index.rows()}
        assert rows == {
            record(1.0).call_id: "failed",
            record(2.0).call_id: "accepted",
            record(9.0).call_id: "rejected",
        }
        identity = record(9.0).configuration_id
        assert [row.status for row in index.of_configurations(identity[:9])] == ["rejected"]
        assert index.of_configurations("0" * 20) == []


def test_the_index_may_be_deleted_broken_or_unwritable(ledger: Ledger) -> None:
    file = ledger.folder / "index.sqlite"
    for act in (file.touch, file.unlink, lambda: file.write_bytes(b"not a database " * 99)):
        act()
        with Index(ledger) as index:
            assert len(index) == 3
    file.unlink()
    file.mkdir()  # nothing can be written there, whoever runs this
    with Index(ledger) as index:
        assert len(index) == 3


def test_the_index_names_damaged_objects_and_does_not_count_them(ledger: Ledger) -> None:
    path = ledger.path_of(record(0.0).call_id)
    path.write_text(path.read_text()[:-10])
    with Index(ledger) as index:
        assert (len(index), index.damaged) == (2, [path])
    assert path.exists()


def test_an_empty_ledger_is_no_error(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "nowhere")
    assert verify(ledger).calls == 0
    with Index(ledger) as index:
        assert len(index) == 0
    assert list(tmp_path.iterdir()) == []  # looking makes nothing
