"""The page: one HTML file with its data, styles, scripts and the structure viewer in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from typing import Any

PARTS = resources.files("aldata.report") / "page"
VIEWER = resources.files("aldata.report") / "vendor" / "3Dmol-min.js"
SCRIPTS = ("charts.js", "parts.js", "sections.js", "viewer.js", "main.js")
"""Scripts of the page, in the order in which they are read; the viewer comes before them."""


def page(document: dict[str, Any]) -> str:
    """The report of a document of `gathered` as HTML that loads nothing.

    Names and messages of a project are never markup: they are JSON in which no tag can begin, and the
    scripts put them on the page as text. The policy in the head allows these scripts only, by their
    digests, and no connection.
    """
    scripts = [VIEWER.read_text(encoding="utf-8")]
    scripts += [_part(name) for name in SCRIPTS]
    sources = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    pieces = {
        "policy": f"default-src 'none'; script-src {sources}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'",
        "style": _part("style.css"),
        "data": _inert(document),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: pieces[place[1]], _part("page.html"))


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")


def _inert(document: dict[str, Any]) -> str:
    """JSON that may stand inside a script element: no `<`, so nothing ends it early."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
