"""The report: what it says is what the project holds, and nothing in it is markup."""

from __future__ import annotations

import base64
import html.parser
import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from projects import Project

import aldata
from aldata import report
from aldata.acquire import STRATEGIES
from aldata.cli.main import main
from aldata.report.budget import Budget, shares, thinned

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> {{scripts}} {{policy}} \u2028"
)


@pytest.fixture(scope="module")
def found(grown: Project) -> dict[str, Any]:
    return report.gathered(grown.root)


def decoded(packed: dict[str, Any], name: str, dtype: str) -> Any:
    return np.frombuffer(base64.b64decode(packed[name]), dtype=dtype)


class Tags(html.parser.HTMLParser):
    """Tags of a page, and the text of its data element."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.data = ""
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self._inside = dict(attrs).get("id") == "data"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.data += data


def test_the_numbers_are_those_of_the_artifacts(grown: Project, found: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in found["generations"]}
    assert list(rows) == ["seed", "g000", "g001", "g001b"]
    for name in ("g000", "g001", "g001b"):
        assert rows[name]["metrics"] == grown.json(name, "metrics")
        assert rows[name]["bands"] == grown.json(name, "bands") == []
        calls = grown.json(name, "calls")
        assert sum(rows[name]["calls"].values()) == len(calls)
        assert rows[name]["cpu_seconds"] == pytest.approx(sum(c["cpu_seconds"] for c in calls))
    assert rows["seed"]["metrics"] is None
    assert found["notes"] == []
    json.dumps(found, allow_nan=False)


def test_picks_have_their_reason_their_call_and_the_parents_error(
    grown: Project, found: dict[str, Any]
) -> None:
    told = found["picks"]["g001"]
    labels = aldata.open("labels", "g001", root=grown.root)
    asked = labels.query("generation == 'g001'")
    assert {row["id"] for row in told["rows"]} == {identity[:8] for identity in asked.ids}
    assert sum(one["picks"] for one in told["reasons"]) == len(told["rows"])
    candidates = aldata.open("candidates", "g001", root=grown.root).query("generation == 'g001'")
    for row in told["rows"]:
        assert row["status"] == "accepted"
        frame = candidates[[candidates.row_of(row["id"])]]
        assert row["sigma_forces"] == pytest.approx(frame.quantity("sigma_forces")[0], rel=1e-3)
        predictions = aldata.open("predictions", "g001", root=grown.root)
        error = predictions[row["id"]]["forces"] - asked[row["id"]]["forces"]
        assert row["error_forces"] == pytest.approx(np.linalg.norm(error, axis=1).max(), rel=1e-3)
    assert [row["probe"] for row in told["rows"]] == sorted(row["probe"] for row in told["rows"])


def test_every_point_of_a_map_has_its_structure(grown: Project, found: dict[str, Any]) -> None:
    packed = found["structures"]
    for name, columns in found["maps"].items():
        assert set(columns["id"]) <= set(packed["ids"]), name
        assert columns["group"] == sorted(columns["group"])
    frames = aldata.open("configurations", "g001", root=grown.root)
    place = packed["ids"].index(found["picks"]["g001"]["rows"][0]["id"])
    first = sum(packed["sizes"][:place])
    frame = frames[packed["ids"][place]]
    atoms = slice(first, first + len(frame["numbers"]))
    assert decoded(packed, "numbers", "<u1")[atoms].tolist() == frame["numbers"].tolist()
    positions = decoded(packed, "positions", "<f4").reshape(-1, 3)[atoms]
    np.testing.assert_allclose(positions, frame["positions"], atol=1e-5)
    cells = decoded(packed, "cells", "<f4").reshape(-1, 3, 3)
    np.testing.assert_allclose(cells[place], frame["cell"], atol=1e-5)
    assert packed["periodic"][place] == 7


def test_every_newest_model_has_its_chain(found: dict[str, Any]) -> None:
    chains = {one["generation"]: one for one in found["lineages"]}
    assert set(chains) == {"g001", "g001b"}
    assert [link["generation"] for link in chains["g001b"]["chain"]] == ["seed", "g000", "g001b"]
    assert chains["g001b"]["tainted"] == 1  # it goes on from weights that knew the retracted call
    assert chains["g001"]["missing"] == []


SEEN = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
"""Linear RGB as others see it: Machado et al., IEEE TVCG 15 (2009) 1291, severity 1."""


def linear(color: str) -> Any:
    part = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def cielab(rgb: Any) -> Any:
    white = np.array([0.95047, 1.0, 1.08883])
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    share = np.array(to_xyz) @ np.clip(rgb, 0, 1) / white
    x, y, z = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_there_is_a_colour_per_strategy_and_everyone_can_tell_them_apart() -> None:
    style = (Path(report.__file__).parent / "page" / "style.css").read_text()
    scripts = (Path(report.__file__).parent / "page" / "parts.js").read_text()
    used = re.findall(r'"var\((--c\d)\)"', scripts)
    assert len(used) >= len(STRATEGIES)
    for block in re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL):
        values = dict(re.findall(r"(--\w+): (#\w{6});", block))
        colors = [values[name] for name in used]
        card = linear(values["--card"]) @ [0.2126, 0.7152, 0.0722]
        for color in colors:
            low, high = sorted([card, linear(color) @ [0.2126, 0.7152, 0.0722]])
            assert (high + 0.05) / (low + 0.05) > 3, f"{color} on {values['--card']}"
        for kind, matrix in SEEN.items():
            places = [cielab(matrix @ linear(color)) for color in colors]
            for (a, p), (b, q) in combinations(zip(colors, places, strict=True), 2):
                assert np.linalg.norm(p - q) > 20, f"{a} and {b} are alike: {kind}"


def test_experiments_are_compared(found: dict[str, Any]) -> None:
    compared = found["comparison"]
    assert [curve["experiment"] for curve in compared["curves"]] == ["chance"]
    assert compared["metric"] == "test_forces_rmse_meV_per_A"
    assert compared["sentences"]


def test_a_large_project_is_thinned_and_says_so(grown: Project) -> None:
    few = report.gathered(grown.root, Budget(points=10, atoms=40, residuals=3, calls=5))
    groups = [group for columns in few["maps"].values() for group in columns["group"]]
    assert sum(group < 2 for group in groups) == 10
    assert sum(group >= 2 for group in groups) == 24  # picks and probes of three generations
    assert sum(few["structures"]["sizes"]) <= 40
    asked = {row["id"] for value in few["picks"].values() for row in value["rows"]}
    assert asked <= set(few["structures"]["ids"])
    assert sum(len(value["rows"]) for value in few["picks"].values()) == 5
    assert len(few["notes"]) == 4
    assert any("not on the maps" in note for note in few["notes"])


def test_all_generations_are_on_one_map(grown: Project, found: dict[str, Any]) -> None:
    columns = found["overall"]
    described = [aldata.open("descriptors", tip, root=grown.root) for tip in ("g001", "g001b")]
    means: dict[str, Any] = {}
    for frames in described:
        taken = frames.take(None, ["row_size", "descriptor"])
        parts = np.split(taken["descriptor"], np.cumsum(taken["row_size"])[:-1])
        for identity, part in zip(frames.ids, parts, strict=True):
            means.setdefault(identity[:8], part.mean(axis=0, dtype=np.float64))
    assert sorted(columns["id"]) == sorted(means), "each configuration once"
    assert set(columns["generation"]) == {"g000", "g001", "g001b"}
    vectors = np.array([means[identity] for identity in columns["id"]])
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    for name, axis in (("x", axes[:, -1]), ("y", axes[:, -2])):
        along = centred @ axis
        scale = np.abs(along).max()
        np.testing.assert_allclose(np.abs(columns[name]), np.abs(along), atol=1e-3 * scale)
    labels = aldata.open("labels", "g001", root=grown.root)
    roles = dict(zip([i[:8] for i in labels.ids], labels.quantity("role"), strict=True))
    of = dict(zip(columns["id"], columns["group"], strict=True))
    for identity in set(roles) & set(of):
        assert of[identity] == {"train": 1, "valid": 1, "probe": 2}.get(roles[identity], 0)
    assert set(columns["id"]) <= set(found["structures"]["ids"])
    few = report.gathered(grown.root, Budget(overall=30))
    assert len(few["overall"]["id"]) == 30
    assert any("not on the map of all generations" in note for note in few["notes"])


def test_a_past_version_and_an_experiment_can_be_reported(
    grown: Project, tmp_path: Path, found: dict[str, Any]
) -> None:
    listed = grown.ok("git", "for-each-ref", "--format=%(refname)", "refs/exps/").split()
    tip = next(name for name in listed if name.endswith("/chance"))
    chance = report.gathered(grown.root, rev="chance")
    assert chance["project"]["name"] == "project at chance"
    recorded = json.loads(grown.ok("git", "show", f"{tip}:generations/g001/record/metrics.json"))
    rows = {row["name"]: row for row in chance["generations"]}
    assert rows["g001"]["metrics"] == recorded != grown.json("g001", "metrics")
    assert rows["g001"]["strategy"] == "random"
    assert chance["notes"] == []
    assert chance["maps"]["g000"] == found["maps"]["g000"]
    assert chance["maps"]["g001"] != found["maps"]["g001"]
    assert {one["checkpoint"] for one in chance["lineages"]} != {
        one["checkpoint"] for one in found["lineages"]
    }
    before = report.gathered(grown.root, rev="HEAD~1")
    assert [row["name"] for row in before["generations"]] == ["seed", "g000", "g001"]
    assert before["comparison"] is None  # experiments start from another commit
    grown.ok("git", "clone", "--quiet", str(grown.root), str(tmp_path / "clone"))
    there = report.gathered(tmp_path / "clone", rev="HEAD")
    assert there["generations"][2]["metrics"] == found["generations"][2]["metrics"]
    assert there["maps"] == {}
    assert any("map.json, sigma_error.json, reliability.json of g000" in n for n in there["notes"])
    assert any(note.startswith("No structures of the lineage") for note in there["notes"])


def test_shares_are_even_and_use_what_there_is() -> None:
    assert shares([100, 3, 100], 43) == [20, 3, 20]
    assert shares([2, 3], 100) == [2, 3]
    assert shares([], 5) == []
    assert thinned(np.arange(100), 5).tolist() == [0, 24, 49, 74, 99]


def test_hostile_names_are_text(found: dict[str, Any]) -> None:
    plain = Tags(report.page(found))
    document = {**found, "notes": [HOSTILE], "project": {**found["project"], "name": HOSTILE}}
    hostile = Tags(report.page(document))
    assert hostile.tags == plain.tags
    assert json.loads(hostile.data) == json.loads(json.dumps(document))


def test_what_stores_no_longer_hold_is_said(
    grown: Project, tmp_path: Path, found: dict[str, Any]
) -> None:
    import shutil

    root = tmp_path / "clone"
    ignored = shutil.ignore_patterns("*.zarr", "cache", "ledger")
    shutil.copytree(grown.root, root, ignore=ignored, symlinks=True)
    there = report.gathered(root)
    assert there["structures"]["ids"] == []
    assert any("candidates.zarr" in note for note in there["notes"])
    assert there["generations"] == found["generations"]
    assert there["picks"]["g001"]["rows"][0]["sigma_forces"] is None
    assert {one["generation"] for one in there["lineages"]} == {"g001", "g001b"}


def test_the_command_writes_one_file_or_nothing(
    grown: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(grown.root)
    target = tmp_path / "page.html"
    assert main(["report", "--output", str(target)]) == 0
    assert f"written: {target}" in capsys.readouterr().out
    text = target.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert len(text) < 2e6
    assert list(tmp_path.iterdir()) == [target]
    assert main(["report", "-o", str(target), "--rev", "chance"]) == 0
    assert "project at chance" in target.read_text(encoding="utf-8")
    assert main(["report", "-o", str(target), "--rev", "nothing"]) == 1
    assert "nothing" in capsys.readouterr().err
    assert main(["report", "-o", str(tmp_path / "no" / "page.html")]) == 1
    assert "a folder that is there" in capsys.readouterr().err
    assert main(["report", "-o", str(tmp_path)]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [target]
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}.*"))
