"""Calls that fail, in whole projects: asked again at other settings, and not asked for elsewhere.

python -m pytest -m slow tests/test_loop_failures.py      (about four minutes)
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from ase.build import bulk
from projects import Project, made

from aldata.artifacts.documents import Manifest
from aldata.artifacts.frames import Labels, Selection
from aldata.ledger import Ledger

pytestmark = pytest.mark.slow

TESTS = str(Path(__file__).parent)


def ok(project: Project, *command: str) -> str:
    """Run with the calculators of these tests in reach."""
    return project.ok(*command, PYTHONPATH=f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


def cell(folder: Path) -> Path:
    """A gold-copper cell."""
    atoms = bulk("Au", "fcc", a=4.0, cubic=True)
    atoms.symbols[0] = "Cu"
    atoms.write(folder / "cell.xyz")
    return folder / "cell.xyz"


def running_stages(text: str) -> set[str]:
    return {line.split("'")[1] for line in text.splitlines() if line.startswith("Running stage")}


def test_calls_that_fail_are_asked_again_mixed_by_name_and_rebuilt(tmp_path: Path) -> None:
    settings = {"calculator": "trial_calculators.Noisy", "keywords": {"failing": 0.5}}
    again = {"patient": {"settings": {"keywords": {"failing": 0.0}}}}
    values = {
        "oracle": {"name": "ase", "settings": settings},
        "seed.test": None,
        "label.fallbacks": again,
    }
    project = made(tmp_path / "project", cell(tmp_path), values, 1)
    ok(project, "dvc", "repro", "curate@g000")
    labels, manifest = project.read(Labels, "g000"), project.read(Manifest, "g000")
    failed = int((~labels.accepted).sum())
    assert 0 < failed < 8
    assert len(labels) == 8 + failed + 2  # and an atom of each element
    assert labels.accepted[8:].all()
    roles = {entry.call: entry.role for entry in manifest.entries}
    assert {roles[call] for call in labels.fallback_of_call} == {"none"}
    assert len(project.ended_calls()) == 2 + 8 + failed + 2
    project.set({"generations.g000.curate": {"mix": ["patient"]}})
    assert running_stages(ok(project, "dvc", "repro", "curate@g000")) == {"curate@g000"}
    roles = {entry.call: entry.role for entry in project.read(Manifest, "g000").entries}
    assert sum(roles[call] != "none" for call in labels.fallback_of_call) == failed

    # the calls at both levels of theory come back from the labels alone
    ledger = Ledger(project.root / ".aldata" / "ledger")
    before = {record.call_id: record for record in ledger.records()}
    shutil.rmtree(ledger.folder)
    assert f"{len(before)} taken back" in ok(project, "aldata", "ledger", "rebuild")
    after = {record.call_id: record for record in ledger.records()}
    assert after.keys() == before.keys()
    for identity, record in before.items():
        assert after[identity].theory == record.theory
        assert after[identity].forces == record.forces
    ok(project, "dvc", "repro", "--force", "--single-item", "label@g000")
    assert project.read(Labels, "g000").digest == labels.digest
    assert not any(call["new"] for call in project.json("g000", "calls"))


def test_a_failed_region_is_not_asked_for_again(tmp_path: Path) -> None:
    """Compressed contacts do not converge: the next generation keeps away from them."""
    settings = {"calculator": "trial_calculators.Timid", "keywords": {"closest": 2.45}}
    values = {
        "oracle": {"name": "ase", "settings": settings},
        "seed.test": None,
        "label.max_failed": 1.0,
        "acquire.batch": 12,
    }
    project = made(tmp_path / "project", cell(tmp_path), values, 2)
    ok(project, "dvc", "repro", "label@g001")
    first = project.read(Labels, "g000")
    print("failed in g000", int((~first.accepted).sum()), "of", len(first))
    selection = project.read(Selection, "g001")
    print(selection.attributes["avoided"])
    second = project.read(Labels, "g001")
    print("failed in g001", int((~second.accepted).sum()), "of", len(second))
    assert 0 < int((~first.accepted).sum()) < len(first)
    assert selection.attributes["avoided"]["candidates"] > 0
