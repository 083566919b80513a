"""`aldata export`: what a computed project holds, as a file that says what it is."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace

import numpy as np
import pytest
from ase.io import read as ase_read
from projects import Project

from aldata import exchange, store
from aldata.artifacts.documents import Manifest, Theory
from aldata.artifacts.frames import Candidates, Labels
from aldata.artifacts.schema import PURPOSES
from aldata.cli.main import main
from aldata.errors import InvalidInput


def export(project: Project, *command: str) -> tuple[int, str]:
    text = io.StringIO()
    with contextlib.chdir(project.root), redirect_stdout(text), redirect_stderr(text):
        code = main(["export", *command])
    return code, text.getvalue()


@pytest.fixture
def project(metal: Project, copy_of: Callable[[Project], Project]) -> Project:
    return copy_of(metal)


def lineage(project: Project) -> Labels:
    parts = [project.read(Labels, name) for name in ("seed", "g000", "g001")]
    return Labels.concatenate(parts, parts[0].attributes)


def test_labels_of_a_lineage_with_their_theory(project: Project) -> None:
    code, text = export(project, "labels", "--generation", "g001", "-o", "all.xyz")
    assert code == 0, text
    everything = lineage(project)
    expected = everything.take(everything.accepted)
    assert f"{len(expected)} labels of seed, g000, g001 -> all.xyz" in text
    found = exchange.read(project.root / "all.xyz", exchange.Request())
    assert found.statement.theory == project.read(Theory, "seed")
    assert found.statement.source["dataset"] == project.read(Manifest, "g001").digest
    # a configuration that was labelled twice is one frame of an import
    assert set(found.labels.call_ids) <= set(expected.call_ids)
    assert set(found.labels.ids) == set(expected.ids)
    rows = {identity: row for row, identity in enumerate(expected.ids)}
    for row, identity in enumerate(found.labels.ids):
        mine, theirs = expected.take([rows[identity]]), found.labels.take([row])
        assert mine.energy.tobytes() == theirs.energy.tobytes()
        assert mine.forces.tobytes() == theirs.forces.tobytes()
        assert mine.stress.tobytes() == theirs.stress.tobytes()


def test_roles_are_those_of_the_data_set(project: Project) -> None:
    code, text = export(
        project, "--generation", "g001", "--roles", "train,valid", "-o", "t.parquet"
    )
    assert code == 0, text
    import pandas

    table = pandas.read_parquet(project.root / "t.parquet")
    assert set(table["role"]) <= {"train", "valid"}
    chain = [project.read(Manifest, name) for name in ("seed", "g000", "g001")]
    wanted = {e.call for m in chain for e in m.entries if e.role in {"train", "valid"}}
    assert set(table["call_id"]) == wanted
    assert set(table["generation"]) <= {"seed", "g000", "g001"}
    code, text = export(project, "--generation", "g001", "--roles", "training", "-o", "t.parquet")
    assert code == 1
    assert "train, valid, probe, none" in text


def test_configurations_and_candidates(project: Project) -> None:
    for kind, file in (("candidates", "c.aselmdb"), ("configurations", "c.xyz")):
        code, text = export(project, kind, "--generation", "g000", "-o", file)
        assert code == 0, text
        request = exchange.Request(labelled=False)
        found = exchange.read(project.root / file, request).frames
        candidates = project.read(Candidates, "g000")
        assert set(candidates.ids) <= set(found.ids)


def test_an_old_revision(project: Project) -> None:
    _, before = export(project, "--generation", "g001", "-o", "now.db")
    code, text = export(project, "--generation", "g001", "--rev", "HEAD", "-o", "then.db")
    assert code == 0, text
    assert before.split(" ->")[0] == text.split(" ->")[0]
    now, then = (
        exchange.read(project.root / f, exchange.Request()).labels for f in ("now.db", "then.db")
    )
    assert now.ids == then.ids
    assert np.array_equal(now.forces, then.forces)


def test_every_frame_says_at_which_level_of_theory_it_is(project: Project) -> None:
    """A call of an earlier generation that was answered by a fallback keeps the fallback's theory."""
    labels, other = project.read(Labels, "g000"), "a" * 64
    call = labels.call_ids[int(np.flatnonzero(labels.accepted)[0])]
    fallbacks = [{"name": "looser", "theory_id": other, "calls": [call]}]
    attributes = {**labels.attributes, "fallbacks": fallbacks}
    store.write(project.path("g000", "labels"), replace(labels, attributes=attributes))
    code, text = export(project, "--generation", "g001", "-o", "mixed.parquet")
    assert code == 0, text
    import pandas

    table = pandas.read_parquet(project.root / "mixed.parquet").set_index("call_id")
    assert table["theory_id"][call] == other
    assert set(table["theory_id"].drop(call)) == {labels.attributes["theory_id"]}
    with pytest.raises(InvalidInput, match="2 levels of theory"):
        exchange.read(project.root / "mixed.parquet", exchange.Request())


def test_what_cannot_be_asked_for(project: Project) -> None:
    for command, expected in (
        (("--generation", "g009", "-o", "x.xyz"), "g009"),
        (("--generation", "g001", "-o", "x.unknown"), "its ending names no format"),
        (("candidates", "--generation", "g001", "--failed", "-o", "x.xyz"), "have no roles"),
        (("--generation", "g001", "-o", "nowhere/x.xyz"), "cannot be written"),
    ):
        code, text = export(project, *command)
        assert code == 1
        assert expected in text
    assert not list(project.root.glob("*x.*"))


def test_an_export_trains_another_project(project: Project) -> None:
    """Into a project at the same level of theory it goes without a word about units or theory."""
    export(project, "--generation", "g000", "--roles", "train", "-o", "train.aselmdb")
    assert len(ase_read(project.root / "train.aselmdb", ":")) > 0
    text = project.ok("aldata", "import", "train.aselmdb", "--as", "labels")
    assert "labels of g000 already" in text
    assert "trained on here" not in text
    export(project, "--generation", "g000", "-o", "all.aselmdb")
    text = project.ok("aldata", "import", "all.aselmdb", "--as", "labels", "--replace")
    tests = int((lineage(project).purpose == PURPOSES.index("test")).sum())
    assert f"{tests} frames were test frames where they come from" in text


def test_a_condition_chooses_what_is_written(project: Project) -> None:
    everything = lineage(project)
    everything = everything.take(everything.accepted & (everything.row_size > 1))
    norms = np.linalg.norm(everything.forces, axis=1)
    largest = np.array([norms[everything.atoms_of(k)].max() for k in range(len(everything))])
    limit = float(np.median(largest))
    code, text = export(
        project,
        *("labels", "--generation", "g001", "-o", "calm.xyz"),
        *("--where", f"n_atoms > 1 and max_force < {limit!r}"),
    )
    assert code == 0, text
    found = exchange.read(project.root / "calm.xyz", exchange.Request())
    expected = {i for i, f in zip(everything.ids, largest, strict=True) if f < limit}
    assert set(found.labels.ids) == expected
    code, text = export(
        project, "labels", "--generation", "g001", "--where", "max_farce < 1", "-o", "none.xyz"
    )
    assert code == 1
    assert "max_force" in text
    assert not (project.root / "none.xyz").exists()
