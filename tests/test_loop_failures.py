"""Calls that fail, in whole projects: asked again at other settings, and not asked for elsewhere.

python -m pytest -m slow tests/test_loop_failures.py      (about four minutes)
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from projects import Project, made

from aldata import audit
from aldata.acquire.distances import nearest, typical_spacing
from aldata.artifacts.documents import Manifest
from aldata.artifacts.frames import Candidates, Descriptors, Labels, Selection, rows_of
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

    graph = audit.Graph(audit.Index(project.root))
    other = labels.attributes["fallbacks"][0]["theory_id"]
    rows = audit.audit_calls(graph, audit.selected(graph, [f"theory:{other}"]))["calls"]
    assert {row["call"] for row in rows} == set(labels.fallback_of_call)
    assert {row["theory"] for row in rows} == {other}

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
    ok(project, "dvc", "repro", "describe@g001")
    first = project.read(Labels, "g000")
    assert 0 < int((~first.accepted).sum()) < len(first)
    distance, near = left_out(project)
    candidates = len(project.read(Candidates, "g001"))
    batch = candidates - len(near) + 2  # more than there is elsewhere
    asked = {"avoid_failed": distance, "batch": batch, "probe": 0.2}
    project.set({"generations.g001.acquire": asked})
    ok(project, "dvc", "repro", "label@g001")
    selection = project.read(Selection, "g001")
    assert selection.attributes["avoided"]["candidates"] == len(near)
    assert len(selection) == candidates - len(near)
    assert not near & set(project.read(Labels, "g001").ids)
    project.set({"generations.g001.acquire": {**asked, "avoid_failed": 0.0}})
    ok(project, "dvc", "repro", "acquire@g001")
    assert len(near & set(project.read(Selection, "g001").ids)) >= 2


def left_out(project: Project) -> tuple[float, set[str]]:
    """A distance, in spacings of the training set, and the candidates that it must leave out."""
    labels = project.read(Labels, "g000")
    earlier, here = (project.read(Descriptors, name) for name in ("g000", "g001"))
    count = int(here.attributes["candidates"])
    candidates = here.take(range(count))
    roles = {entry.call: entry.role for entry in project.read(Manifest, "g000").entries}
    trained = np.array([roles.get(call) in ("train", "valid") for call in labels.call_ids])
    failed, known = (
        earlier.take(rows_of(earlier, [labels.ids[row] for row in np.flatnonzero(rows)]))
        for rows in (~labels.accepted, trained)
    )
    spacing = typical_spacing(known)
    assert spacing is not None
    for distance in np.arange(0.5, 6.0, 0.25):
        near: set[int] = set()
        for number in np.unique(failed.numbers):
            theirs = failed.descriptor[failed.numbers == number]
            usual = known.descriptor[known.numbers == number]
            strange = theirs[nearest(theirs, usual) > distance * spacing]
            ours = np.flatnonzero(candidates.numbers == number)
            if len(strange):
                close = nearest(candidates.descriptor[ours], strange) <= distance * spacing
                near |= set(candidates.frame_of_atom[ours[close]].tolist())
        if 2 <= len(near) <= count // 2:
            return float(distance), {candidates.ids[row] for row in near}
    raise AssertionError("no candidate is like a failed configuration")
