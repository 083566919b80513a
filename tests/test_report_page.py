"""The report in a real browser, where there is one: `apt-get install chromium`."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import pytest
from projects import Project
from test_report import HOSTILE

from aldata import report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.program() is None, reason="there is no Chromium"),
]


@pytest.fixture(scope="module")
def document(grown: Project) -> dict[str, Any]:
    return report.gathered(grown.root)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[browser.Page]:
    with browser.Page(tmp_path / "profile") as found:
        yield found


def opened(page: browser.Page, path: Path, document: dict[str, Any]) -> None:
    path.write_text(report.page(document), encoding="utf-8")
    page.open(path)


def test_a_click_on_the_map_shows_the_structure(
    page: browser.Page, tmp_path: Path, document: dict[str, Any]
) -> None:
    opened(page, tmp_path / "report.html", document)
    page.value("document.getElementById('map').scrollIntoView({behavior: 'instant'})")
    page.until("document.querySelector('.viewer canvas')")
    before = page.value("document.querySelector('#map .facts .id').textContent")
    place = page.value(
        "(() => { const dots = [...document.querySelectorAll('#map figure circle[r=\"3\"]')];"
        "const box = dots[0].getBoundingClientRect(); return [box.x + 3, box.y + 3]; })()"
    )
    page.click(*place)
    after = page.value("document.querySelector('#map .facts .id').textContent")
    assert after != before
    assert after in document["structures"]["ids"]
    assert page.complaints() == []


def test_a_reaction_path_has_its_chart(
    page: browser.Page, tmp_path: Path, document: dict[str, Any]
) -> None:
    energies = [0.0, 60.0, 180.0, 70.0, 10.0]
    band = [
        {"band": HOSTILE, "image": k, "along_A": 0.4 * k, "energy_meV": energy}
        for k, energy in enumerate(energies)
    ]
    rows = [
        row | {"bands": band if row["name"] == "g001" else []} for row in document["generations"]
    ]
    opened(page, tmp_path / "report.html", document | {"generations": rows})
    page.until("document.querySelector('#generations figure circle')")
    dots = "document.querySelectorAll('#generations figure circle[r=\"4\"]').length"
    assert page.value(dots) == 5
    legend = page.value("document.querySelector('#generations .legend').textContent")
    assert legend.startswith("g001: ")
    assert page.complaints() == []
    opened(page, tmp_path / "report.html", document)
    page.until("document.querySelector('#generations table')")
    assert page.value("document.querySelectorAll('#generations figure').length") == 0


def test_another_generation_can_be_looked_at(
    page: browser.Page, tmp_path: Path, document: dict[str, Any]
) -> None:
    opened(page, tmp_path / "report.html", document)
    page.value(
        "(() => { const s = document.querySelector('#picks select'); s.value = 'g000';"
        "s.dispatchEvent(new Event('change')); })()"
    )
    shown = page.value(
        "[...document.querySelectorAll('#picks tr[data-id]')].map(r => r.dataset.id)"
    )
    assert shown == [row["id"] for row in document["picks"]["g000"]["rows"]]
    assert page.value("document.querySelector('#map select').value") == "g000"
    assert page.complaints() == []


def test_the_map_of_all_generations_shows_every_point(
    page: browser.Page, tmp_path: Path, document: dict[str, Any]
) -> None:
    opened(page, tmp_path / "report.html", document)
    switch = "document.querySelector('#map input[type=checkbox]').click()"
    count = "document.querySelectorAll('#map figure circle').length"
    own, everything = len(document["maps"]["g001b"]["id"]), len(document["overall"]["id"])
    assert own != everything
    page.value(switch)
    page.until(f"{count} >= {everything}")
    pool = document["overall"]["group"].count(0)
    assert page.value(f"document.querySelector('#map').textContent.includes('({pool})')")
    page.value(switch)
    page.until(f"!document.querySelector('#map').textContent.includes('pool ({pool})')")
    assert page.complaints() == []


def test_failures_that_are_not_listed_are_announced(
    page: browser.Page, tmp_path: Path, document: dict[str, Any]
) -> None:
    failure = {"generation": "g000", "call": "ab" * 32, "status": "failed", "failure": "crashed",
               "message": "no", "host": "node1"}  # fmt: skip
    failures = {"counts": {"crashed": {"g000": 777}}, "total": 777, "calls": 600 * [failure]}
    opened(page, tmp_path / "report.html", {**document, "failures": failures})
    text = page.value("document.getElementById('failures').textContent")
    assert "500 of 777 calls without a label are listed" in text
    assert page.complaints() == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen(
    page: browser.Page, tmp_path: Path, document: dict[str, Any], width: int
) -> None:
    page.size(width, 900)
    opened(page, tmp_path / "report.html", document)
    assert page.value("document.documentElement.scrollWidth") == width
    assert page.complaints() == []


READABLE = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((k) => top[k] * top[3] + below[k] * (1 - top[3]));
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, ground(element.parentElement));
  };
  const luminance = (color) => {
    const [r, g, b] = color.map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
    const unseen = ["SCRIPT", "STYLE", "NOSCRIPT", "OPTION"].includes(element.tagName);
    if (!text || unseen || !element.getClientRects().length) continue;
    const style = getComputedStyle(element), below = ground(element);
    const color = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const [low, high] = [luminance(over(rgba(color), below)), luminance(below)].sort((a, b) => a - b);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const contrast = (high + 0.05) / (low + 0.05), dark = luminance(below) < 0.2;
    found.push({ text: text.slice(0, 40), contrast, wanted: large ? 3 : 4.5, dark });
  }
  return found;
})()
"""
"""Contrast of every text that is shown with what is behind it, and what WCAG 2 (AA) wants."""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_text_can_be_read_by_day_and_by_night(
    tmp_path: Path, document: dict[str, Any], width: int, dark: bool
) -> None:
    failure = {"generation": "g000", "call": "ab" * 32, "status": "failed", "failure": "crashed",
               "message": "no", "host": "node1"}  # fmt: skip
    failures = {"counts": {"crashed": {"g000": 1}}, "total": 1, "calls": [failure]}
    with browser.Page(tmp_path / "profile", width, 900, dark) as page:
        opened(page, tmp_path / "report.html", document | {"failures": failures, "notes": ["one"]})
        page.until(
            "document.querySelector('#picks svg text') && document.querySelector('#chain b')"
        )
        texts = page.value(READABLE)
        assert page.complaints() == []
    assert len(texts) > 200
    assert {one["dark"] for one in texts if one["text"] == "Learning curves"} == {dark}
    assert [one for one in texts if one["contrast"] < one["wanted"]] == []


