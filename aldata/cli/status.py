"""`aldata status`: generations, calls, costs, errors, and what is stale."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import Any

from aldata import audit, params, store
from aldata.artifacts.documents import Calibration
from aldata.artifacts.layout import SEED, path_of
from aldata.audit.retractions import tainted
from aldata.audit.versions import WORKSPACE
from aldata.cli.advance import sentence
from aldata.cli.project import Busy, Project
from aldata.cli.staleness import Forecast, forecasts
from aldata.cli.verdicts import verdicts
from aldata.evaluate import flatten
from aldata.params import Parameters

COLUMNS = {
    "generation": "name",
    "parent": "parent",
    "strategy": "strategy",
    "accepted": "accepted",
    "rejected": "rejected",
    "failed": "failed",
    "DFT\nCPU s": "oracle_seconds",
    "MD\nstable": "explore.stable_share",
    "parent on new probe:\nF RMSE meV/A": "probe.forces_rmse_meV_per_A",
    "mean z2\nenergy": "probe.energy_mean_z2",
    "mean z2\nforces": "probe.forces_mean_z2",
    "test:\nF RMSE meV/A": "shown.forces_rmse_meV_per_A",
    "test:\nE RMSE meV/atom": "shown.energy_rmse_meV_per_atom",
    "": "state",
}
"""Heading of each column of the table, and the key of its value; `shown` is the generated test set,
or the first of the user's own where there is none."""

NEXT = """\
Next:
  dvc plots show                                    learning curve, parity, reliability as a page
  mlflow ui --backend-store-uri sqlite:///mlflow.db the trainings, epoch by epoch
  git add . && git commit -m "..."                  record the generations: they are not bought again
  aldata advance                                    one more generation
  dvc exp run -S acquire.strategy=farthest_point    the same tree with another strategy
  dvc exp show                                      compare them"""

AT_WORK = "  Another DVC command is at work here: what is stale is known when it has ended."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata status`."""
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> int:
    """Print the table or the JSON document."""
    project = Project.here()
    parameters = params.load(project.params)
    try:
        ahead, busy = forecasts(project, parameters), False
    except Busy:
        ahead, busy = [], True
    rows = [generation_row(project, parameters, name, ahead) for name in parameters.in_order()]
    taint = _taint(project)
    for row in rows:
        row["tainted"] = taint.get(row["name"], 0)
    if options.json:
        print(json.dumps({"seed": seed_row(project), "generations": rows, "busy": busy}, indent=1))
        return 0
    print(_table(project, rows))
    for row in (seed_row(project), *rows):
        if row["failures"]:
            print(f"  {row['name']}: {_by_class(row['failures'])}")
    for line in (*verdicts(rows), *leaks(rows), *bands(rows)):
        print("  " + line)
    for name, count in taint.items():
        print(
            f"  {name} is tainted: its model uses {count} retracted calls (aldata audit model {name})"
        )
    for item in ahead:
        print("  " + sentence(item))
    print(AT_WORK if busy else "Next:\n  dvc repro" if ahead else NEXT)
    return 0


def _taint(project: Project) -> dict[str, int]:
    """Generations whose model uses retracted calls, and how many."""
    with audit.Index(project.root) as index:
        graph = audit.Graph(index)
        found = tainted(graph)
        place = graph.places[WORKSPACE]
        return {
            name: sum(found[place[name].id].values()) for name in place if place[name].id in found
        }


def generation_row(
    project: Project, parameters: Parameters, name: str, ahead: list[Forecast]
) -> dict[str, Any]:
    """What is known of one generation; `metrics` is empty before it was evaluated."""
    path = project.root / path_of(name, "metrics")
    metrics: dict[str, Any] = store.read_json(path) if path.exists() else {}
    settings = parameters.settings_of("acquire", name).content()
    return {
        "name": name,
        "parent": parameters.parent_of(name),
        "strategy": metrics.get("strategy", settings["strategy"]),
        "accepted": metrics.get("accepted"),
        "rejected": metrics.get("rejected"),
        "failed": metrics.get("failed"),
        "oracle_seconds": metrics.get("oracle_seconds"),
        "failures": failures(_calls(project, name)),
        "metrics": metrics,
        "stop": metrics.get("stop"),
        "thresholds": _thresholds(project, name),
        "stale": any(item.generation == name and item.computed for item in ahead),
        "computed": bool(metrics),
    }


def _thresholds(project: Project, generation: str) -> dict[str, Any] | None:
    path = project.root / path_of(generation, "calibration")
    found = store.read_document(path, Calibration).thresholds if path.exists() else None
    return None if found is None else found.content()


def seed_row(project: Project) -> dict[str, Any]:
    """Calls of the seed: test set, isolated atoms, imported labels."""
    calls = _calls(project, SEED)
    return {
        "name": SEED,
        "accepted": sum(call["status"] == "accepted" for call in calls),
        "rejected": sum(call["status"] == "rejected" for call in calls),
        "failed": sum(call["status"] == "failed" for call in calls),
        "oracle_seconds": sum(call["cpu_seconds"] for call in calls),
        "failures": failures(calls),
    }


def failures(calls: list[dict[str, Any]]) -> dict[str, int]:
    """How many calls have no label, by class of failure, the most frequent first."""
    return dict(Counter(c["failure"] for c in calls if c["failure"] != "none").most_common())


def leaks(rows: list[dict[str, Any]]) -> list[str]:
    """Test sets that the newest tested model has as good as learned from, in words."""
    tested = [row["metrics"]["test"] for row in rows if row["metrics"]]
    return [
        f"test set '{name}': {found['near_copies']} of {found['frames']} frames nearly copy frames "
        "that were learned from"
        for name, found in (tested[-1] if tested else {}).items()
        if found.get("near_copies")
    ]


def bands(rows: list[dict[str, Any]]) -> list[str]:
    """What the bands of each generation came to on its parent's model, in words."""
    found = [(row["name"], row["metrics"].get("explore", {})) for row in rows if row["metrics"]]
    return [
        f"{name}: barrier {explore['barrier_meV']:.3g} meV by its parent's model; "
        f"{explore['bands_converged']} of {explore['bands']} bands converged"
        for name, explore in found
        if explore.get("barrier_meV") is not None
    ]


def _calls(project: Project, generation: str) -> list[dict[str, Any]]:
    path = project.root / path_of(generation, "calls")
    calls: list[dict[str, Any]] = store.read_json(path) if path.exists() else []
    return calls


def _by_class(counts: dict[str, int]) -> str:
    listed = ", ".join(f"{count} {failure}" for failure, count in counts.items())
    return f"{sum(counts.values())} calls without a label: {listed}"


def _table(project: Project, rows: list[dict[str, Any]]) -> str:
    from tabulate import tabulate

    def cells(row: dict[str, Any]) -> list[Any]:
        state = "stale" if row.get("stale") else "" if row.get("computed", True) else "planned"
        state += " tainted" if row.get("tainted") else ""
        metrics = row.get("metrics", {})
        tests: dict[str, Any] = metrics.get("test", {})
        shown: dict[str, Any] = tests.get("generated") or next(iter(tests.values()), {})
        values = {**flatten({**metrics, "shown": shown}), **row, "state": state}
        return [values.get(key) for key in COLUMNS.values()]

    body = [cells(seed_row(project)), *(cells(row) for row in rows)]
    return str(tabulate(body, headers=list(COLUMNS), floatfmt=".3g", missingval="-"))
