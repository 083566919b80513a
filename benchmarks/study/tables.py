"""What the runs of a folder allow to say, in Markdown: by the statistics of `aldata compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from aldata.acquire import STRATEGIES
from aldata.compare import Curve, Interval, calls_to_reach, differences
from study.rounds import Line, read_lines
from study.worlds import System

REFERENCE = "random"


def curves_in(
    folder: Path, seeds: Sequence[int] | None = None, most: int | None = None
) -> list[Curve]:
    """The runs of a folder up to round `most`, as the learning curves that experiments have."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        lines = read_lines(path)[: None if most is None else most + 1]
        if lines and (seeds is None or lines[0]["seed"] in seeds):
            first = lines[0]
            found.append(
                Curve(
                    experiment=path.stem,
                    commit="",
                    strategy=path.stem.rsplit("-", 1)[0],
                    seed=first["seed"],
                    points=tuple(lines),
                    missing=(),
                    settings={},
                )
            )
    return found


def paired(curves: Sequence[Curve]) -> tuple[list[Curve], int]:
    """Curves up to the last round that `random` has in all its seeds, and its number; shorter ones are
    left out.
    """
    ends = [len(c.points) for c in curves if c.strategy == REFERENCE]
    last = min(ends, default=0)
    kept = [replace(c, points=c.points[:last]) for c in curves if len(c.points) >= last > 0]
    return kept, last - 1


def table(system: System, curves: Sequence[Curve]) -> str:
    """Errors after the last round, and their paired ratios to `random` with the intervals."""
    curves, last = paired(curves)
    ratios = {
        key: {d.strategy: d.interval for d in differences(curves, key, REFERENCE)}
        for key in system.measures
    }
    head = ["strategy", "seeds", f"asked for: {' and '.join(system.rare)}"]
    for title in system.measures.values():
        head += [title, "over random"]
    rows = []
    for name in names(curves):
        ends = [c.points[last] for c in curves if c.strategy == name]
        row = [f"`{name}`", str(len(ends)), f"{np.mean([_rare(system, e) for e in ends]):.1f}"]
        for key in system.measures:
            row.append(f"{np.mean([end[key] for end in ends]):.0f}")
            row.append("1" if name == REFERENCE else _ratio(ratios[key].get(name)))
        rows.append(row)
    return markdown(head, rows)


def needed(system: System, curves: Sequence[Curve]) -> str:
    """Labels after which a run stays below the error that `random` with its seed has at the end."""
    curves, _last = paired(curves)
    key, title = next(iter(system.measures.items()))
    ends = {c.seed: c.values(key)[-1] for c in curves if c.strategy == REFERENCE}
    rows = []
    for name in names(curves):
        mine = [c for c in curves if c.strategy == name and c.seed in ends]
        found = [calls_to_reach(c.values(key), ends[c.seed][1]) for c in mine]
        most = ends[mine[0].seed][0] if mine else 0
        values = sorted(np.inf if value is None else value for value in found)
        each = ", ".join(f"> {most:.0f}" if np.isinf(v) else f"{v:.0f}" for v in values)
        middle = float(np.median(values)) if values else np.inf
        share = "-" if np.isinf(middle) else f"{middle / most:.2f}"
        rows.append(
            [f"`{name}`", each, f"> {most:.0f}" if np.isinf(middle) else f"{middle:.0f}", share]
        )
    labels = f"labels, seeds in order of them ({title})"
    return markdown(["strategy", labels, "median", "of random's"], rows)


def cost(curves: Sequence[Curve]) -> str:
    """Processor time of all runs, by strategy."""
    rows = []
    for name in names(curves):
        lines = [line for c in curves if c.strategy == name for line in c.points[1:]]
        seconds = [line["cpu_s"] for line in lines if "cpu_s" in line]
        if seconds:
            rows.append([f"`{name}`", str(len(seconds)), f"{np.mean(seconds):.1f}"])
    total = sum(line.get("cpu_s", 0.0) for c in curves for line in c.points)
    table_ = markdown(["strategy", "rounds", "CPU s each"], rows)
    return f"{table_}\n{total:.0f} CPU s in all.\n"


def names(curves: Sequence[Curve]) -> list[str]:
    """Strategies in the order of the dictionary, variants of them behind."""
    found = {c.strategy for c in curves}
    return [s for s in STRATEGIES if s in found] + sorted(found - set(STRATEGIES))


def _rare(system: System, line: Line) -> int:
    return sum(line["kinds"].get(kind, 0) for kind in system.rare)


def _ratio(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    if interval.low is None or interval.high is None:
        return f"{1 + interval.mean:.2f}"
    return f"{1 + interval.mean:.2f} ({1 + interval.low:.2f} - {1 + interval.high:.2f})"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
