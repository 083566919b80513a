"""The loop as a user runs it: real `dvc repro`, real oracles, two generations."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import yaml
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from projects import Project

from aldata import digest
from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.conversion import to_atoms
from aldata.artifacts.documents import Calibration, Manifest
from aldata.artifacts.frames import Candidates, Labels, Selection
from aldata.artifacts.schema import PURPOSES
from aldata.curate import members, verify_chain


def _chain(project: Project) -> list[Manifest]:
    return [project.read(Manifest, g) for g in ("seed", "g000", "g001")]


def test_status_reports_both_generations(metal: Project) -> None:
    rows = metal.status()["generations"]
    assert [row["name"] for row in rows] == ["g000", "g001"]
    assert [row["parent"] for row in rows] == ["seed", "g000"]
    for row in rows:
        assert {"strategy", "accepted", "rejected", "failed", "oracle_seconds", "stale"} <= set(row)
        assert row["accepted"] + row["rejected"] + row["failed"] == 8
        assert row["stale"] is False
        assert row["metrics"]["test"]["generated"]["forces_rmse_meV_per_A"] > 0
    assert rows[0]["strategy"] == "farthest_point"
    assert rows[1]["strategy"] == "information_gain_diversity"
    assert rows[1]["metrics"]["probe"]["forces_rmse_meV_per_A"] > 0


def test_status_prints_a_table(metal: Project) -> None:
    text = metal.ok("aldata", "status")
    assert re.search(r"g001\s+g000\s+information_gain_diversity\s+\d", text)
    assert "mlflow ui" in text


def test_status_while_dvc_is_at_work_says_so(metal: Project) -> None:
    """The lock is one of DVC's own, held by a process that lives."""
    holder = {"pid": os.getpid(), "cmd": "dvc repro"}
    held = {"read": {}, "write": {str(metal.path("g001", "labels")): holder}}
    path = metal.root / ".dvc" / "tmp" / "rwlock"
    path.write_text(json.dumps(held))
    try:
        text = metal.ok("aldata", "status")
        assert "Another DVC command is at work here" in text
        assert re.search(r"g001\s+g000\s+information_gain_diversity\s+\d", text)
        assert metal.status()["busy"] is True
        refused = metal.run("aldata", "advance")
        assert f"at work here (PID {os.getpid()}): dvc repro" in refused.stderr
        assert "wait until it has ended" in refused.stderr
    finally:
        path.unlink()
    assert metal.status()["busy"] is False


def test_labels_are_periodic_with_stress(metal: Project) -> None:
    labels = metal.read(Labels, "g001")
    assert labels.pbc.all()
    assert np.isfinite(labels.stress[labels.accepted]).all()


def test_the_manifests_form_a_chain_and_the_probe_is_never_trained_on(metal: Project) -> None:
    chain = _chain(metal)
    verify_chain(chain)
    roles = members(chain)
    probes = set(roles["probe"])
    entries = [entry for manifest in chain for entry in manifest.entries]
    drawn = {entry.call for entry in entries if entry.purpose == "probe"}
    assert len(drawn) == 4
    for entry in entries:
        if entry.call in drawn and entry.role != "probe":
            assert entry.role == "none", "a drawn probe frame is learned from"
            assert entry.duplicate_of, "a drawn probe frame was dropped for no reason"
    assert drawn & probes
    assert not probes & (set(roles["train"]) | set(roles["valid"]))
    for generation in ("g000", "g001"):
        labels, selection = metal.read(Labels, generation), metal.read(Selection, generation)
        asked = {i for i, p in zip(selection.ids, selection.probe, strict=True) if p}
        drawn = labels.purpose == PURPOSES.index("probe")
        assert {labels.ids[row] for row in np.flatnonzero(drawn)} == asked


def test_every_candidate_has_its_lineage(metal: Project) -> None:
    candidates = metal.read(Candidates, "g001")
    parent = metal.read(Labels, "g000")
    assert candidates.attributes["checkpoint"] == metal.read(Checkpoint, "g000").digest
    parents = {bytes(row).hex() for row in candidates.parent_configuration}
    assert parents <= set(parent.ids)
    assert (candidates.temperature > 0).all()
    assert len(candidates.attributes["trajectories"]) == len(set(candidates.trajectory.tolist()))


def test_the_checkpoint_names_what_it_was_made_from(metal: Project) -> None:
    checkpoint = metal.read(Checkpoint, "g001")
    assert checkpoint.card["dataset"] == metal.read(Manifest, "g001").digest
    assert metal.read(Calibration, "g001").checkpoint == checkpoint.digest
    assert checkpoint.members == 4


