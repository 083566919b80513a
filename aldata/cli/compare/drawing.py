"""The learning curves of a comparison as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aldata.compare import UNITS, Curve
from aldata.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(curves: Sequence[Curve], metrics: Sequence[str], against: str, path: Path) -> None:
    """A panel per metric: every seed as a thin line, the mean of each strategy as a thick one.

    Raises InvalidInput for a kind of file that matplotlib does not write, or a folder that is missing.
    """
    from matplotlib.figure import Figure

    if not path.parent.is_dir():
        raise InvalidInput(
            "cannot be drawn", where=str(path), expected="a file in a folder that is there"
        )
    figure = Figure(figsize=(6.4, 4.0 * len(metrics)), layout="constrained")
    for place, metric in enumerate(metrics):
        _panel(figure.add_subplot(len(metrics), 1, place + 1), curves, metric, against)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as problem:
        raise InvalidInput(
            f"cannot be drawn ({problem})", where=str(path), expected="a .png, .svg or .pdf file"
        ) from None


def _panel(axes: Axes, curves: Sequence[Curve], metric: str, against: str) -> None:
    for number, strategy in enumerate(sorted({curve.strategy for curve in curves})):
        color = f"C{number}"
        mine = [c for c in curves if c.strategy == strategy and c.knows(metric)]
        lines = [values for c in mine if (values := c.values(metric, against))]
        for line in lines:
            axes.plot(*zip(*line, strict=True), color=color, alpha=0.3, linewidth=1)
        whole = [line for line in lines if len(line) == max(map(len, lines))]
        if whole:
            calls, errors = np.mean(whole, axis=0).T
            axes.plot(calls, errors, "o-", color=color, label=f"{strategy} ({len(whole)} seeds)")
    axes.set(xlabel=UNITS[against], ylabel=metric)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
