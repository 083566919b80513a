"""Provenance in the forms that others read, read back by their own libraries; results computed again."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import Project
from prov.model import ProvActivity, ProvAgent, ProvDocument, ProvEntity
from rocrate.rocrate import ROCrate

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Labels
from aldata.audit.sources import outs_of
from aldata.cli.main import main
from aldata.ledger import Ledger


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs `aldata ...` in a project: exit code, standard output, standard error."""

    def run(project: Project, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(project.root)
        capsys.readouterr()
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return run


def export(form: str, target: Path) -> list[str]:
    return ["export", "provenance", "--generation", "g001", "--format", form, "-o", str(target)]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_crate_opens_and_lists_every_file_with_its_sha256(
    metal: Project, run: Callable[..., Any], tmp_path: Path
) -> None:
    licence = "https://creativecommons.org/licenses/by/4.0/"
    code, out, err = run(metal, *export("ro-crate", tmp_path / "crate"), "--licence", licence)
    assert (code, err) == (0, "")
    crate = ROCrate(tmp_path / "crate")
    files = {entity.id: entity for entity in crate.data_entities}
    on_disk = {path.name for path in (tmp_path / "crate").iterdir()}
    assert on_disk == {*files, "ro-crate-metadata.json"}
    assert {"dvc.yaml", "dvc.lock", "params.yaml", "seed.zip", "g000.zip", "g001.zip"} == set(files)
    for name, entity in files.items():
        content = (tmp_path / "crate" / name).read_bytes()
        assert entity["sha256"] == sha256(content)
        assert entity["contentSize"] == str(len(content))
    assert crate.root_dataset["license"] in (licence, crate.dereference(licence))
    calls = 0
    for name in ("seed", "g000", "g001"):
        with zipfile.ZipFile(tmp_path / "crate" / f"{name}.zip") as archive:
            listed = dict(
                reversed(line.split("  ", 1))
                for line in archive.read("sha256.txt").decode().splitlines()
            )
            inside = {item for item in archive.namelist() if item != "sha256.txt"}
            assert set(listed) == inside
            assert all(sha256(archive.read(item)) == listed[item] for item in inside)
            folders = {item.split("/")[1] for item in inside if item.startswith("calls/")}
            assert any(item.endswith("/input.json") for item in inside)
            calls += len(folders)
    assert calls == len(metal.ended_calls())
    assert out.startswith(f"{calls} calls")


def test_a_crate_says_what_ran_in_the_terms_of_its_profile(
    metal: Project, run: Callable[..., Any], tmp_path: Path
) -> None:
    assert run(metal, *export("ro-crate", tmp_path / "crate.zip"))[0] == 0
    crate = ROCrate(tmp_path / "crate.zip")
    assert crate.mainEntity.id == "dvc.yaml"
    assert "ComputationalWorkflow" in crate.mainEntity.type
    profiles = {entity.id for entity in crate.root_dataset["conformsTo"]}
    assert "https://w3id.org/ro/wfrun/workflow/0.5" in profiles
    actions = {e.id: e for e in crate.get_entities() if e.type == "CreateAction"}
    assert set(actions) == {e.id for e in crate.root_dataset["mentions"]}
    assert len(actions) == 1 + 1 + 2 * 8
    assert actions["#run"]["instrument"] is crate.mainEntity
    for action in actions.values():
        assert action["instrument"] is not None
        assert action["startTime"] <= action["endTime"]
    train = actions["#g001-train"]
    checkpoint = metal.read(Checkpoint, "g001").digest
    assert f"#sha256-{checkpoint}" in {entity.id for entity in _all(train["result"])}
    used = {entity["identifier"] for entity in _all(train["object"])}
    activity = metal.json("g001", "train.activity")
    assert used == {f"sha256:{value}" for value in activity["used"].values()}


def _all(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_an_eln_file_has_one_folder_with_the_crate(
    metal: Project, run: Callable[..., Any], tmp_path: Path
) -> None:
    assert run(metal, *export("eln", tmp_path / "g001.eln"))[0] == 0
    with zipfile.ZipFile(tmp_path / "g001.eln") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"g001"}
        metadata = json.loads(archive.read("g001/ro-crate-metadata.json"))
        archive.extractall(tmp_path / "out")
    graph = {entity["@id"]: entity for entity in metadata["@graph"]}
    assert graph["ro-crate-metadata.json"]["sdPublisher"]
    assert {"@id": "g001.zip"} in graph["./"]["hasPart"]
    assert ROCrate(tmp_path / "out" / "g001").mainEntity.id == "dvc.yaml"
    code, _, error = run(metal, *export("eln", tmp_path / "g001.eln"))
    assert (code, "exists already" in error) == (1, True)


def test_prov_reads_what_was_written(
    metal: Project, run: Callable[..., Any], tmp_path: Path
) -> None:
    assert run(metal, *export("prov", tmp_path / "p.json"))[0] == 0
    document = ProvDocument.deserialize(str(tmp_path / "p.json"), format="json")
    names = {
        kind: {str(record.identifier) for record in document.get_records(kind)}
        for kind in (ProvEntity, ProvActivity, ProvAgent)
    }
    calls = {name.removeprefix("call:") for name in names[ProvActivity] if name.startswith("call:")}
    accepted = {
        call
        for generation in ("seed", "g000", "g001")
        for call in _accepted(metal.read(Labels, generation))
    }
    assert calls == accepted
    stages = {name for name in names[ProvActivity] if name.startswith("stage:")}
    assert len(stages) == 1 + 2 * 8
    assert f"sha256:{metal.read(Checkpoint, 'g001').digest}" in names[ProvEntity]
    assert any("ase" in name for name in names[ProvAgent])


def _accepted(labels: Labels) -> list[str]:
    return [call for call, ok in zip(labels.call_ids, labels.accepted, strict=True) if ok]


def test_provenance_says_what_is_missing_and_refuses_what_it_cannot(
    metal: Project, run: Callable[..., Any], tmp_path: Path
) -> None:
    metal.ok("git", "clone", "--quiet", str(metal.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    code, out, err = run(clone, *export("ro-crate", tmp_path / "crate"))
    assert code == 0
    assert out.startswith("0 calls")
    assert "MISSING the ledger" in err
    for wrong, message in (
        (["provenance", "--generation", "g001", "--roles", "train"], "of a whole lineage"),
        (["labels", "--generation", "g001", "--format", "prov"], "is a format of provenance"),
        (["provenance", "--generation", "g009"], "no such model"),
    ):
        code, _, error = run(metal, "export", *wrong, "-o", str(tmp_path / "x"))
        assert (code, message in error) == (1, True), error


def test_a_call_is_the_same_when_it_is_computed_again(
    metal: Project, run: Callable[..., Any], copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    ledger = Ledger(project.root / ".aldata" / "ledger")
    call = project.read(Labels, "g001").call_ids[0]
    before = sorted(path.stat().st_mtime_ns for path in ledger.folder.rglob("*.json"))
    code, out, _ = run(project, "reproduce", "call", call[:12], "--json")
    found = json.loads(out)
    assert (code, found["verdict"], found["energy"], found["forces"]) == (0, "identical", 0.0, 0.0)
    assert sorted(path.stat().st_mtime_ns for path in ledger.folder.rglob("*.json")) == before
    record = ledger.find(call)
    assert record is not None
    for shift, verdict in ((1e-5, "same"), (0.5, "different")):
        ledger.store(record.model_copy(update={"energy": record.energy + shift}))  # type: ignore[operator]
        code, out, _ = run(project, "reproduce", "call", call[:12])
        assert f"call {call}: {verdict}" in out
        assert code == (verdict == "different")


def test_what_a_model_was_made_through_is_listed(
    metal: Project, run: Callable[..., Any], copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    for name in ("labels", "checkpoint"):
        path = project.path("g000", name)
        path.rename(project.root / name)
    lock = outs_of((project.root / "dvc.lock").read_text())
    md5 = lock["generations/g000/checkpoint.zarr"]
    (project.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]).unlink()
    code, out, _ = run(project, "reproduce", "model", "g001", "--dry-run", "--json")
    states = {row["path"]: row["state"] for row in json.loads(out)["artifacts"]}
    assert code == 0
    assert states["generations/g001/checkpoint.zarr"] == "workspace"
    assert states["generations/g000/labels.zarr"] == "cache"
    assert states["generations/g000/checkpoint.zarr"] == "re-creatable"


@pytest.mark.slow
def test_a_model_is_the_same_when_it_is_rebuilt_in_a_clean_clone(
    metal: Project, run: Callable[..., Any], copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    calls = project.ended_calls()
    code, out, _ = run(project, "reproduce", "model", "g000", "--json")
    assert code == 0
    found = json.loads(out)
    same = {row["path"]: row["same"] for row in found["compared"]}
    assert same["generations/g000/checkpoint.zarr"]
    assert {path for path, ok in same.items() if not ok} <= {
        # which of them were new then is a fact about that run
        "generations/seed/calls.json",
        "generations/g000/calls.json",
    }
    assert found["far"] == []
    assert project.ended_calls() == calls