def test_stages_use_and_generate_what_dvc_yaml_says(metal: Project) -> None:
    stages = yaml.safe_load((metal.root / "dvc.yaml").read_text())["stages"]
    for generation, parent in (("g000", "seed"), ("g001", "g000")):
        chain = {"seed", *({"g000"} if generation == "g001" else set())}
        for verb, entry in stages.items():
            if verb in {"seed", "record", "record-seed"}:
                continue
            stage = entry["do"]
            deps = {_resolved(d, generation, parent) for d in stage["deps"]}
            outs = {_resolved(o, generation, parent) for o in _outs(stage)}
            path = metal.root / "generations" / generation / f"{verb}.activity.json"
            activity = json.loads(path.read_text())
            undeclared = set(activity["used"]) - deps
            # The manifest's hash chain stands for everything that ancestors hold.
            allowed = {p for p in undeclared if p.split("/")[1] in chain}
            own = {f"generations/{generation}/labels.zarr"}
            assert undeclared - allowed - own == set(), f"{verb} reads {undeclared - allowed}"
            unused = {d for d in deps if d not in {"structures", "test_sets", "noise"}} - set(
                activity["used"]
            )
            assert not unused, f"{verb} declares but does not read {unused}"
            generated = set(activity["generated"]) | {
                f"generations/{generation}/{verb}.activity.json"
            }
            assert generated == outs


def test_the_seed_names_the_file_and_the_settings_it_was_made_from(metal: Project) -> None:
    activity = metal.json("seed", "record/seed.activity")
    cell = metal.root / "structures" / "cell.xyz"
    assert activity["used"] == {"structures/cell.xyz": digest.of_file(cell)}
    assert activity["parameters"]["oracle"]["name"] == "emt"


def _outs(stage: dict[str, Any]) -> list[str]:
    found: list[Any] = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
    return [next(iter(o)) if isinstance(o, dict) else o for o in found]


def _resolved(path: str, generation: str, parent: str) -> str:
    return path.replace("${key}", generation).replace("${item.parent}", parent)


def test_git_alone_holds_the_record(metal: Project) -> None:
    tracked = metal.ok("git", "ls-files", "generations").split()
    for generation in ("seed", "g000", "g001"):
        assert f"generations/{generation}/record/dataset.json" in tracked
    assert not [path for path in tracked if ".zarr" in path]
    activities = [
        p for p in tracked if p.startswith("generations/g001/record/") and "activity" in p
    ]
    assert len(activities) == 8


def test_mlflow_has_a_run_per_generation_and_member(metal: Project) -> None:
    database = sqlite3.connect(metal.root / "mlflow.db")
    runs = dict(database.execute("select run_uuid, name from runs where status = 'FINISHED'"))
    tags = database.execute("select run_uuid, key, value from tags").fetchall()
    database.close()
    nested = {run for run, key, _ in tags if key == "mlflow.parentRunId"}
    assert len(runs) == 2 * (1 + 4)
    assert len(nested) == 2 * 4
    digests = {value for _, _, value in tags}
    assert metal.read(Checkpoint, "g001").digest in digests


def _numbers(project: Project, generation: str) -> tuple[dict[str, float], dict[str, str]]:
    """Latest metrics, and tags, of the one MLflow run of a generation."""
    database = sqlite3.connect(project.root / "mlflow.db")
    [(run,)] = database.execute(
        "select run_uuid from runs where name = ?", (generation,)
    ).fetchall()
    asked = "select key, value from {} where run_uuid = ?"
    metrics, tags = (
        dict(database.execute(asked.format(table), (run,)).fetchall())
        for table in ("latest_metrics", "tags")
    )
    database.close()
    return metrics, tags


def test_mlflow_has_the_numbers_of_the_learning_curve_and_of_the_metrics(metal: Project) -> None:
    for generation, parent in (("g000", "seed"), ("g001", "g000")):
        metrics, tags = _numbers(metal, generation)
        point = metal.json(generation, "history")[-1]
        shown = {k: v for k, v in point.items() if isinstance(v, int | float)}
        assert {"calls", "oracle_seconds", "test_forces_rmse_meV_per_A"} <= set(shown)
        assert {key: metrics[key] for key in shown} == shown
        test = metal.json(generation, "metrics")["test"]["generated"]
        for name, value in test.items():
            assert metrics[f"metrics/test.generated.{name}"] == value
        assert tags["aldata.parent"] == parent
        assert tags["aldata.strategy"] == point["strategy"]
    assert "probe_forces_rmse_meV_per_A" in shown
    own = metal.json("g001", "metrics")["probe_so_far"]["forces_rmse_meV_per_A"]
    assert point["probe_so_far_forces_rmse_meV_per_A"] == own


def test_a_second_repro_runs_nothing(metal: Project) -> None:
    before = metal.ended_calls()
    text = metal.ok("dvc", "repro")
    assert "Running stage" not in text
    assert metal.ended_calls() == before


