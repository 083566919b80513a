"""Two versions of a project beside each other, by DVC's own commands and our templates."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from projects import Project

from aldata import store
from aldata.evaluate import flatten

BEFORE, NOW, OTHER = "HEAD~1", "HEAD", "chance"


def shown(project: Project, *command: str) -> Any:
    done = project.run("dvc", *command, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_metrics_diff_of_two_commits_is_what_the_later_one_has_more(grown: Project) -> None:
    found = shown(grown, "metrics", "diff", BEFORE, NOW)
    assert set(found) == {"generations/g001b/metrics.json"}
    numbers = {key: pair["new"] for key, pair in found["generations/g001b/metrics.json"].items()}
    own = flatten(grown.json("g001b", "metrics"))
    assert numbers == {key: value for key, value in own.items() if value is not None}


def test_metrics_diff_of_two_experiments_is_their_difference(grown: Project) -> None:
    found = shown(grown, "metrics", "diff", NOW, OTHER)
    assert set(found) == {"generations/g001/metrics.json"}
    pairs = found["generations/g001/metrics.json"]
    assert (pairs["strategy"]["old"], pairs["strategy"]["new"]) == (
        "information_gain_diversity",
        "random",
    )
    own = flatten(grown.json("g001", "metrics"))
    for name in ("test.generated.forces_rmse_meV_per_A", "probe_so_far.forces_rmse_meV_per_A"):
        pair = pairs[name]
        assert pair["old"] == own[name]
        assert pair["diff"] == pytest.approx(pair["new"] - pair["old"])
        assert pair["diff"] != 0


def test_plots_diff_draws_both_into_one_picture(grown: Project) -> None:
    found = shown(grown, "plots", "diff", NOW, OTHER)
    assert not found.get("errors")
    for name in ("history", "parity", "reliability", "map", "scores", "sigma_error"):
        (drawn,) = found["data"][f"generations/g001/{name}.json"]
        assert drawn["revisions"] == [NOW, OTHER]
        values = drawn["content"]["data"]["values"]
        assert {value["rev"] for value in values} == {NOW, OTHER}, name
    (curve,) = found["data"]["generations/g001/history.json"]
    last = {v["rev"]: v for v in curve["content"]["data"]["values"] if v["generation"] == "g001"}
    assert last[NOW]["strategy"] != last[OTHER]["strategy"]
    assert last[NOW]["calls"] == last[OTHER]["calls"]
    errors = {point["test_forces_rmse_meV_per_A"] for point in last.values()}
    assert len(errors) == 2


def test_our_templates_draw_curve_parity_and_bands(
    grown: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(grown)
    energies = [0.0, 60.0, 180.0, 70.0, 10.0]
    band = [
        {"band": "r to p", "image": k, "along_A": 0.4 * k, "energy_meV": energy}
        for k, energy in enumerate(energies)
    ]
    store.write_json(project.path("g001", "bands"), band)
    shutil.rmtree(project.root / ".dvc" / "tmp", ignore_errors=True)
    drawn = shown(project, "plots", "show")["data"]
    looked_for = {
        "history": ("oracle calls", "test set: force RMSE (meV/Å)", len(project.json("g001", "history"))),
        "parity": ("by the oracle (eV/Å)", "by the model (eV/Å)", len(project.json("g001", "parity"))),
        "bands": ("along the path (Å)", "energy above the start (meV)", len(band)),
    }  # fmt: skip
    for name, (x, y, points) in looked_for.items():
        (one,) = drawn[f"generations/g001/{name}.json"]
        text = json.dumps(one["content"], ensure_ascii=False)
        assert x in text, name
        assert y in text, name
        assert len(one["content"]["data"]["values"]) == points, name
        assert "DVC_METRIC" not in text, name
