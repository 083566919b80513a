"""`aldata ledger` in a real project: accounts, one call's page, rebuilding, exchange, experiments."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_calls import attempt, record
from projects import Project

from aldata.artifacts.frames import Labels, Selection
from aldata.cli.main import main
from aldata.ledger import Ledger


@pytest.fixture
def ledger_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `aldata ledger ...` in a project: exit code, standard output, standard error."""

    def run(project: Project, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(project.root)
        capsys.readouterr()
        code = main(["ledger", *arguments])
        return code, *capsys.readouterr()

    return run


def parsed(result: tuple[int, str, str]) -> Any:
    assert result[0] == 0, result
    return json.loads(result[1])


ETHANOL = Path(__file__).parents[1] / "examples" / "ethanol.xyz"


def book(project: Project) -> Ledger:
    return Ledger(project.root / ".aldata" / "ledger")


def test_the_accounts_add_up(metal: Project, ledger_of, copy_of) -> None:
    project = copy_of(metal)
    ledger = book(project)
    found = parsed(ledger_of(project, "stats", "--json"))
    rows = {row["generation"]: row for row in found["generations"]}
    assert list(rows) == ["seed", "g000", "g001"]
    assert [row["strategy"] for row in rows.values()] == [
        "seed",
        "farthest_point",
        "information_gain_diversity",
    ]
    assert sum(row["computed"] for row in rows.values()) == found["total"]["calls"]
    assert found["total"]["calls"] == len(project.ended_calls()) == len(list(ledger.records()))
    seconds = sum(record.cpu_seconds for record in ledger.records())
    assert found["total"]["cpu_hours"] == pytest.approx(seconds / 3600)
    assert sum(row["computed_cpu_hours"] for row in rows.values()) == pytest.approx(seconds / 3600)
    assert found["unused"]["calls"] == found["without_verdict"]["calls"] == 0
    assert [t["theory"] for t in found["theories"]] == ["emt ase.calculators.emt.EMT"]
    ledger.store(record(1.0))
    ledger.add_attempt(record(2.0).call_id, attempt(1, "time_limit", 7.2))
    found = parsed(ledger_of(project, "stats", "--json"))
    assert found["unused"]["calls"] == 1
    assert found["without_verdict"] == {
        "calls": 1,
        "attempts": {"time_limit": 1},
        "cpu_hours": 0.002,
    }
    code, text, _ = ledger_of(project, "stats")
    assert code == 0
    assert "1 calls (0.000556 CPU hours) are used by no generation here" in text
    assert "1 calls without a verdict (1 time_limit)" in text


def test_the_page_of_a_call_says_who_asked_and_how_it_ran(metal: Project, ledger_of) -> None:
    labels, selection = metal.read(Labels, "g001"), metal.read(Selection, "g001")
    identity = labels.call_ids[0]
    stored = book(metal).find(identity)
    assert stored is not None
    found = parsed(ledger_of(metal, "show", identity[:12], "--json"))
    assert found["record"] == stored.content()
    (asked,) = found["asked"]
    row = selection.ids.index(stored.configuration_id)
    assert (asked["generation"], asked["strategy"]) == ("g001", "information_gain_diversity")
    assert asked["rank"] == int(selection.rank[row])
    assert asked["score"] == float(selection.score[row])
    assert asked["probe"] == bool(selection.probe[row])
    assert asked["computed"] is True
    (paths,) = found["raw"].values()
    assert [Path(path).name for path in paths] == ["input.json"]
    code, text, _ = ledger_of(metal, "show", stored.configuration_id)
    assert code == 0
    for part in (
        identity,
        repr(stored.energy),
        "information_gain_diversity",
        paths[0],
        stored.theory_id,
    ):
        assert part in text
    for field in ("host", "version", "start", "python"):
        assert str(getattr(stored.attempts[0], field)) in text


def test_a_call_that_is_not_there_or_not_one(metal: Project, ledger_of) -> None:
    for wrong, message in (
        ("zzzz", "not the beginning of an id"),
        ("abc", "at least 4"),
        ("0" * 60, "no call, and no configuration"),
    ):
        code, _, error = ledger_of(metal, "show", wrong)
        assert (code, message in error) == (1, True), error


def test_a_call_without_a_verdict_has_a_page(metal: Project, ledger_of, copy_of) -> None:
    project = copy_of(metal)
    book(project).add_attempt("ab" * 32, attempt(1, "crashed"))
    code, text, _ = ledger_of(project, "show", "abab")
    assert code == 0
    assert "no verdict yet" in text
    book(project).add_attempt("ab" * 31 + "cd", attempt(1, "crashed"))
    code, _, error = ledger_of(project, "show", "abab")
    assert code == 1
    assert "2 calls begin so" in error


def test_verify_names_the_damaged_file(metal: Project, ledger_of, copy_of) -> None:
    project = copy_of(metal)
    assert ledger_of(project, "verify")[0] == 0
    path = next(book(project).folder.glob("calls/*/*.json"))
    path.write_text(path.read_text().replace('"accepted"', '"rejected"'))
    code, text, _ = ledger_of(project, "verify")
    assert code == 1
    assert f"DAMAGED {path}" in text
    assert path.exists()
    code, text, _ = ledger_of(project, "verify", "--json")
    assert (code, json.loads(text)["damages"][0]["file"]) == (1, str(path))


def test_a_lost_ledger_is_rebuilt_from_labels_and_gives_the_same_labels(
    metal: Project, ledger_of, copy_of
) -> None:
    project = copy_of(metal)
    before = {record.call_id: record for record in book(project).records()}
    shutil.rmtree(book(project).folder)
    code, text, _ = ledger_of(project, "rebuild", "--check")
    assert (code, f"{len(before)} missing, 0 different" in text) == (1, True)
    assert ledger_of(project, "rebuild")[:2] == (0, f"{len(before)} taken back\n")
    after = {record.call_id: record for record in book(project).records()}
    assert after.keys() == before.keys()
    for identity, old in before.items():
        new = after[identity]
        for field in ("configuration", "theory", "status", "energy", "forces", "stress"):
            assert getattr(new, field) == getattr(old, field)
        assert np.isclose(new.cpu_seconds, old.cpu_seconds)
        assert new.rebuilt is not None
        assert new.attempts[0].files is None
    assert ledger_of(project, "verify")[0] == 0
    assert ledger_of(project, "rebuild", "--check")[0] == 0
    assert "rebuilt from the labels of" in ledger_of(project, "show", next(iter(before)))[1]
    sealed = {name: project.read(Labels, name).digest for name in ("g000", "g001")}
    project.ok("dvc", "repro", "--force", "--single-item", "label@g000", "label@g001")
    assert {name: project.read(Labels, name).digest for name in sealed} == sealed
    assert not any(call["new"] for name in sealed for call in project.json(name, "calls"))


def test_rebuilding_finds_what_only_history_holds_and_overwrites_nothing(
    metal: Project, ledger_of, copy_of
) -> None:
    project = copy_of(metal)
    ids = project.read(Labels, "g001").call_ids
    for identity in ids:
        book(project).path_of(identity).unlink()
    shutil.rmtree(project.root / "generations" / "g001" / "labels.zarr")
    code, text, error = ledger_of(project, "rebuild")
    assert (code, "taken back" in text) == (0, False)
    assert "labels.zarr is not here: dvc pull" in error
    code, text, _ = ledger_of(project, "rebuild", "--all-revs")
    assert (code, f"{len(ids)} taken back" in text) == (0, True)
    record = book(project).find(ids[0])
    assert record is not None
    assert record.rebuilt is not None
    assert record.rebuilt.revision == project.ok("git", "rev-parse", "HEAD").strip()
    other = record.model_copy(update={"energy": record.energy + 1.0})  # type: ignore[operator]
    book(project).store(other)
    project.ok("dvc", "checkout", "--force", "generations/g001/labels.zarr")
    code, text, _ = ledger_of(project, "rebuild")
    assert code == 1
    assert f"DIFFERENT {ids[0]}" in text
    assert book(project).find(ids[0]) == other


def test_push_remembers_its_url_and_two_projects_share_calls(
    metal: Project, ledger_of, copy_of, tmp_path: Path
) -> None:
    project = copy_of(metal)
    config = project.root / ".aldata" / "config.yaml"
    code, _, error = ledger_of(project, "push")
    assert (code, "no URL was given" in error) == (1, True)
    config.write_text("# ours\ncluster: {workers: 2}  # two\n")
    url = f"file://{tmp_path}/remote"
    total = len(project.ended_calls())
    assert ledger_of(project, "push", url, "--raw")[1].startswith(f"{total} calls to {url}")
    assert config.read_text().startswith("# ours\ncluster: {workers: 2}  # two\n")
    shutil.rmtree(book(project).folder)
    assert ledger_of(project, "pull", "--raw")[1].startswith(f"{total} calls from {url}")
    assert ledger_of(project, "verify")[0] == 0
    assert ledger_of(project, "rebuild", "--check")[0] == 0


def test_an_experiment_and_a_shared_folder_use_another_ledger(
    metal: Project, ledger_of, copy_of, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project = copy_of(metal)
    shutil.rmtree(project.root / ".aldata" / "ledger")
    assert parsed(ledger_of(project, "stats", "--json"))["total"]["calls"] == 0
    monkeypatch.setenv("DVC_ROOT", str(metal.root))
    total = parsed(ledger_of(project, "stats", "--json"))["total"]["calls"]
    assert total == len(metal.ended_calls())
    monkeypatch.delenv("DVC_ROOT")
    (project.root / ".aldata" / "config.yaml").write_text("ledger: {folder: ../shared}\n")
    Ledger(tmp_path / "shared").store(record(0.0))
    found = parsed(ledger_of(project, "stats", "--json"))
    assert (found["total"]["calls"], found["unused"]["calls"]) == (1, 1)
    (project.root / ".aldata" / "config.yaml").write_text("ledger: {foldr: x}\n")
    code, _, error = ledger_of(project, "stats")
    assert (code, "unknown name 'foldr'" in error) == (1, True)


def test_a_project_without_any_generation(tmp_path: Path, ledger_of) -> None:
    assert main(["init", str(tmp_path / "new"), "--structures", str(ETHANOL)]) == 0
    project = Project(tmp_path / "new")
    assert "0 calls" in ledger_of(project, "stats")[1]
    assert ledger_of(project, "verify")[1].startswith("0 calls, 0 attempts, 0 raw files")
    assert ledger_of(project, "rebuild", "--all-revs")[:2] == (0, "there are no labels\n")


@pytest.mark.parametrize(
    "act", ["stats", "show abcd", "verify", "rebuild", "push file:///x", "pull file:///x"]
)
def test_outside_a_project_there_is_one_clear_error(tmp_path: Path, ledger_of, act: str) -> None:
    code, out, error = ledger_of(Project(tmp_path), *act.split())
    assert (code, out) == (1, "")
    assert "not an aldata project" in error
    assert "aldata init" in error
    assert list(tmp_path.iterdir()) == []
