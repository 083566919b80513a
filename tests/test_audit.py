"""The graph of what was made from what, on records that are made without computing anything."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_records import PATIENT, THEORY_ID, TIGHTER, Records, call, configuration, entry

from aldata import audit, digest
from aldata.artifacts.documents import Manifest
from aldata.artifacts.entries import whole_manifest
from aldata.audit import sources
from aldata.audit.blast import blast_radius
from aldata.audit.index import FILE
from aldata.audit.picture import write_picture
from aldata.cli.main import main
from aldata.curate import members
from aldata.errors import InvalidInput


@pytest.fixture
def tree(tmp_path: Path) -> Records:
    """seed > g000 > g001, a branch g001b that retracts a call and goes on from its parent's weights."""
    records = Records(tmp_path / "project")
    records.seed(
        [entry("atom", "none", purpose="isolated_atom"), entry("test", "none", purpose="test")]
    )
    records.generation(
        "g000", "seed", [entry("a", "train"), entry("v", "valid"), entry("p", "probe")]
    )
    records.commit("g000")
    records.generation("g001", "g000", [entry("b", "train"), entry("f", "none", "failed")])
    records.commit("g001")
    records.generation("g001b", "g000", [entry("c", "train")], retracted=["a"], update="warm_start")
    records.commit("a branch")
    return records


def graph_of(root: Path) -> audit.Graph:
    return audit.Graph(audit.Index(root))


def ids(graph: audit.Graph, *names: str) -> list[int]:
    return [i for name in names for i in audit.selected(graph, [call(name)])]


def answer(tree: Records, name: str) -> dict[str, Any]:
    graph = graph_of(tree.root)
    return audit.audit_calls(graph, ids(graph, name))


def model(tree: Records, generation: str) -> dict[str, Any]:
    graph = graph_of(tree.root)
    return audit.audit_model(graph, audit.found_model(graph, generation))


def uses(graph: audit.Graph, generation: str) -> dict[str, str]:
    record = audit.found_model(graph, generation)
    return {row["call"]: row["use"] for row in audit.audit_model(graph, record)["calls"]}


def reached(graph: audit.Graph, *names: str) -> dict[str, Any]:
    """What the calls have reached, by generation (of these trees each is on record once)."""
    found = audit.audit_calls(graph, ids(graph, *names))["reached"]
    assert len({item["generation"] for item in found}) == len(found)
    return {item["generation"]: item for item in found}


def test_a_model_names_its_calls_and_what_each_is_used_for(tree: Records) -> None:
    graph = graph_of(tree.root)
    common = {call("atom"): "isolated_atom", call("v"): "valid", call("p"): "probe"}
    assert uses(graph, "g000") == {**common, call("a"): "train"}
    assert uses(graph, "g001") == {**common, call("a"): "train", call("b"): "train"}
    assert uses(graph, "g001b") == {**common, call("a"): "inherited", call("c"): "train"}


def test_a_call_names_what_it_has_reached_and_through_what(tree: Records) -> None:
    found = reached(graph_of(tree.root), "a")
    assert found["g000"]["dataset"]["roles"] == {"train": 1}
    assert found["g000"]["checkpoint"]["uses"] == {"train": 1}
    assert found["g000"]["decision"] is None
    assert found["g000"]["calibration"]["through"] == ["checkpoint of g000"]
    assert found["g001"]["decision"]["through"] == [
        "data set of g000", "checkpoint of g000", "calibration of g000",
    ]  # fmt: skip
    assert found["g001b"]["dataset"]["roles"] == {"retracted": 1}
    assert found["g001b"]["checkpoint"]["uses"] == {"inherited": 1}
    probe = reached(graph_of(tree.root), "p")
    assert probe["g000"]["checkpoint"]["uses"] == {"probe": 1}
    assert "probe frames" in probe["g001"]["calibration"]["through"]
    failed = reached(graph_of(tree.root), "f")
    assert list(failed) == ["g001"]
    assert failed["g001"]["checkpoint"] is None
    test = reached(graph_of(tree.root), "test")
    assert test["g001"]["metrics"]["through"] == ["test set"]
    assert test["g001"]["checkpoint"] is None


