"""`aldata compare show`: learning curves side by side, and what they allow to say."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from aldata import compare
from aldata.cli.project import Project
from aldata.compare import Curve, Difference
from aldata.errors import InvalidInput


def run(options: argparse.Namespace) -> int:
    """Print the comparison, as tables or as JSON, and draw it."""
    project = Project.here()
    names = options.experiments or compare.experiments(project.root)
    if not names:
        raise InvalidInput(
            "no experiment starts from the current commit",
            where=str(project.root),
            expected="names of experiments or revisions",
            next_step="aldata compare run --strategies random,farthest_point --seeds 3",
        )
    curves = compare.curves_of(project.root, names, options.generation)
    found = compare.differences(curves, options.metric, options.reference)
    if options.plot:
        from aldata.cli.compare.drawing import draw

        draw(curves, options.metric, options.plot)
    if options.json:
        print(json.dumps(_document(curves, found, options.metric, options.target), indent=1))
        return 0
    print(f"{options.metric}, mean of the seeds [lowest to highest], after so many calls\n")
    print(_table(curves, options.metric))
    target = options.target or _reference_end(curves, options.metric, options.reference)
    if target is not None:
        print(
            f"\ncalls until it stays below {target:.4g}\n{_reached(curves, options.metric, target)}"
        )
    lines = compare.sentences(curves, found, options.reference) + compare.warnings(curves)
    print("\n" + "\n".join(lines))
    return 0


def _by_strategy(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    found: dict[str, list[Curve]] = defaultdict(list)
    for curve in sorted(curves, key=lambda curve: (curve.strategy, curve.seed)):
        found[curve.strategy].append(curve)
    return found


def _table(curves: Sequence[Curve], metric: str) -> str:
    """A row per strategy and generation of its curves; seeds that are missing show in their number."""
    from tabulate import tabulate

    rows = []
    for strategy, members in _by_strategy(curves).items():
        for place in range(max(len(curve.points) for curve in members)):
            pairs = [values[place] for c in members if len(values := c.values(metric)) > place]
            if not pairs:
                continue
            calls, errors = zip(*pairs, strict=True)
            spread = f"[{min(errors):.4g} to {max(errors):.4g}]"
            mean, mean_calls = sum(errors) / len(errors), sum(calls) / len(calls)
            longest = max(members, key=lambda curve: len(curve.points))
            generation = longest.points[place]["generation"]
            rows.append([strategy, generation, mean_calls, mean, spread, len(errors)])
    headings = ["strategy", "generation", "calls", "mean", "", "seeds"]
    return str(tabulate(rows, headers=headings, floatfmt=".4g"))


def _reference_end(curves: Sequence[Curve], metric: str, reference: str) -> float | None:
    """The reference's mean error at the end of its curves."""
    ends = [v[-1][1] for c in curves if c.strategy == reference and (v := c.values(metric))]
    return sum(ends) / len(ends) if ends else None


def _reached(curves: Sequence[Curve], metric: str, target: float) -> str:
    from tabulate import tabulate

    rows = []
    for strategy, members in _by_strategy(curves).items():
        calls = [compare.calls_to_reach(curve.values(metric), target) for curve in members]
        known = [value for value in calls if value is not None]
        mean = sum(known) / len(known) if len(known) == len(calls) and known else None
        each = ", ".join("not reached" if value is None else f"{value:.0f}" for value in calls)
        rows.append([strategy, mean, each])
    headings = ["strategy", "mean", "seed by seed"]
    return str(tabulate(rows, headers=headings, floatfmt=".0f", missingval="-"))


def _document(
    curves: Sequence[Curve], found: Sequence[Difference], metric: str, target: float | None
) -> dict[str, Any]:
    runs = []
    for curve in curves:
        row = {key: value for key, value in asdict(curve).items() if key != "settings"}
        if target is not None:
            row["calls_to_reach"] = compare.calls_to_reach(curve.values(metric), target)
        runs.append(row)
    return {
        "metric": metric,
        "target": target,
        "experiments": runs,
        "differences": [asdict(item) | {"verdict": compare.verdict(item)} for item in found],
        "unlike": [asdict(item) for item in compare.unlike(curves)],
    }
