"""`aldata compare show`: learning curves side by side, and what they allow to say."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aldata import compare
from aldata.cli.project import Project
from aldata.compare import UNITS, Curve
from aldata.errors import InvalidInput
from aldata.evaluate import is_error


def run(options: argparse.Namespace) -> int:
    """Print the comparison, as tables or as JSON, and draw it."""
    project = Project.here()
    read = compare.curves_of(project.root, _chosen(project.root, options), options.generation)
    curves = read.curves
    _refuse_repeated(curves)
    metrics = compare.metrics_of(curves, options.metric.split(","))
    _check_target(options, metrics)
    compared = [_Compared(curves, metric, options) for metric in metrics]
    if options.plot:
        from aldata.cli.compare.drawing import draw

        draw(curves, metrics, options.against, options.plot)
    warnings = compare.warnings(curves, read.unreadable)
    if options.json:
        documents = [one.document() for one in compared]
        found = documents[0] if len(documents) == 1 else {"comparisons": documents}
        print(json.dumps({**found, "warnings": warnings}, indent=1))
        return 0
    if len(compared) > 1:
        print(f"mean of the seeds, after so many {UNITS[options.against]}\n")
        print(_side_by_side(curves, metrics, options.against))
        print("\n".join(_acted(curves)))
    print("\n\n".join(one.page(with_table=len(compared) == 1) for one in compared))
    print("\n".join(["", *warnings]).rstrip())
    return 0


def _chosen(root: Path, options: argparse.Namespace) -> dict[str, str]:
    """The experiments to show, name -> commit: those that are named, of a study, or all of this commit."""
    if options.experiments and options.study:
        raise InvalidInput("name experiments, or a study of the current commit", where="--study")
    if options.experiments:
        return compare.named(root, options.experiments)
    here = compare.experiments(root)
    if not here:
        raise InvalidInput(
            "no experiment starts from the current commit",
            where=str(root),
            expected="names of experiments or revisions",
            next_step="aldata compare run --strategies random,farthest_point --seeds 3",
        )
    if options.study is None:
        return here
    found = {
        name: commit for name, commit in here.items() if compare.study_of(name) == options.study
    }
    if not found:
        raise InvalidInput(
            f"no experiment of the current commit is of a study '{options.study}'",
            where="--study",
            expected=f"one of: {', '.join(_studies(here)) or '(there is none)'}",
        )
    return found


def _refuse_repeated(curves: Sequence[Curve]) -> None:
    """Runs of the same strategy and seed: which one is meant, only the user knows."""
    several = [[curve.experiment for curve in members] for members in compare.repeated(curves)]
    if several:
        studies = _studies(curve.experiment for curve in curves)
        raise InvalidInput(
            "these experiments have the same strategy and random seed: "
            + "; ".join(" and ".join(names) for names in several),
            expected="one run of each strategy and seed, to be compared seed by seed",
            next_step=" or ".join(
                ["aldata compare show EXPERIMENT ...", *(f"--study {study}" for study in studies)]
            ),
        )


def _studies(names: Iterable[str]) -> list[str]:
    return sorted({study for name in names if (study := compare.study_of(name))})


def _check_target(options: argparse.Namespace, metrics: Sequence[str]) -> None:
    if options.target is None:
        return
    if not 0 < options.target < math.inf:
        raise InvalidInput(
            f"no error stays below {options.target:g}", where="--target", expected="more than 0"
        )
    if len(metrics) > 1:
        raise InvalidInput(
            f"--target is in the unit of one metric, and these are {len(metrics)}",
            where=f"--metric {options.metric}",
            expected=f"one of: {', '.join(metrics)}",
        )
    if not is_error(metrics[0]):
        raise InvalidInput(
            f"{metrics[0]} is not an error that could stay below a target", where="--target"
        )


class _Compared:
    """The curves by one metric; of one that is no error, nothing is said beside them."""

    def __init__(self, curves: Sequence[Curve], metric: str, options: argparse.Namespace) -> None:
        self.metric, self.against, self.reference = metric, options.against, options.reference
        self.curves, self.target, self.is_error = curves, options.target, is_error(metric)
        self.without = [c.experiment for c in curves if c.points and not c.knows(metric)]
        self.differences: list[compare.Difference] = []
        self.reached: list[compare.Reached] = []
        if self.is_error:
            asked = (curves, metric, self.reference, self.against)
            self.differences = compare.differences(*asked)
            self.reached = compare.reached(*asked, self.target)

    def page(self, with_table: bool) -> str:
        """What there is to say, in words; with the learning curves as a table if asked."""
        lines = [f"{self.metric}"]
        if with_table:
            unit = UNITS[self.against]
            lines = [f"{self.metric}, mean of the seeds [lowest to highest], after so many {unit}"]
            lines += ["", _table(self.curves, self.metric, self.against), *_acted(self.curves)]
        if not self.is_error:
            return "\n".join([*lines, "", "Not an error: less is not better, so no verdict."])
        if any(one.targets for one in self.reached):
            lines += ["", *self._costs()]
        lines += ["", *compare.sentences(self.curves, self.differences, self.reference)]
        lines += [f"{name}: does not report it" for name in self.without]
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """Everything, as plain values."""
        reached = {one.strategy: one for one in self.reached}
        runs = []
        for curve in self.curves:
            row = {key: value for key, value in asdict(curve).items() if key != "settings"}
            if self.is_error:
                one = reached[curve.strategy]
                row["target"] = one.targets.get(curve.seed)
                row[f"{self.against}_to_reach"] = one.costs.get(curve.seed)
            runs.append(row)
        verdicts = [asdict(d) | {"verdict": compare.verdict(d)} for d in self.differences]
        return {
            "metric": self.metric,
            "is_error": self.is_error,
            "against": self.against,
            "target": self.target,
            "experiments": runs,
            "without": self.without,
            "differences": verdicts,
            "reached": [asdict(one) for one in self.reached],
            "acted": [asdict(item) for item in compare.acted(self.curves)],
            "unlike": [asdict(item) for item in compare.unlike(self.curves)],
        }

    def _costs(self) -> list[str]:
        """Costs until the target, and what they are of the reference's."""
        from tabulate import tabulate

        unit, reference = UNITS[self.against], self.reference
        below = f"{self.target:.4g}" if self.target else f"{reference}'s last with the same seed"
        rows = []
        for one in self.reached:
            each = [
                "not reached" if cost is None else compare.amount(cost)
                for cost in one.costs.values()
            ]
            count = f"{one.count} of {len(one.costs)}"
            rows.append([one.strategy, count, _ratio(one), ", ".join(each)])
        headings = ["strategy", "seeds that reach it", f"ratio to {reference}", "seed by seed"]
        table = str(tabulate(rows, headers=headings, disable_numparse=True))
        return [f"{unit} until the error stays below {below}", table]


def _ratio(one: compare.Reached) -> str:
    """The mean ratio with its interval where all seeds have one, else the median; of how many seeds."""
    found = one.interval
    of = "" if len(one.ratios) == len(one.costs) else f", {len(one.ratios)} seeds"
    if found is None:
        return "-" if one.median is None else f"{one.median:.2f} (median{of})"
    if found.low is None or found.high is None:
        return f"{1 + found.mean:.2f}{of}"
    return f"{1 + found.mean:.2f} ({1 + found.low:.2f} to {1 + found.high:.2f}{of})"


def _acted(curves: Sequence[Curve]) -> list[str]:
    found = compare.doings(curves)
    return (
        ["", f"Not everywhere the strategy that is named acted: {', '.join(found)}"]
        if found
        else []
    )


Pairs = list[tuple[float, float]]


def _places(
    curves: Sequence[Curve], metrics: Sequence[str], against: str
) -> Iterator[tuple[str, str, list[Pairs]]]:
    """Strategy, generation, and per metric the (cost, error) of every seed that is as far."""
    column = compare.AGAINST[against]
    for strategy, members in compare.by_strategy(curves).items():
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