def test_a_retrained_model_is_free_of_a_retracted_call(tree: Records) -> None:
    tree.generation("g002", "g001", [entry("d", "train")], retracted=["a"])
    tree.generation("g003", "g002", [entry("e", "train")], update="last_layer")
    graph = graph_of(tree.root)
    assert call("a") not in uses(graph, "g002")
    assert call("a") not in uses(graph, "g003")
    tree.generation("g002b", "g001b", [entry("g", "train")], update="last_layer")
    assert uses(graph_of(tree.root), "g002b")[call("a")] == "inherited"


def test_calls_of_a_measured_noise_and_the_models_that_rest_on_it(tree: Records) -> None:
    """Both directions; a call that the data set uses anyway keeps that use."""
    measured = tree.measure(["a", "test"])
    tree.generation("g002", "g001", [entry("d", "train"), entry("e", "probe")], noise=measured)
    tree.generation("g003", "g002", [entry("g", "train")])
    tree.commit("noise")
    graph = graph_of(tree.root)
    (known,) = graph.measured.values()
    rest = {row[0].hex() for row in graph.index.rows("SELECT call FROM calls")}
    of_noise = {c for c, use in uses(graph, "g002").items() if use == "noise"}
    assert len(of_noise) == 7
    assert call("test") in of_noise, "asked again: no model learns from it, this one's noise does"
    assert uses(graph, "g002")[call("a")] == "train"
    assert "noise" not in uses(graph, "g003").values()
    backward = {g: set(uses(graph, g)) for g in ("g000", "g001", "g001b", "g002", "g003")}
    forward: dict[str, set[str]] = {name: set() for name in backward}
    for identity in rest:
        for item in audit.audit_calls(graph, audit.selected(graph, [f"call:{identity}"]))[
            "reached"
        ]:
            if item["checkpoint"]:
                forward[item["generation"]].add(identity)
    assert forward == backward

    moved = call("a moved 1")
    found = audit.audit_calls(graph, audit.selected(graph, [moved]))
    assert [item["generation"] for item in found["reached"]] == ["g002", "g003"]
    own, behind = found["reached"]
    assert own["dataset"]["roles"] == {}
    assert own["checkpoint"]["uses"] == {"noise": 1}
    assert own["decision"]["through"] == own["calibration"]["through"] == ["measured noise"]
    assert own["metrics"]["through"] == ["its calibration"]
    assert behind["checkpoint"] is None, "what was chosen with it was labelled by others"
    assert behind["decision"]["through"] == ["calibration of g002"]
    radius = blast_radius(graph, audit.selected(graph, [moved]), None)
    assert radius["counts"] == {"models": 1, "calibrations": 2, "decisions": 2, "metrics": 2}
    assert radius["cost"]["trained_again"] == [], "a retraction changes no measurement"
    (row,) = found["calls"]
    assert row["measured"] == [{"measurement": known.digest, "part": "repeat"}]
    assert (row["purpose"], row["status"], row["cpu_seconds"]) == ("noise", "accepted", 7.0)
    assert len(audit.selected(graph, ["host:node9"])) == 6
    tight = audit.selected(graph, [f"theory:{digest.of_json(TIGHTER)[:10]}"])
    assert len(tight) == 2
    totals = {t["use"]: t for t in model(tree, "g002")["totals"]}
    assert totals["noise"]["cpu_hours"] == pytest.approx((6 * 7.0 + 3.0) / 3600)
    rows = {r["call"]: r for r in model(tree, "g002")["calls"] if r["use"] == "noise"}
    assert rows[moved]["strategy"] == "noise: repeat"
    assert rows[moved]["configuration"] is None
    assert rows[moved]["theory"] == THEORY_ID
    (tree.root / "noise" / f"{THEORY_ID[:12]}.json").unlink()
    tree.git("update-ref", "-d", "refs/heads/main")
    (tree.root / FILE).unlink()
    line = f"g002: the measurement {measured[:12]} of its noise is nowhere"
    assert line in graph_of(tree.root).missing()
    assert line in model(tree, "g002")["missing"]


