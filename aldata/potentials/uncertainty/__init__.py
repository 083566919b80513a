"""How wrong a checkpoint may be: committee, last layer, shallow ensemble, dropout.

`METHODS`, `predict` and `predictor` need torch and are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aldata.potentials.uncertainty.settings import NAMES, Predict, UncertaintySettings

if TYPE_CHECKING:
    from aldata.potentials.uncertainty.methods import METHODS, predict, predictor

__all__ = ["METHODS", "NAMES", "Predict", "UncertaintySettings", "predict", "predictor"]


def __getattr__(name: str) -> Any:
    if name in ("METHODS", "predict", "predictor"):
        from aldata.potentials.uncertainty import methods

        return getattr(methods, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
