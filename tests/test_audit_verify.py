"""`aldata verify`: every way to tamper with a project is found and named."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import Project

from aldata.artifacts.documents import Manifest
from aldata.artifacts.frames import Labels
from aldata.audit.sources import outs_of
from aldata.audit.verification.outs import md5_of
from aldata.cli.main import main

Verify = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Runs `aldata verify` in a project: its exit code and what it found."""

    def run(project: Project, *options: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.chdir(project.root)
        capsys.readouterr()
        code = main(["verify", "--json", *options])
        return code, json.loads(capsys.readouterr().out)

    return run


def flip(path: Path, at: int = -1) -> None:
    """Change one byte of a file, which may be a link into DVC's cache or read-only."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.unlink()
    path.write_bytes(content)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new, 1))


def a_byte_of_a_label_store(project: Project) -> str:
    flip(project.path("g001", "labels") / "energy" / "c" / "0")
    return "generations/g001/labels.zarr of workspace: not what was sealed: energy differ"


def a_byte_of_a_checkpoint(project: Project) -> str:
    flip(project.path("g000", "checkpoint") / "weights" / "c" / "0" / "0")
    return "generations/g000/checkpoint.zarr of workspace: not what was sealed: weights differ"


def a_byte_of_a_manifest(project: Project) -> str:
    entry = project.read(Manifest, "g000").entries[0].result
    other = ("0" if entry[0] != "0" else "1") + entry[1:]
    edit(project.path("g000", "dataset"), entry, other)
    return "generations/g000/dataset.json of workspace: its digest is"


def a_byte_of_a_ledger_object(project: Project) -> str:
    path = next((project.root / ".aldata" / "ledger" / "calls").glob("*/*.json"))
    edit(path, '"accepted"', '"rejected"')
    return f"{path}: does not have the digest it was written with"


def a_swapped_file(project: Project) -> str:
    paths = [project.path(generation, "checkpoint") for generation in ("g000", "g001")]
    paths[0].rename(project.root / "aside")
    paths[1].rename(paths[0])
    (project.root / "aside").rename(paths[1])
    return "generations/g000/checkpoint.zarr of workspace: is another store"


def an_edited_lock(project: Project) -> str:
    lock = project.root / "dvc.lock"
    md5 = outs_of(lock.read_text())["generations/g001/checkpoint.zarr"]
    other = ("0" if md5[0] != "0" else "1") + md5[1:]
    text = lock.read_text()
    place = text.index(md5, text.index("train@g001:"))
    lock.write_text(text[:place] + other + text[place + len(md5) :])
    return "generations/g001/checkpoint.zarr: is not what dvc.lock names"


def a_label_moved_between_roles(project: Project) -> str:
    """Everything about the data set itself is hashed anew: the model and the child still know."""
    folder = project.root / "generations" / "g000"
    manifest = project.read(Manifest, "g000")
    entries = list(manifest.entries)
    probe = next(i for i, entry in enumerate(entries) if entry.role == "probe")
    entries[probe] = entries[probe].model_copy(update={"role": "train"})
    other = manifest.model_copy(update={"entries": entries})
    before, text = manifest.digest, json.dumps(other.stored(), indent=1, sort_keys=True) + "\n"
    old = {
        path: md5_of(path)[0] for path in (folder / "dataset.json", folder / "curate.activity.json")
    }
    for path in (folder / "dataset.json", folder / "record" / "dataset.json"):
        path.unlink()
        path.write_text(text)
    for path in (folder / "curate.activity.json", folder / "record" / "curate.activity.json"):
        edit(path, before, other.digest)
    lock = (project.root / "dvc.lock").read_text()
    for path, md5 in old.items():
        lock = lock.replace(md5, md5_of(path)[0])
    record = outs_of(lock)["generations/g000/record"]
    lock = lock.replace(record, md5_of(folder / "record")[0])
    (project.root / "dvc.lock").write_text(lock)
    return f"train of g000 in workspace: used generations/g000/dataset.json with digest {before}"


def a_deleted_generation(project: Project) -> str:
    shutil.rmtree(project.root / "generations" / "g001b")
    lock = (project.root / "dvc.lock").read_text().splitlines(keepends=True)
    kept, keep = [], True
    for line in lock:
        if line.startswith("  ") and not line.startswith("   "):
            keep = "@g001b:" not in line
        kept += [line] if keep else []
    (project.root / "dvc.lock").write_text("".join(kept))
    lines = (project.root / "params.yaml").read_text().splitlines(keepends=True)
    plan = [line for line in lines if not line.strip().startswith("g001b:")]
    (project.root / "params.yaml").write_text("".join(plan))
    project.commit("as if it had never been")
    return "generation g001b: was recorded in commit"


def a_changed_mlflow_tag(project: Project) -> str:
    database = sqlite3.connect(project.root / "mlflow.db")
    database.execute("UPDATE tags SET value = 'feed' WHERE key = 'aldata.checkpoint'")
    database.commit()
    database.close()
    return "its tag aldata.checkpoint is feed, the activity says"


def a_record_rewritten_in_git(project: Project) -> str:
    edit(project.root / "generations" / "g001" / "record" / "calls.json", "accepted", "rejected")
    project.commit("a better past")
    return "generations/g001/calls.json: differs from its copy on record"


def a_users_file_changed(project: Project) -> str:
    edit(project.root / "structures" / "cell.xyz", "Cu", "Au")
    return "structures/cell.xyz: is not the file that seed of seed used"


def a_retraction_rewritten(project: Project) -> str:
    path = next((project.root / "retractions").glob("*.json"))
    edit(path, "a wrong spin", "a right spin")
    return f"retractions/{path.name}: is not the retraction of its name"


TAMPERING = (
    a_retraction_rewritten,
    a_byte_of_a_label_store,
    a_byte_of_a_checkpoint,
    a_byte_of_a_manifest,
    a_byte_of_a_ledger_object,
    a_swapped_file,
    an_edited_lock,
    a_label_moved_between_roles,
    a_deleted_generation,
    a_changed_mlflow_tag,
    a_record_rewritten_in_git,
    a_users_file_changed,
)


def test_a_sound_project_holds_in_every_version(grown: Project, verify: Verify) -> None:
    code, found = verify(grown, "--all")
    assert (code, found["broken"], found["missing"]) == (0, [], [])
    checked = found["checked"]
    for what in ("stores", "MLflow runs", "objects in DVC's cache", "records in git"):
        assert checked[what] > 10
    assert checked["objects in the ledger"] >= 2 * len(grown.ended_calls())


@pytest.mark.parametrize("tamper", TAMPERING)
def test_tampering_is_found_and_named(
    grown: Project,
    verify: Verify,
    copy_of: Callable[[Project], Project],
    tamper: Callable[[Project], str],
) -> None:
    project = copy_of(grown)
    expected = tamper(project)
    code, found = verify(project)
    assert code == 1
    lines = [f"{item['where']}: {item['problem']}" for item in found["broken"]]
    assert any(expected in line for line in lines), lines


def test_a_past_version_is_verified_from_git_and_the_cache(
    grown: Project, verify: Verify, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(grown)
    assert verify(project, "--rev", "chance")[0] == 0
    lock = outs_of(project.ok("git", "show", "HEAD:dvc.lock"))
    cache = project.root / ".dvc" / "cache" / "files" / "md5"
    md5 = lock["generations/g000/dataset.json"]
    flip(cache / md5[:2] / md5[2:], 5)
    code, found = verify(project, "--rev", "chance")
    assert code == 1
    assert any(md5[2:] in item["where"] for item in found["broken"])
    project.ok("git", "tag", "then", "HEAD~1")
    (cache / md5[:2] / md5[2:]).unlink()
    code, found = verify(project, "--rev", "then")
    assert code == 1
    assert found["broken"] == []
    assert any("generations/g000/dataset.json of" in line for line in found["missing"])
    assert verify(project, "--rev", "then", "--allow-missing")[0] == 0


def test_git_alone_is_verified_as_far_as_it_goes(
    grown: Project, verify: Verify, tmp_path: Path
) -> None:
    grown.ok("git", "clone", "--quiet", str(grown.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    code, found = verify(clone)
    assert (code, found["broken"]) == (1, [])
    for what in ("labels.zarr", "checkpoint.zarr", "the ledger", "MLflow"):
        assert any(what in line for line in found["missing"]), what
    assert not any("dataset.json" in line and "record" in line for line in found["missing"])
    assert verify(clone, "--allow-missing")[0] == 0
    record = clone.root / "generations" / "g000" / "record" / "dataset.json"
    edit(record, '"role": "probe"', '"role": "train"')
    code, found = verify(clone, "--allow-missing")
    assert code == 1
    lines = [f"{item['where']}: {item['problem']}" for item in found["broken"]]
    assert any("generations/g000/dataset.json" in line for line in lines)


def test_a_ledger_that_answers_otherwise_is_named(
    grown: Project, verify: Verify, copy_of: Callable[[Project], Project]
) -> None:
    from aldata.ledger import Ledger

    project = copy_of(grown)
    ledger = Ledger(project.root / ".aldata" / "ledger")
    call = project.read(Labels, "g001").call_ids[0]
    record = ledger.find(call)
    assert record is not None
    ledger.store(record.model_copy(update={"energy": record.energy + 0.001}))  # type: ignore[operator]
    code, found = verify(project)
    assert code == 1
    assert {"where": f"call {call}", "problem": "the ledger's result is not the one that the labels "
            "hold"} in found["broken"]  # fmt: skip