def test_calls_at_a_fallbacks_level_of_theory_are_found_and_named(tree: Records) -> None:
    other = digest.of_json(PATIENT)
    rows = [entry("h", "none", "failed"), entry("h", "train", theory_id=other)]
    tree.generation("g002", "g001", rows, fallback={"record": PATIENT})
    graph = graph_of(tree.root)
    (found,) = audit.selected(graph, [f"theory:{other[:8]}"])
    assert audit.selected(graph, ["pseudopotential:7f7f7f"]) == [found]
    assert found not in audit.selected(graph, [f"theory:{THEORY_ID[:8]}"])
    (row,) = audit.audit_calls(graph, [found])["calls"]
    assert row["theory"] == other
    theories = {r["call"]: r["theory"] for r in model(tree, "g002")["calls"]}
    assert theories.pop(row["call"]) == other
    assert set(theories.values()) == {THEORY_ID}


names = st.sampled_from("abcdefgh")
roles = st.sampled_from(["train", "valid", "probe", "none"])
deltas = st.lists(st.tuples(names, roles, st.booleans()), max_size=4, unique_by=lambda d: d[0])
plans = st.lists(
    st.tuples(st.integers(0, 3), deltas, st.sets(names, max_size=2), st.booleans()),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=plans)
def test_both_directions_are_one_relation_and_agree_with_the_data_sets(
    tmp_path_factory: pytest.TempPathFactory, plan: Any
) -> None:
    records = Records(tmp_path_factory.mktemp("tree") / "project")
    records.seed([entry("atom", "none", purpose="isolated_atom"), entry("a", "train")])
    placed, role_of = ["seed"], {"a": "train"}
    for parent, delta, gone, warm in plan:
        rows = []
        for name, role, accepted in delta:
            # the role that a call once had stays: curate refuses anything else
            kept = role_of.setdefault(name, role) if accepted else "none"
            rows.append(entry(name, kept, "accepted" if accepted else "failed"))
        above = placed[min(parent, len(placed) - 1)]
        records.generation(
            f"g{len(placed):03d}", above, rows, retracted=sorted(gone),
            update="warm_start" if warm else "retrain",
        )  # fmt: skip
        placed.append(f"g{len(placed):03d}")
    graph = graph_of(records.root)
    forward: dict[str, set[str]] = {name: set() for name in placed[1:]}
    backward = {name: set(uses(graph, name)) for name in placed[1:]}
    for name in ("atom", *"abcdefgh"):
        try:
            chosen = ids(graph, name)
        except InvalidInput:
            continue
        for item in audit.audit_calls(graph, chosen)["reached"]:
            if item["checkpoint"]:
                forward[item["generation"]].add(call(name))
    assert forward == backward
    for name in placed[1:]:
        chain = []
        while name is not None:
            path = records.root / "generations" / name / "record" / "dataset.json"
            chain.insert(0, Manifest.model_validate(json.loads(path.read_text())))
            name = chain[0].parent.generation if chain[0].parent else None
        last = chain[-1].generation
        direct = {c for c, use in uses(graph, last).items() if use in ("train", "valid", "probe")}
        found = members(chain)
        assert direct == set(found["train"]) | set(found["valid"]) | set(found["probe"])


def test_every_version_is_looked_at_and_named(tree: Records) -> None:
    tree.git("tag", "v1", "HEAD~1")
    tree.git("checkout", "--quiet", "-b", "other", "v1")
    tree.generation("g002", "g001", [entry("x", "train")])
    tree.commit("on a branch")
    tree.git("checkout", "--quiet", "main")
    tree.git("checkout", "--quiet", "--detach")
    tree.generation("g001", "g000", [entry("b", "train")], variant=1)
    commit = tree.commit("an experiment")
    tree.git("update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/quick", commit)
    tree.git("checkout", "--quiet", "main")
    found = answer(tree, "b")["reached"]
    by_name = {(i["generation"], name) for i in found for name in i["versions"]}
    assert ("g002", "branch other") in by_name
    assert ("g001", "experiment quick") in by_name
    assert ("g001", "tag v1") in by_name
    assert ("g001", "workspace") in by_name
    assert len({i["checkpoint"]["digest"] for i in found}) == 3
    tree.git("update-ref", "-d", f"refs/exps/{commit[:2]}/{commit[2:]}/quick")
    again = answer(tree, "b")["reached"]
    assert "experiment quick" not in {name for item in again for name in item["versions"]}


