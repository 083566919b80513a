"""Draw the learning curve of a project.

python docs/learning_curve.py demo docs/images/learning_curve.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt


def main() -> None:
    """Draw the history of the project's last generation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    last = sorted((options.project / "generations").glob("g*/history.json"))[-1]
    points = json.loads(last.read_text())
    calls = [point["calls"] for point in points]
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    curves = {
        "test_forces_rmse_meV_per_A": ("test set (600 K)", "o-", "tab:blue"),
        "probe_forces_rmse_meV_per_A": ("next probe frames, before training", "s--", "tab:orange"),
    }
    for key, (label, style, color) in curves.items():
        values = [point[key] for point in points]
        if key.startswith("probe_"):  # the parent's model: at the parent's price
            values = [*values[1:], None]
        axes.plot(calls, [v or float("nan") for v in values], style, color=color, label=label)
    for k, (x, point) in enumerate(zip(calls, points, strict=True)):
        error = point["test_forces_rmse_meV_per_A"]
        following = points[k + 1]["probe_forces_rmse_meV_per_A"] if k + 1 < len(points) else 0.0
        away = 8 if following < error else -18  # from the other curve, in points
        axes.annotate(
            f"{error:.0f}", (x, error), textcoords="offset points", xytext=(0, away), ha="center"
        )
    axes.set(xlabel="DFT calls", ylabel="force RMSE (meV/Å)", xticks=calls)
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.picture, dpi=150)


if __name__ == "__main__":
    main()
