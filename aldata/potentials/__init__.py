"""The door to MACE: architecture, potentials, their uncertainty, last-layer algebra, export.

`Committee` and what needs torch is loaded on first use, so that reading settings stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aldata.potentials.architecture import Architecture
from aldata.potentials.uncertainty import UncertaintySettings

if TYPE_CHECKING:
    from aldata.potentials.committee import Committee
    from aldata.potentials.uncertainty.methods import predict

__all__ = ["Architecture", "Committee", "UncertaintySettings", "predict"]


def __getattr__(name: str) -> Any:
    if name == "Committee":
        from aldata.potentials.committee import Committee

        return Committee
    if name == "predict":
        from aldata.potentials.uncertainty.methods import predict

        return predict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