def test_the_index_reads_what_is_new_and_may_be_deleted(
    tree: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = sources.Sources.bytes_of

    def counting(self: Any, document: sources.Document) -> bytes | None:
        read.append(document.key)
        return whole(self, document)

    monkeypatch.setattr(sources.Sources, "bytes_of", counting)
    first = answer(tree, "a")
    assert len(read) == len(set(read)) > 20
    read.clear()
    assert answer(tree, "a") == first
    assert read == []
    tree.generation("g002", "g001", [entry("d", "train")])
    tree.commit()
    second = answer(tree, "a")
    assert 0 < len(set(read)) <= 15
    (tree.root / FILE).unlink()
    assert answer(tree, "a") == second
    (tree.root / FILE).write_bytes(b"not a database" * 100)
    assert answer(tree, "a") == second


def test_a_forgotten_version_leaves_nothing_behind(tree: Records) -> None:
    tree.generation("g001", "g000", [entry("y", "train")])
    assert ids(graph_of(tree.root), "y")
    tree.git("checkout", "--quiet", ".")
    with pytest.raises(InvalidInput, match="no call on record"):
        ids(graph_of(tree.root), "y")
    with pytest.raises(InvalidInput, match="no call on record"):
        audit.selected(graph_of(tree.root), ["host:nobody"])


def test_what_is_missing_is_said(tree: Records) -> None:
    record = tree.root / "generations" / "g000" / "record"
    (record / "calls.json").unlink()
    (record / "train.activity.json").write_text("{")
    graph = graph_of(tree.root)
    missing = graph.missing()
    assert "g000 in workspace: no calls" in missing
    assert any(
        line.startswith("g000 in workspace: train.activity cannot be read") for line in missing
    )
    tree.commit("damage")
    shutil.rmtree(tree.root / "generations" / "g000")
    found = model(tree, "g001")
    assert "g000: no calls" in found["missing"]
    assert call("a") in {row["call"] for row in found["calls"]}
    shutil.rmtree(tree.root / ".git")
    tree.git("init", "--quiet")
    (tree.root / FILE).unlink()
    found = model(tree, "g001")
    assert "g000: data set" in found["missing"][0]
    assert "nowhere" in found["missing"][0]


def test_documents_of_dvcs_cache_count_where_git_has_none(tree: Records) -> None:
    path = tree.root / "generations" / "g001" / "record" / "dataset.json"
    content, md5 = path.read_bytes(), "ab" + "c" * 30
    path.unlink()
    (tree.root / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  curate@g001:\n    cmd: x\n    deps:\n"
        "    - path: generations/g000/dataset.json\n      hash: md5\n      md5: ffff\n"
        "    outs:\n    - path: generations/g001/dataset.json\n      hash: md5\n"
        f"      md5: {md5}\n      size: 3\n"
    )
    commit = tree.commit("without a record")
    shutil.rmtree(tree.root / "generations")
    missing = "branch main: no dataset"
    assert any(missing in line for line in graph_of(tree.root).missing())
    cached = tree.root / ".dvc" / "cache" / "files" / "md5" / "ab" / ("c" * 30)
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    graph = graph_of(tree.root)
    assert not any(missing in line for line in graph.missing())
    assert call("b") in uses_at(graph, "g001", commit)


def uses_at(graph: audit.Graph, generation: str, version: str) -> set[str]:
    record = audit.found_model(graph, generation, version)
    return {row["call"] for row in audit.audit_model(graph, record)["calls"]}


def test_a_data_set_that_is_spelled_out_says_the_same(tree: Records) -> None:
    """As an older aldata wrote it."""
    before = model(tree, "g001")
    for name in ("seed", "g000", "g001"):
        path = tree.root / "generations" / name / "record" / "dataset.json"
        short = json.loads(path.read_text())
        assert isinstance(short["entries"], dict)
        path.write_text(json.dumps(whole_manifest(short)))
    after = model(tree, "g001")
    assert after["calls"] == before["calls"]
    assert after["dataset"] == before["dataset"]
    assert after["missing"] == []


def test_selectors(tree: Records) -> None:
    tree.generation(
        "g002",
        "g001",
        [entry("d", "train")],
        facts={"host": "node2", "start": "2026-03-05T23:59:59Z"},
    )
    graph = graph_of(tree.root)
    d, everything = ids(graph, "d"), audit.selected(graph, [f"theory:{THEORY_ID[:8]}"])
    assert audit.selected(graph, [configuration("d")[:10]]) == d
    assert audit.selected(graph, ["host:node2"]) == d
    assert audit.selected(graph, ["date:2026-03-03..2026-03-05"]) == d
    assert audit.selected(graph, ["pseudopotential:5e5e5e"]) == everything
    assert audit.selected(graph, ["5e5e5e5e", "date:2026-03-05"]) == d
    assert len(everything) == 9
    for wrong, message in (
        ("host:node3", "no call on record"),
        ("colour:red", "no kind of selector"),
        ("date:yesterday", "no range of days"),
        ("xyz", "not the beginning of an id"),
        ("abc", "at least|4 to 64"),
    ):
        with pytest.raises(InvalidInput, match=message):
            audit.selected(graph, [wrong])


def test_a_model_that_is_not_there(tree: Records, tmp_path: Path) -> None:
    graph = graph_of(tree.root)
    with pytest.raises(InvalidInput, match=r"a generation \(g000, g001, g001b\)"):
        audit.found_model(graph, "g009")
    (tmp_path / "model.txt").write_text("weights")
    with pytest.raises(InvalidInput, match="does not say which checkpoint"):
        audit.found_model(graph, str(tmp_path / "model.txt"))


def test_a_picture_shows_every_artifact_and_what_was_reached(tree: Records, tmp_path: Path) -> None:
    graph = graph_of(tree.root)
    found = audit.reach(graph, ids(graph, "a"))
    records = [item.record for item in found]
    hit = {str(item.record.checkpoint) for item in found}
    write_picture(tmp_path / "p.svg", graph, records, hit, "reached <&>", "")
    picture = ElementTree.parse(tmp_path / "p.svg")
    space = "{http://www.w3.org/2000/svg}"
    boxes = {g.get("id"): g.find(f"{space}rect") for g in picture.iter(f"{space}g")}
    assert {box.get("class") for i, box in boxes.items() if i[1:] in {h[:16] for h in hit}} == {
        "hit"
    }
    assert len(picture.findall(f".//{space}path")) >= 4
    write_picture(tmp_path / "p.html", graph, records, hit, "reached", "a <page>")
    assert "a &lt;page&gt;" in (tmp_path / "p.html").read_text()
    with pytest.raises(InvalidInput, match=r"expected|\.svg or \.html"):
        write_picture(tmp_path / "p.pdf", graph, records, hit, "reached", "")


def test_the_command_answers_both_questions(
    tree: Records, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tree.root)
    assert main(["audit", "model", "g001", "--graph", "chain.html"]) == 0
    text = capsys.readouterr().out
    for part in (call("b")[:16], "node1", "random seed 1", "structures/cell.xyz", "chain.html"):
        assert part in text
    assert main(["audit", "model", "g001", "--json", "--rev", "HEAD~1"]) == 0
    assert {row["call"] for row in json.loads(capsys.readouterr().out)["calls"]} == uses_at(
        graph_of(tree.root), "g001", "workspace"
    )
    assert main(["audit", "call", call("a")[:8]]) == 0
    text = capsys.readouterr().out
    for part in ("1 inherited", "1 train", "decision", "workspace", "g001b"):
        assert part in text
    assert main(["audit", "call", "host:node1"]) == 0
    assert "8 calls" in capsys.readouterr().out
    assert main(["audit", "model", "g001", "--rev", "HEAD~2"]) == 1
    assert "no such model is on record" in capsys.readouterr().err


def test_the_command_imports_nothing_heavy() -> None:
    heavy = (
        "numpy",
        "pydantic",
        "torch",
        "mlflow",
        "dvc",
        "mace",
        "ase",
        "zarr",
        "dask",
        "scipy",
        "pandas",
    )
    script = (
        "import sys; from aldata.cli.main import parser; parser('audit'); "
        f"print(sorted(set({heavy}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_read_only_project_is_answered_from_memory(tree: Records) -> None:
    graph_of(tree.root)
    (tree.root / FILE).unlink()
    (tree.root / FILE.parent / "audit.sqlite").mkdir()
    with pytest.raises(sqlite3.OperationalError):
        sqlite3.connect(tree.root / FILE).execute("SELECT 1")
    assert uses(graph_of(tree.root), "g000")
