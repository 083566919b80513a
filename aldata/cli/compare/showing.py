"""`aldata compare show`: learning curves side by side, and what they allow to say."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from aldata import compare
from aldata.cli.project import Project
from aldata.compare import Curve
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
    metrics = compare.metrics_of(curves, options.metric.split(","))
    if options.target is not None and len(metrics) > 1:
        raise InvalidInput(
            f"--target is in the unit of one metric, and these are {len(metrics)}",
            where=f"--metric {options.metric}",
            expected=f"one of: {', '.join(metrics)}",
        )
    compared = [_Compared(curves, metric, options) for metric in metrics]
    if options.plot:
        from aldata.cli.compare.drawing import draw

        draw(curves, metrics, options.against, options.plot)
    if options.json:
        documents = [one.document() for one in compared]
        found = documents[0] if len(documents) == 1 else {"comparisons": documents}
        print(json.dumps(found, indent=1))
        return 0
    if len(compared) > 1:
        print(f"mean of the seeds, after so many {UNITS[options.against]}\n")
        print(_side_by_side(curves, metrics, options.against))
    print("\n\n".join(one.page(with_table=len(compared) == 1) for one in compared))
    print("\n".join(["", *compare.warnings(curves)]).rstrip())
    return 0


UNITS = {"calls": "calls", "seconds": "CPU s of the oracle"}


class _Compared:
    """The curves by one metric: of the experiments that report it."""

    def __init__(self, curves: Sequence[Curve], metric: str, options: argparse.Namespace) -> None:
        self.metric, self.against, self.reference = metric, options.against, options.reference
        self.curves = [curve for curve in curves if curve.knows(metric) or not curve.points]
        self.without = [curve.experiment for curve in curves if curve not in self.curves]
        self.target = options.target
        self.differences = compare.differences(self.curves, metric, self.reference, self.against)

    def page(self, with_table: bool) -> str:
        """What there is to say, in words; with the learning curves as a table if asked."""
        lines = [f"{self.metric}"]
        if with_table:
            unit = UNITS[self.against]
            lines = [f"{self.metric}, mean of the seeds [lowest to highest], after so many {unit}"]
            lines += ["", _table(self.curves, self.metric, self.against)]
        target = self.target or self._reference_end()
        if target is not None:
            lines += ["", f"{UNITS[self.against]} until it stays below {target:.4g}"]
            lines += [self._reached(target)]
        lines += ["", *compare.sentences(self.curves, self.differences, self.reference)]
        lines += [f"{name}: does not report it" for name in self.without]
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """Everything, as plain values."""
        runs = []
        for curve in self.curves:
            row = {key: value for key, value in asdict(curve).items() if key != "settings"}
            if self.target is not None:
                values = curve.values(self.metric, self.against)
                row[f"{self.against}_to_reach"] = compare.calls_to_reach(values, self.target)
            runs.append(row)
        verdicts = [asdict(d) | {"verdict": compare.verdict(d)} for d in self.differences]
        return {
            "metric": self.metric,
            "against": self.against,
            "target": self.target,
            "experiments": runs,
            "without": self.without,
            "differences": verdicts,
            "unlike": [asdict(item) for item in compare.unlike(self.curves)],
        }

    def _reference_end(self) -> float | None:
        """The reference's mean error at the end of its curves."""
        mine = [c for c in self.curves if c.strategy == self.reference]
        ends = [v[-1][1] for c in mine if (v := c.values(self.metric, self.against))]
        return sum(ends) / len(ends) if ends else None

    def _reached(self, target: float) -> str:
        from tabulate import tabulate

        rows = []
        for strategy, members in _by_strategy(self.curves).items():
            curves = [curve.values(self.metric, self.against) for curve in members]
            costs = [compare.calls_to_reach(values, target) for values in curves]
            known = [value for value in costs if value is not None]
            mean = sum(known) / len(known) if len(known) == len(costs) and known else None
            each = ", ".join("not reached" if value is None else f"{value:.0f}" for value in costs)
            rows.append([strategy, mean, each])
        headings = ["strategy", "mean", "seed by seed"]
        return str(tabulate(rows, headers=headings, floatfmt=".0f", missingval="-"))


def _by_strategy(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    found: dict[str, list[Curve]] = defaultdict(list)
    for curve in sorted(curves, key=lambda curve: (curve.strategy, curve.seed)):
        found[curve.strategy].append(curve)
    return found


Pairs = list[tuple[float, float]]


def _places(
    curves: Sequence[Curve], metrics: Sequence[str], against: str
) -> Iterator[tuple[str, str, list[Pairs]]]:
    """Strategy, generation, and per metric the (cost, error) of every seed that is as far."""
    column = compare.AGAINST[against]
    for strategy, members in _by_strategy(curves).items():
        longest = max(members, key=lambda curve: len(curve.points))
        for place, point in enumerate(longest.points):
            there = [curve.points[place] for curve in members if len(curve.points) > place]
            there = [p for p in there if p.get(column) is not None]
            pairs = [[(p[column], p[m]) for p in there if p.get(m) is not None] for m in metrics]
            yield strategy, point["generation"], pairs


def _table(curves: Sequence[Curve], metric: str, against: str) -> str:
    """A row per strategy and generation."""
    from tabulate import tabulate

    rows = []
    for strategy, generation, (pairs,) in _places(curves, [metric], against):
        if pairs:
            costs, errors = zip(*pairs, strict=True)
            spread = f"[{min(errors):.4g} to {max(errors):.4g}]"
            rows.append([strategy, generation, _mean(costs), _mean(errors), spread, len(errors)])
    headings = ["strategy", "generation", UNITS[against], "mean", "", "seeds"]
    return str(tabulate(rows, headers=headings, floatfmt=".4g"))


def _side_by_side(curves: Sequence[Curve], metrics: Sequence[str], against: str) -> str:
    """A row per strategy and generation, a column per metric; few seeds are named in brackets."""
    from tabulate import tabulate

    rows = []
    for strategy, generation, pairs in _places(curves, metrics, against):
        seeds = max(map(len, pairs))
        if seeds:
            costs = [cost for cost, _ in max(pairs, key=len)]
            rows.append(
                [strategy, generation, _mean(costs), seeds, *(_cell(p, seeds) for p in pairs)]
            )
    headings = ["strategy", "generation", UNITS[against], "seeds", *metrics]
    heads = [heading.replace("_", " ") for heading in headings]
    return str(tabulate(rows, headers=heads, floatfmt=".4g", maxheadercolwidths=16))


def _cell(pairs: Sequence[tuple[float, float]], seeds: int) -> str:
    """The mean error; of how many seeds where these are fewer than the row says."""
    if not pairs:
        return "-"
    few = "" if len(pairs) == seeds else f" ({len(pairs)})"
    return f"{_mean([error for _, error in pairs]):.4g}{few}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
