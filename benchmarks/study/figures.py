"""Learning curves of a system, one panel per measure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from aldata.compare import Curve
from study.rounds import RARE_ONLY
from study.tables import names, paired
from study.worlds import System

STYLES = {
    "random": ("black", "o"),
    "permuted": ("0.6", "x"),
    "farthest_point": ("tab:green", "s"),
    "max_variance": ("tab:red", "^"),
    "information_gain": ("tab:cyan", "v"),
    "information_gain_diversity": ("tab:blue", "D"),
    "largest_cluster": ("tab:orange", "P"),
    RARE_ONLY: ("tab:purple", "*"),
}

TICKS = (20, 30, 40, 50, 60, 70, 80, 100, 120, 140, 160, 180, 200, 220, 250, 300, 350, 400, 500)
"""Errors that are written at an axis, where it reaches them."""


def draw(system: System, curves: Sequence[Curve], path: Path, panels: int = 2) -> None:
    """Geometric mean of the error over the seeds against the labels; the bar is its standard error."""
    curves, _last = paired(curves)
    figure, axes = plt.subplots(
        1, panels, figsize=(4.6 * panels, 4.0), layout="constrained", squeeze=False
    )
    for axis, (key, title) in zip(axes[0], system.measures.items(), strict=False):
        for place, name in enumerate(names(curves)):
            _curve(axis, [c for c in curves if c.strategy == name], key, place)
        labels = [point["calls"] for point in curves[0].points]
        axis.set(
            xlabel="labels, probe included", ylabel=title.replace("meV/A", "meV/Å"), xticks=labels
        )
        axis.set_yscale("log")
        axis.grid(alpha=0.3, which="both")
        axis.spines[["top", "right"]].set_visible(False)
        ticks = [tick for tick in TICKS if _inside(axis, tick)]
        axis.set_yticks(ticks, [str(t) for t in ticks])
        axis.minorticks_off()
    axes[0][-1].legend(frameon=False, fontsize=8)
    seeds = len({c.seed for c in curves})
    figure.suptitle(f"{system.title}; mean of {seeds} seeds", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _curve(axis: plt.Axes, runs: Sequence[Curve], key: str, place: int) -> None:
    """One strategy, beside the others: `place` shifts its bars, so that they do not hide each other."""
    name = runs[0].strategy
    logs = np.log([[point[key] for point in run.points] for run in runs])
    labels = np.array([point["calls"] for point in runs[0].points])
    middle = logs.mean(axis=0)
    error = logs.std(axis=0, ddof=1) / np.sqrt(len(runs)) if len(runs) > 1 else 0 * middle
    low, high = np.exp(middle) - np.exp(middle - error), np.exp(middle + error) - np.exp(middle)
    color, marker = STYLES.get(name, (f"C{place}", "."))
    axis.errorbar(
        labels + 0.15 * (place - 3),
        np.exp(middle),
        yerr=[low, high],
        color=color,
        marker=marker,
        markersize=5,
        linewidth=1.6,
        elinewidth=0.9,
        capsize=2,
        label=name,
    )


def _inside(axis: plt.Axes, value: float) -> bool:
    low, high = axis.get_ylim()
    return bool(low <= value <= high)
