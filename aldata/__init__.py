"""Datasets, provenance and active learning for machine-learned interatomic potentials.

`aldata.open("labels", "g003")` reads what a project holds; see `aldata.archive`. The library's verbs are
folders of the same name: seed, explore, describe, acquire, label, curate, train, calibrate, evaluate. The
nouns are in `aldata.artifacts`. The command is `aldata`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aldata.archive import open

__all__ = ["open"]


def __getattr__(name: str) -> Any:
    # on first use: whoever imports a submodule does not pay for the archive
    if name == "open":
        from aldata.archive import open

        return open
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
