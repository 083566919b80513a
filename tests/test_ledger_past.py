"""Objects that earlier versions wrote, and the page about what a call holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from aldata.errors import LedgerError
from aldata.ledger import Ledger
from aldata.ledger.reference import NAMES, PARTS, page

ROOT = Path(__file__).parents[1]
PAST = sorted(ROOT.glob("tests/past/ledger*"))


@pytest.mark.parametrize("past", PAST, ids=lambda path: path.name)
def test_what_an_older_version_stored_is_read(tmp_path: Path, past: Path) -> None:
    ledger = Ledger(shutil.copytree(past, tmp_path / "ledger"))
    records = list(ledger.records())
    assert len(records) == len(list(past.glob("calls/*/*.json"))) == 5
    assert sorted((r.status, r.failure) for r in records) == [
        *[("accepted", "none")] * 3,
        ("failed", "not_converged"),
        ("rejected", "forces_too_large"),
    ]
    for record in records:
        assert record.configuration.configuration().id == record.configuration_id
        assert record.theory.id == record.theory_id
        assert ledger.find(record.call_id) == record
        assert ledger.attempts(record.call_id) == record.attempts
    metal = next(r for r in records if r.theory.oracle == "emt" and r.status == "accepted")
    assert (
        metal.energy
        == json.loads(next(past.glob(f"calls/*/{metal.call_id}*")).read_text())["content"]["energy"]
    )
    assert np.shape(metal.stress) == (6,)
    crashed = next(path.name for path in past.glob("attempts/18/*"))
    assert [a.exit_code for a in ledger.attempts(crashed)] == [3, 3]


def test_an_old_record_is_written_again_in_the_new_format(tmp_path: Path) -> None:
    ledger = Ledger(shutil.copytree(PAST[0], tmp_path / "ledger"))
    record = next(ledger.records())
    ledger.store(record)
    (path,) = ledger.folder.glob(f"calls/*/{record.call_id}.json")
    assert json.loads(path.read_text())["format"] == 2
    assert ledger.find(record.call_id) == record


def test_a_future_format_says_upgrade(tmp_path: Path) -> None:
    ledger = Ledger(shutil.copytree(PAST[0], tmp_path / "ledger"))
    path = next(ledger.folder.glob("calls/*/*.json"))
    path.write_text(path.read_text().replace('"format": 1', '"format": 3'))
    with pytest.raises(LedgerError, match="upgrade aldata"):
        ledger.find(path.stem)


def test_the_page_of_calls_is_current() -> None:
    command = "python -m aldata.ledger.reference > docs/calls.md"
    assert (ROOT / "docs" / "calls.md").read_text() == page(), f"run: {command}"


def test_the_page_explains_every_field_and_names_none_that_is_not_there() -> None:
    fields = {f"{part.__name__}.{name}" for part in PARTS for name in part.model_fields}
    assert set(NAMES) <= fields
    rows = [line.split("|") for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(fields)
    assert [row[1] for row in rows if len(row[2].strip()) < 10] == []
