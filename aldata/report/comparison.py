"""The experiments of the current commit beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aldata import compare

METRICS = (
    "test_forces_rmse_meV_per_A",
    "probe_so_far_forces_rmse_meV_per_A",
    "probe_forces_rmse_meV_per_A",
)
"""Columns of the learning curve to compare by: the first that the experiments know."""

REFERENCE = "random"


def comparison(root: Path, commit: str | None = None) -> dict[str, Any] | None:
    """Learning curves of the DVC experiments of a commit, by default the current one; None without any.

    points : (calls in all, error) of each generation. Raises as `compare.curves_of` does.
    """
    commits = compare.experiments(root, commit)
    if not commits:
        return None
    read = compare.curves_of(root, commits)
    curves = read.curves
    points = [point for curve in curves for point in curve.points]
    metric = next((m for m in METRICS if any(p.get(m) is not None for p in points)), METRICS[0])
    return {
        "metric": metric,
        "curves": [
            {
                "experiment": curve.experiment,
                "strategy": curve.strategy,
                "seed": curve.seed,
                "points": curve.values(metric),
                "missing": list(curve.missing),
            }
            for curve in curves
        ],
        "sentences": [
            *compare.sentences(curves, compare.differences(curves, metric, REFERENCE), REFERENCE),
            *(f"Acted otherwise than named: {deed}" for deed in compare.doings(curves)),
        ],
        "warnings": compare.warnings(curves, read.unreadable),
    }
