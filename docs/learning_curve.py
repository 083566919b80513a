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
        "test_forces_rmse_meV_per_A": ("test set (600 K), after training", "o-", "tab:blue"),
        "probe_forces_rmse_meV_per_A": ("new probe frames, before training", "s--", "tab:orange"),
    }
    for key, (label, style, color) in curves.items():
        axes.plot(calls, [point[key] for point in points], style, color=color, label=label)
    for x, point in zip(calls, points, strict=True):
        axes.annotate(
            f"{point['test_forces_rmse_meV_per_A']:.0f}",
            (x, point["test_forces_rmse_meV_per_A"]),
            textcoords="offset points",
            xytext=(0, 8),
            ha="center",
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