def test_a_section_that_cannot_be_drawn_says_so_and_the_others_are_there(
    page: browser.Page, tmp_path: Path, document: dict[str, Any]
) -> None:
    old = copy.deepcopy(document)
    for row in old["generations"]:
        row["reliability"] = None
        for gone in ("probe", "train_frames"):
            (row["metrics"] or {}).pop(gone, None)
    opened(page, tmp_path / "report.html", old)
    page.until("document.querySelector('#picks svg')")
    excused = "[...document.querySelectorAll('.excuse')].map(e => e.parentElement.id)"
    assert page.value(excused) == ["generations", "calibration"]
    shown = page.value(
        "[...document.querySelectorAll('main section:not([hidden])')].map(s => s.id)"
    )
    assert {"overview", "learning", "map", "picks", "comparison", "chain"} <= set(shown)
    assert page.value("document.querySelectorAll('#learning figure circle').length") > 0
    assert page.complaints() == []
    opened(page, tmp_path / "report.html", document)
    assert page.value(excused) == []


def test_errors_of_the_probe_stand_at_the_price_of_the_model_that_made_them(
    page: browser.Page, tmp_path: Path, document: dict[str, Any]
) -> None:
    opened(page, tmp_path / "report.html", document)
    page.until("document.querySelector('#learning figure circle')")
    legend = page.value("document.querySelector('#learning .legend').textContent")
    assert "probe so far" in legend
    assert "new probe, by the parent" in legend
    x = page.value(
        "[...document.querySelectorAll('#learning figure')[0].querySelectorAll('svg > g')]"
        ".map(g => [...g.querySelectorAll('circle')].map(c => Number(c.getAttribute('cx'))))"
    )
    test, so_far, parents = x
    assert len(set(test)) == 2  # g000, and g001 beside g001b
    assert so_far == test
    assert set(parents) == {min(test)}  # what g000's model said of the probes of both


def test_a_large_project_is_shown_within_the_limits() -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "report.py"
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, timeout=1200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "complaints of the browser: none" in done.stdout
    size, wall = (
        float(re.search(p, done.stdout)[1]) for p in (r"size: ([\d.]+)", r"after ([\d.]+)")
    )
    assert 1 < size < 20
    assert 0 < wall < 3


def test_hostile_names_do_nothing(
    page: browser.Page, tmp_path: Path, document: dict[str, Any]
) -> None:
    rows = [{**row, "strategy": HOSTILE} for row in document["generations"]]
    failure = {"generation": HOSTILE, "call": HOSTILE, "status": "failed", "failure": HOSTILE}
    failures = {"counts": {HOSTILE: {HOSTILE: 1}}, "total": 1}
    changed = {
        **document,
        "notes": [HOSTILE],
        "project": {**document["project"], "name": HOSTILE},
        "generations": rows,
        "failures": {**failures, "calls": [{**failure, "message": HOSTILE, "host": HOSTILE}]},
    }
    opened(page, tmp_path / "report.html", changed)
    assert page.value("document.getElementById('title').textContent") == HOSTILE
    assert page.value("document.querySelectorAll('img').length") == 0
    assert page.value("document.querySelectorAll('script').length") == 7
    assert page.complaints() == []
