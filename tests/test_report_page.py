"""The report in a real browser, where there is one: `apt-get install chromium`."""

from __future__ import annotations

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