def test_an_experiment_repeats_no_call(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    before = set(project.ended_calls())
    times = _mtimes(project, before)
    text = project.ok(
        "dvc", "exp", "run", "--temp", "-n", "chance", "-S", "acquire.strategy=random"
    )
    assert re.search(r"g000: 8 calls asked for, \d+ of them new", text)
    assert _mtimes(project, before) == times
    new = len(set(project.ended_calls()) - before)
    assert 0 < new <= 16
    shown = project.ok("dvc", "exp", "show", "--csv")
    assert "chance" in shown
    assert "forces_rmse_meV_per_A" in shown
    runs = sqlite3.connect(project.root / "mlflow.db")
    experiments = {
        v for (v,) in runs.execute("select value from tags where key like '%experiment%'")
    }
    runs.close()
    assert "chance" in experiments


def test_a_test_set_that_was_learned_from_is_named(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    labels = project.read(Labels, "g000")
    learned = set(members(_chain(project))["train"])
    rows = [row for row, call in enumerate(labels.call_ids) if call in learned]
    frames = []
    for row in rows[:2]:
        for displacement in (0.002, 0.3):
            atoms = to_atoms(labels[row])
            atoms.rattle(displacement, seed=row)
            atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=0 * atoms.positions)
            frames.append(atoms)
    write(project.root / "test_sets" / "mine.xyz", frames)
    project.set({"evaluate.test_sets": {"mine": "test_sets/mine.xyz"}})
    project.ok(sys.executable, "-m", "pipelines.evaluate", "g001")
    tests = project.json("g001", "metrics")["test"]
    assert tests["mine"]["near_copies"] == 2
    assert tests["generated"]["near_copies"] == 0
    metrics, _ = _numbers(project, "g001")
    before = project.path("g001", "metrics").read_bytes()
    (project.root / "mlflow.db").write_bytes(b"no database" * 1000)
    said = project.ok(sys.executable, "-m", "pipelines.evaluate", "g001")
    assert "MLflow has no numbers of g001" in said
    assert project.path("g001", "metrics").read_bytes() == before
    assert metrics["test_mine_forces_rmse_meV_per_A"] == tests["mine"]["forces_rmse_meV_per_A"]
    text = project.ok("aldata", "status")
    assert "test set 'mine': 2 of 4 frames nearly copy frames that were learned from" in text


def _mtimes(project: Project, calls: set[str]) -> dict[str, int]:
    folder = project.root / ".aldata" / "ledger" / "calls"
    return {call: (folder / call[:2] / f"{call}.json").stat().st_mtime_ns for call in calls}


def test_history_is_not_bought_again_by_accident(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    calls = project.ended_calls()
    original = (project.root / "params.yaml").read_text()
    project.set({"explore.samplers.0.temperatures": [350.0]})
    stale = {row["name"]: row["stale"] for row in project.status()["generations"]}
    assert stale == {"g000": False, "g001": True} or stale == {"g000": True, "g001": True}
    refused = project.run("aldata", "advance")
    assert refused.returncode == 1
    assert "g001" in refused.stderr
    assert "--allow-calls" in refused.stderr
    assert (project.root / "params.yaml").read_text() != original
    done = project.run("dvc", "repro")
    assert done.returncode != 0
    assert "git's history already holds this generation" in done.stderr
    assert project.ended_calls() == calls
    project.ok("dvc", "repro", "label@g001", ALDATA_ALLOW_CALLS="g001")
    assert len(project.ended_calls()) > len(calls)


def test_the_seed_is_not_bought_again_by_accident(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    calls = project.ended_calls()
    project.set({"seed.test.temperature": 700.0})
    done = project.run("python", "-m", "pipelines.seed")
    assert done.returncode == 1
    assert "6 new oracle calls" in done.stderr
    assert "ALDATA_ALLOW_CALLS=seed" in done.stderr
    assert project.ended_calls() == calls
    refused = project.run("aldata", "advance", "--allow-calls", "g000,g001")
    assert refused.returncode == 1
    assert "seed runs again from the start: at most 8 new calls" in refused.stderr


def test_advance_adds_a_branch_and_keeps_comments(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    text = project.ok("aldata", "advance", "--parent", "g000", "--name", "g001b")
    assert "Added g001b (parent g000)" in text
    rows = {row["name"]: row for row in project.status()["generations"]}
    assert rows["g001b"]["parent"] == "g000"
    assert rows["g001b"]["accepted"] > 0
    edited = (project.root / "params.yaml").read_text()
    assert "# The plan: a tree of generations." in edited
    assert project.read(Manifest, "g001b").parent == project.read(Manifest, "g001").parent


def test_a_damaged_store_stops_the_stage_that_reads_it(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    chunk = next((project.path("g001", "labels") / "energy" / "c").iterdir())
    content = bytearray(chunk.read_bytes())
    content[0] ^= 1
    chunk.unlink()
    chunk.write_bytes(content)
    done = project.run("python", "-m", "pipelines.curate", "g001")
    assert done.returncode == 1
    assert "energy" in done.stderr
    assert "labels.zarr" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_stages_never_work_on_one_generation(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    import fcntl

    project = copy_of(metal)
    lock = project.root / ".aldata" / "locks" / "g001"
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        done = project.run("python", "-m", "pipelines.curate", "g001")
    assert done.returncode == 1
    assert "another process works on this generation" in done.stderr
