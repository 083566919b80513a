"""The door to MACE: architecture, committee of potentials, last-layer algebra, export.

`Committee` and what needs torch is loaded on first use, so that reading settings stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aldata.potentials.architecture import Architecture

if TYPE_CHECKING:
    from aldata.potentials.committee import Committee

__all__ = ["Architecture", "Committee"]


def __getattr__(name: str) -> Any:
    if name == "Committee":
        from aldata.potentials.committee import Committee

        return Committee
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
