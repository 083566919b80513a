"""Audits of a real tree: a branch, a retraction and an experiment, computed by DVC."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from projects import Project

import aldata
from aldata import audit, params
from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import Manifest
from aldata.artifacts.frames import Candidates, Labels, Selection
from aldata.artifacts.schema import PURPOSES
from aldata.audit.life import life_of
from aldata.audit.retractions import due, retractions_of
from aldata.cli.main import main


def graph_of(project: Project) -> audit.Graph:
    return audit.Graph(audit.Index(project.root))


def model(graph: audit.Graph, record: audit.Recorded) -> dict[str, Any]:
    return audit.audit_model(graph, record)


def expected_uses(project: Project, generation: str, rev: str | None) -> dict[str, str]:
    """What a model uses, from the label stores and the roles in them."""
    labels = aldata.open("labels", generation, rev=rev, root=project.root)
    calls, roles = labels.quantity("call"), labels.quantity("role")
    gone, purpose = labels.column("retracted"), labels.column("purpose")
    accepted = labels.column("status") == 0
    uses = {}
    for call, role, out, why, sound in zip(calls, roles, gone, purpose, accepted, strict=True):
        if sound and why == PURPOSES.index("isolated_atom"):
            uses[str(call)] = "isolated_atom"
        elif role in ("train", "valid", "probe") and not out:
            uses[str(call)] = str(role)
    return uses


def retracted_in(project: Project) -> str:
    return project.read(Manifest, "g001b").retracted[0].call


def test_models_of_every_version_name_exactly_the_calls_that_the_stores_hold(
    grown: Project,
) -> None:
    graph = graph_of(grown)
    wrong = retracted_in(grown)
    for generation, rev in (
        ("g000", None), ("g001", None), ("g001b", None), ("g001", "chance"), ("g000", "HEAD~1"),
    ):  # fmt: skip
        version = None
        if rev is not None:
            commit = grown.ok("git", "rev-parse", rev if rev != "chance" else _tip(grown)).strip()
            version = commit
        record = audit.found_model(graph, generation, version)
        uses = {row["call"]: row["use"] for row in model(graph, record)["calls"]}
        expected = expected_uses(grown, generation, rev)
        if generation == "g001b":  # it went on from weights that had seen the call
            assert wrong not in expected
            expected[wrong] = "inherited"
        assert uses == expected, (generation, rev)


def _tip(project: Project) -> str:
    listed = project.ok("git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/")
    return next(line.split()[0] for line in listed.splitlines() if line.endswith("/chance"))


def test_model_to_calls_to_models_closes_for_every_model_and_every_call(grown: Project) -> None:
    graph = graph_of(grown)
    models = {r.checkpoint: r for r in graph.records if r.trained}
    assert len(models) == 4  # g000, g001, g001b, and g001 of the experiment
    backward = {
        checkpoint: {row["call"] for row in model(graph, record)["calls"]}
        for checkpoint, record in models.items()
    }
    forward: dict[str | None, set[str]] = {checkpoint: set() for checkpoint in models}
    everything = [row[0] for row in graph.index.rows("SELECT call FROM calls")]
    assert len(everything) > 30
    for call in everything:
        chosen = audit.selected(graph, [f"call:{call.hex()}"])
        for item in audit.audit_calls(graph, chosen)["reached"]:
            if item["checkpoint"] is not None:
                forward[item["checkpoint"]["digest"]].add(call.hex())
    assert forward == backward
    assert all(backward.values())


def test_a_retracted_call_is_traced_through_the_branch(grown: Project) -> None:
    graph = graph_of(grown)
    found = audit.audit_calls(graph, audit.selected(graph, [retracted_in(grown)]))
    assert found["missing"] == []
    uses = {
        (item["generation"], name): item["checkpoint"] and item["checkpoint"]["uses"]
        for item in found["reached"]
        for name in item["versions"]
    }
    assert uses["g000", "workspace"] == {"train": 1}
    assert uses["g001", "workspace"] == {"train": 1}
    assert uses["g001b", "workspace"] == {"inherited": 1}
    assert uses["g001", "experiment chance"] == {"train": 1}
    branch = next(item for item in found["reached"] if item["generation"] == "g001b")
    assert branch["dataset"]["roles"] == {"retracted": 1}
    assert "checkpoint of g000" in branch["decision"]["through"]
    assert branch["metrics"]["digest"] == graph.places["workspace"]["g001b"].metrics


def test_a_model_is_found_by_every_name_that_it_has(grown: Project, tmp_path: Path) -> None:
    import torch

    from aldata.potentials.export import to_mace

    graph = graph_of(grown)
    checkpoint = grown.read(Checkpoint, "g001")
    record = audit.found_model(graph, "g001")
    assert record.checkpoint == checkpoint.digest
    found = model(graph, record)
    torch.save(to_mace(checkpoint), tmp_path / "exported.model")
    runs = found["mlflow"]
    for name in (
        checkpoint.digest[:10], runs["run"], runs["members"][0],
        str(grown.path("g001", "checkpoint")), str(tmp_path / "exported.model"),
    ):  # fmt: skip
        assert audit.found_model(graph, name) is record, name


def test_the_chain_goes_down_to_the_geometry_that_started_it(grown: Project) -> None:
    graph = graph_of(grown)
    found = model(graph, audit.found_model(graph, "g001"))
    assert [link["generation"] for link in found["chain"]] == ["seed", "g000", "g001"]
    assert found["chain"][2]["explored_with"] == grown.read(Checkpoint, "g000").digest
    cell = grown.root / "structures" / "cell.xyz"
    assert found["origin"]["used"] == {
        "structures/cell.xyz": hashlib.sha256(cell.read_bytes()).hexdigest()
    }
    assert found["theory"]["record"] == grown.json("seed", "theory")["record"]
    assert found["training"] == grown.json("g001", "train.activity")
    assert found["missing"] == []
    selection = grown.read(Selection, "g001")
    facts = {fact["call_id"]: fact for fact in grown.json("g001", "calls")}
    own = [row for row in found["calls"] if row["generation"] == "g001"]
    assert own
    for row in own:
        place = selection.ids.index(row["configuration"])
        assert row["rank"] == int(selection.rank[place])
        assert row["score"] == float(selection.score[place])
        assert row["cpu_seconds"] == facts[row["call"]]["cpu_seconds"]


def test_git_alone_answers_as_well(grown: Project, tmp_path: Path) -> None:
    """A clone of the repository, without DVC's cache, the ledger and MLflow."""
    grown.ok("git", "clone", "--quiet", str(grown.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    assert not list(clone.root.glob("generations/*/*.zarr"))
    here, there = graph_of(grown), graph_of(clone)
    for generation in ("g000", "g001", "g001b"):
        ours = model(here, audit.found_model(here, generation))
        theirs = model(there, audit.found_model(there, generation))
        for name in ("versions", "revisions"):
            del ours[name], theirs[name]
        assert ours == theirs
    wrong = retracted_in(grown)
    ours, theirs = (
        {
            item["checkpoint"]["digest"]: item["checkpoint"]["uses"]
            for item in audit.audit_calls(g, audit.selected(g, [wrong]))["reached"]
        }
        for g in (here, there)
    )
    assert len(theirs) == 3  # an experiment is not in a clone
    assert theirs.items() <= ours.items()
    configuration = grown.read(Selection, "g001").ids[0]
    life = life_of(there, configuration)
    whole = life_of(here, configuration)
    workspace = [p for p in whole["picks"] if "workspace" in p["versions"]]
    for pick, same in zip(life["picks"], workspace, strict=True):
        assert {**pick, "versions": None} == {**same, "versions": None}
    assert life["judged"] == []
    assert any("candidates of g001" in line for line in life["missing"])
    assert whole["judged"][0]["generation"] == "g001"


def test_a_retraction_is_on_record_obeyed_and_leaves_its_models_tainted(grown: Project) -> None:
    (retraction,) = retractions_of(grown.root)
    wrong = retracted_in(grown)
    assert retraction.calls == [wrong]
    assert retraction.content["reason"] == "a wrong spin"
    assert f"retractions/{retraction.id}.json" in grown.ok("git", "ls-files", "retractions")
    (obeyed,) = grown.read(Manifest, "g001b").retracted
    assert obeyed.reason == f"a wrong spin ({retraction.id})"
    used = grown.json("g001b", "curate.activity")["used"]
    assert f"retractions/{retraction.id}.json" in used
    rows = {row["name"]: row for row in grown.status()["generations"]}
    assert {name: row["tainted"] for name, row in rows.items()} == {
        "g000": 1,
        "g001": 1,
        "g001b": 1,
    }
    graph = graph_of(grown)
    found = model(graph, audit.found_model(graph, "g001"))
    assert found["tainted"] == 1
    (row,) = [row for row in found["calls"] if row["retracted"]]
    assert (row["call"], row["retracted"]) == (wrong, obeyed.reason)
    plan = params.load(grown.root / "params.yaml")
    assert due(grown.root, plan, "g001") == {"obey": [retraction.id]}
    assert due(grown.root, plan, "g001b") == {}


def test_retract_shows_what_it_touches_then_rebuilds_from_there_and_can_be_revoked(
    grown: Project,
    copy_of: Callable[[Project], Project],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = copy_of(grown)
    monkeypatch.chdir(project.root)
    entries = project.read(Manifest, "g001").entries
    graph = graph_of(project)
    call = next(
        entry.call
        for entry in entries
        if entry.role == "train"
        # and which the experiment did not ask for as well
        and len(audit.reach(graph, audit.selected(graph, [entry.call]))) == 1
    )
    before = project.ok("git", "status", "--porcelain")
    assert main(["retract", call, "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"models": 1, "calibrations": 1, "decisions": 0, "metrics": 1}
    assert found["cost"]["from"] == found["cost"]["trained_again"] == ["g001"]
    assert found["cost"]["training_seconds"] > 0
    assert found["cost"]["calls_at_most"] == 0  # its own calls stay; nothing lies behind it
    assert project.ok("git", "status", "--porcelain") == before
    assert main(["retract", call]) == 1
    assert "has a reason" in capsys.readouterr().err
    assert main(["retract", call, "--reason", "no proof", "--from", "g009"]) == 1
    assert main(["retract", call, "--reason", "no proof", "--from", "g001"]) == 0
    assert "dvc repro" in capsys.readouterr().out
    new = next(item for item in retractions_of(project.root) if item.calls == [call])
    project.ok("dvc", "repro", "curate@g001")
    manifest = project.read(Manifest, "g001")
    assert [item.call for item in manifest.retracted] == [call]
    assert main(["retract", "--list"]) == 0
    assert f"{new.id}" in (text := capsys.readouterr().out)
    assert "obeyed from g001 on" in text
    assert main(["retract", "--revoke", new.id, "--reason", "the proof was found"]) == 0
    assert "g001 obey it" in capsys.readouterr().out
    assert main(["retract", "--revoke", new.id, "--reason", "again"]) == 1
    assert "revoked already" in capsys.readouterr().err
    plan = params.load(project.root / "params.yaml")
    (old,) = retractions_of(grown.root)
    assert due(project.root, plan, "g001") == {"obey": [old.id], "revoke": [new.id]}
    file = project.root / "retractions" / f"{new.id}.json"
    file.write_text(file.read_text().replace("no proof", "a proof"))
    done = project.run("python", "-m", "pipelines.curate", "g001")
    assert done.returncode == 1
    assert f"is not the retraction {new.id}" in done.stderr


@pytest.mark.slow
def test_advance_obeys_a_retraction_from_the_next_generation_on(
    grown: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(grown)
    (retraction,) = retractions_of(project.root)
    wrong = retracted_in(project)
    history = {name: project.read(Checkpoint, name).digest for name in ("g000", "g001", "g001b")}
    text = project.ok("aldata", "advance", "--parent", "g001")
    assert f"g002 will obey retraction {retraction.id}" in text
    manifest = project.read(Manifest, "g002")
    assert manifest.parent is not None
    assert manifest.parent.generation == "g001"
    assert [item.call for item in manifest.retracted] == [wrong]
    assert {name: project.read(Checkpoint, name).digest for name in history} == history
    rows = {row["name"]: row for row in project.status()["generations"]}
    assert {name: row["tainted"] for name, row in rows.items()} == {
        "g000": 1, "g001": 1, "g001b": 1, "g002": 0,
    }  # fmt: skip
    graph = graph_of(project)
    uses = {row["call"] for row in model(graph, audit.found_model(graph, "g002"))["calls"]}
    assert wrong not in uses
    assert uses == set(expected_uses(project, "g002", None))
    project.commit("one more")
    assert "will obey" not in project.ok("aldata", "advance", "--parent", "g002")
    assert project.read(Manifest, "g003").retracted == []
    assert wrong not in expected_uses(project, "g003", None)


def test_why_tells_the_life_of_a_configuration(
    grown: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(grown.root)
    candidates, selection = grown.read(Candidates, "g001"), grown.read(Selection, "g001")
    identity = selection.ids[0]
    row = candidates.ids.index(identity)
    assert main(["why", identity[:12], "--json"]) == 0
    life = json.loads(capsys.readouterr().out)
    pick = next(p for p in life["picks"] if "workspace" in p["versions"])
    start = bytes(candidates.parent_configuration[row]).hex()
    assert pick["parent_configuration"] == start
    assert pick["step"] == int(candidates.step[row])
    assert pick["explored_with"] == pick["model"] == grown.read(Checkpoint, "g000").digest
    assert pick["started_from"]["start"] == start
    assert pick["candidates"] == len(candidates)
    judged = life["judged"][0]["quantities"]["sigma_forces"]
    stored = aldata.open("candidates", "g001", root=grown.root)
    own = stored[np.flatnonzero(stored.column("generation") == "g001")]
    assert judged["value"] == pytest.approx(float(own.quantity("sigma_forces")[row]))
    assert 1 <= judged["place"] <= len(own) == judged["of"]
    labels = grown.read(Labels, "g001")
    call = labels.call_ids[labels.ids.index(identity)]
    assert {asked["call"] for asked in life["asked"]} == {call}
    assert main(["why", call[:12]]) == 0
    text = capsys.readouterr().out
    for part in (
        identity,
        "strategy information_gain_diversity",
        "proposed by dynamics",
        start,
        call,
    ):
        assert part in text
    spare = next(i for i in candidates.ids if i not in selection.ids)
    assert main(["why", spare[:16]]) == 0
    assert "never asked for" in capsys.readouterr().out
    assert main(["why", "0" * 20]) == 1
    assert "0 configurations have an id that begins so" in capsys.readouterr().err
