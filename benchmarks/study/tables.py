"""What the runs of a folder allow to say, in Markdown: by the statistics of `aldata compare`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from aldata.acquire import STRATEGIES, AcquireSettings
from aldata.compare import Curve, Interval, cost_to_reach, differences
from study.rounds import RARE_ONLY, Line, read_lines
from study.worlds import System

REFERENCE = "random"
TITLES = {
    AcquireSettings().strategy: " (the default)",
    "permuted": " (the null)",
    RARE_ONLY: " (no strategy: knows them)",
}
"""What is said of a strategy behind its name."""

NOT_KEPT = ("ids", "facts", "strategy")
"""What no table and no figure needs of a round."""


def curves_in(
    folder: Path, seeds: Sequence[int] | None = None, most: int | None = None
) -> list[Curve]:
    """The runs of a folder up to round `most`, as the learning curves that experiments have.

    A file holds one run, or, written by `kept`, many.
    """
    runs: dict[str, list[Line]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in _rounds_of_many(path) or read_lines(path):
            runs.setdefault(line.get("run", path.stem), []).append(line)
    found = []
    for name, lines in sorted(runs.items()):
        if seeds is None or lines[0]["seed"] in seeds:
            points = tuple(lines[: None if most is None else most + 1])
            strategy = name.rsplit("-", 1)[0]
            found.append(Curve(name, "", strategy, lines[0]["seed"], points, (), {}))
    return found


def _rounds_of_many(path: Path) -> list[Line]:
    """What `kept` has written; nothing where a file is that of one run."""
    with path.open() as stream:
        if '{"run": ' not in stream.readline():
            return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def kept(curves: Sequence[Curve]) -> str:
    """Rounds without their picks, a line each: enough for every table and figure."""
    lines = []
    for curve in curves:
        for point in curve.points:
            numbers = {k: v for k, v in point.items() if k not in NOT_KEPT}
            rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in numbers.items()}
            head = {"run": curve.experiment, "seed": curve.seed}
            lines.append(json.dumps({**head, **rounded}) + "\n")
    return "".join(lines)


def paired(curves: Sequence[Curve]) -> tuple[list[Curve], int]:
    """The curves that go as far as `random` does, and the number of that round."""
    last = max((len(c.points) for c in curves if c.strategy == REFERENCE), default=0)
    complete = [replace(c, points=c.points[:last]) for c in curves if len(c.points) >= last > 0]
    return complete, last - 1


def unfinished(curves: Sequence[Curve]) -> str:
    """A sentence that names the runs which are in no table, or nothing."""
    complete, last = paired(curves)
    names_ = {c.experiment for c in complete}
    short = [f"{c.experiment} ({len(c.points) - 1})" for c in curves if c.experiment not in names_]
    return f"Left out, with fewer than {last} rounds: {', '.join(short)}.\n" if short else ""


def table(system: System, curves: Sequence[Curve]) -> str:
    """Errors after the last round (geometric means), and their paired ratios to `random`."""
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
        row = [titled(name), str(len(ends)), f"{np.mean([_rare(system, e) for e in ends]):.1f}"]
        for key in system.measures:
            row.append(f"{np.exp(np.mean(np.log([end[key] for end in ends]))):.0f}")
            row.append("1" if name == REFERENCE else _ratio(ratios[key].get(name)))
        rows.append(row)
    return markdown(head, rows)


def needed(system: System, curves: Sequence[Curve]) -> str:
    """Labels after which a run stays below the error that `random` with its seed has at the end,
    and what share of the labels this is after which `random` itself does.
    """
    curves, _last = paired(curves)
    key, title = next(iter(system.measures.items()))
    theirs = {c.seed: c.values(key) for c in curves if c.strategy == REFERENCE}
    rows = []
    for name in names(curves):
        labels, shares = [], []
        for curve in curves:
            if curve.strategy == name and curve.seed in theirs:
                target = theirs[curve.seed][-1][1]
                own = cost_to_reach(theirs[curve.seed], target) or np.inf
                labels.append(cost_to_reach(curve.values(key), target) or np.inf)
                shares.append(labels[-1] / own)
        each = ", ".join(_or_never(f"{v:.0f}", v) for v in sorted(labels))
        middle, low, high = np.median(shares), min(shares), max(shares)
        within = f"({low:.2f} - {_or_never(f'{high:.2f}', high)})"
        rows.append([titled(name), each, _or_never(f"{middle:.2f} {within}", middle)])
    head = ["strategy", f"labels, in ascending order ({title})", "of random's with the same seed"]
    return markdown(head, rows)


def _or_never(text: str, value: float) -> str:
    return text if np.isfinite(value) else "never"


def titled(strategy: str) -> str:
    """The name as the tables write it."""
    return f"`{strategy}`{TITLES.get(strategy, '')}"


def cost(curves: Sequence[Curve]) -> str:
    """Processor time of all runs, by strategy."""
    rows = []
    for name in names(curves):
        lines = [line for c in curves if c.strategy == name for line in c.points[1:]]
        seconds = [line["cpu_s"] for line in lines if "cpu_s" in line]
        if seconds:
            rows.append([titled(name), str(len(seconds)), f"{np.mean(seconds):.1f}"])
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
