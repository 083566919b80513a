"""The learning curves of a comparison as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aldata.compare import Curve
from aldata.errors import InvalidInput


def draw(curves: Sequence[Curve], metric: str, path: Path) -> None:
    """Every seed as a thin line, the mean of each strategy as a thick one, over the number of calls.

    Raises InvalidInput for a kind of file that matplotlib does not write, or a folder that is missing.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for number, strategy in enumerate(sorted({curve.strategy for curve in curves})):
        color = f"C{number}"
        lines = [values for c in curves if c.strategy == strategy and (values := c.values(metric))]
        for line in lines:
            axes.plot(*zip(*line, strict=True), color=color, alpha=0.3, linewidth=1)
        whole = [line for line in lines if len(line) == max(map(len, lines))]
        if whole:
            calls, errors = np.mean(whole, axis=0).T
            axes.plot(calls, errors, "o-", color=color, label=f"{strategy} ({len(whole)} seeds)")
    axes.set(xlabel="oracle calls", ylabel=metric)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as problem:
        raise InvalidInput(
            f"cannot be drawn ({problem})", where=str(path), expected="a .png, .svg or .pdf file"
        ) from None
