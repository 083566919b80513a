"""A picture of the chain: which artifact was made from which, as SVG, or as a page with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from aldata.artifacts.layout import SEED
from aldata.audit.graph import Graph, Recorded, titles
from aldata.audit.models import activities_of
from aldata.errors import InvalidInput

WIDTH, HEIGHT, GAP = 168, 30, 14
"""Size of a box and the distance to the one below, in pixels."""
ACROSS, MARGIN, TOP = WIDTH + 90, 24, 64

SHOWN = (
    "candidates", "descriptors", "predictions", "selection", "labels", "dataset", "checkpoint",
    "calibration", "metrics",
)  # fmt: skip
"""Artifacts that the picture shows of each generation, from top to bottom."""

STYLE = (
    "text{font:12px sans-serif}.box{fill:#eef3f8;stroke:#5b7a99}.hit{fill:#fbd9b5;stroke:#b3591d}"
    ".edge{fill:none;stroke:#9aa8b5;stroke-width:1.2}.hot{fill:none;stroke:#b3591d;stroke-width:1.6}"
    ".head{font-weight:bold}"
)


@dataclass(frozen=True)
class Box:
    """One artifact: where it stands, its text, and what it was made from."""

    x: float
    y: float
    title: str
    hint: str
    sources: tuple[str, ...]


def write_picture(
    path: Path, graph: Graph, records: Sequence[Recorded], hit: set[str], heading: str, page: str
) -> None:
    """Write the chain of `records` to an .svg or .html file; artifacts whose digest is in `hit` stand out.

    page : text that an .html file shows below the picture. Raises InvalidInput for another ending.
    """
    if path.suffix not in (".svg", ".html"):
        raise InvalidInput(
            f"'{path.suffix}' is no kind of picture", where=str(path), expected=".svg or .html"
        )
    text = svg(graph, records, hit, heading)
    if path.suffix == ".html":
        text = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(heading)}'
            f"</title></head><body>{text}<pre>{escape(page)}</pre></body></html>\n"
        )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise InvalidInput(
            f"cannot be written: {problem.strerror or problem}", where=str(path)
        ) from None


def svg(graph: Graph, records: Sequence[Recorded], hit: set[str], heading: str) -> str:
    """The picture: a column per step from the seed, a band per branch, an edge per use."""
    spots = _spots(graph, records)
    boxes: dict[str, Box] = {}
    heads = []
    for record in records:
        column, lane = spots[record.id]
        x = MARGIN + column * ACROSS
        y = TOP + lane * (len(SHOWN) * (HEIGHT + GAP) + 60)
        heads.append(_text(x, y - 10, f"{record.generation}  {record.strategy or ''}", "head"))
        for digest, box in _boxes(graph, record, x, y):
            boxes.setdefault(digest, box)
    parts = [_edge(boxes, digest, hit) for digest in boxes]
    parts += [_drawn(digest, box, digest in hit) for digest, box in boxes.items()]
    # edges inside the last column bend to its right
    width = 3 * MARGIN + max((box.x for box in boxes.values()), default=0) + WIDTH
    height = MARGIN + max((box.y for box in boxes.values()), default=0) + HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}"><style>{STYLE}</style>'
        f"{_text(MARGIN, 22, heading, 'head')}{''.join(heads)}{''.join(parts)}</svg>"
    )


def _spots(graph: Graph, records: Sequence[Recorded]) -> dict[int, tuple[int, int]]:
    """Column (steps from the seed) and band of every record; a band holds one of each column."""
    taken: set[tuple[int, int]] = set()
    bands: dict[str, int] = {}
    spots = {}
    depth = {r.id: len(graph.chain(r.manifest)[0]) - 1 if r.manifest else 0 for r in records}
    for record in sorted(records, key=lambda r: depth[r.id]):
        manifest = graph.manifests.get(record.manifest or "")
        band = bands.get((manifest.parent if manifest else None) or "", 0)
        while (depth[record.id], band) in taken:
            band += 1
        taken.add((depth[record.id], band))
        bands.setdefault(record.manifest or "", band)
        spots[record.id] = (max(0, depth[record.id]), band)
    return spots


def _boxes(graph: Graph, record: Recorded, x: float, y: float) -> list[tuple[str, Box]]:
    found: list[tuple[str, Box]] = []
    for activity in activities_of(graph, record).values():
        when = f"{activity['stage']} on {activity['host']}, {activity['ended']}"
        if record.generation == SEED:
            found += _inputs(activity["used"], x, y)
        for path, digest in activity["generated"].items():
            name = Path(path).stem
            if name not in SHOWN:
                continue
            if record.generation == SEED and name not in (
                "candidates",
                "labels",
                "dataset",
                "checkpoint",
            ):
                continue
            place = y + SHOWN.index(name) * (HEIGHT + GAP)
            hint = f"{path}\n{digest}\n{when}\n{', '.join(titles(record.versions))}"
            title = f"{name} {digest[:8]}"
            found.append((digest, Box(x, place, title, hint, tuple(activity["used"].values()))))
    return found


def _inputs(used: dict[str, str], x: float, y: float) -> list[tuple[str, Box]]:
    """The user's own files that everything began with, where the seed has no other artifacts."""
    return [
        (
            digest,
            Box(
                x, y + (1 + row) * (HEIGHT + GAP), f"{Path(path).name[:12]} {digest[:8]}", path, ()
            ),
        )
        for row, (path, digest) in enumerate(list(used.items())[:3])
    ]


def _edge(boxes: dict[str, Box], digest: str, hit: set[str]) -> str:
    box = boxes[digest]
    lines = []
    for source in dict.fromkeys(box.sources):
        other = boxes.get(source)
        if other is None or other is box:
            continue
        kind = "hot" if digest in hit and source in hit else "edge"
        y1, y2 = other.y + HEIGHT / 2, box.y + HEIGHT / 2
        if other.x == box.x:
            x = box.x + WIDTH
            bend = x + 16 + abs(y2 - y1) / 8
            path = f"M{x} {y1} C{bend} {y1} {bend} {y2} {x} {y2}"
        else:
            x1 = other.x + WIDTH
            middle = (x1 + box.x) / 2
            path = f"M{x1} {y1} C{middle} {y1} {middle} {y2} {box.x} {y2}"
        lines.append(f'<path class="{kind}" d="{path}"/>')
    return "".join(lines)


def _drawn(digest: str, box: Box, hot: bool) -> str:
    return (
        f'<g id="a{digest[:16]}"><title>{escape(box.hint)}</title>'
        f'<rect class="{"hit" if hot else "box"}" x="{box.x}" y="{box.y}" width="{WIDTH}" '
        f'height="{HEIGHT}" rx="4"/>{_text(box.x + 8, box.y + 20, box.title)}</g>'
    )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'
