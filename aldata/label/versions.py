"""Which versions of a code count as the same level of theory: a stated policy."""

from __future__ import annotations

from typing import Any, Literal

from aldata.label.oracles import Oracle

VersionPolicy = Literal["major", "minor", "exact"]

NUMBERS: dict[VersionPolicy, int | None] = {"major": 1, "minor": 2, "exact": None}
"""How many numbers of a version count: a patch release need not forfeit the ledger."""


def counted(versions: str, policy: VersionPolicy) -> str:
    """The part of `Oracle.version()` that counts: "pyscf 2.8.0, dftd3 1.2.1" by minor versions is
    "pyscf 2.8, dftd3 1.2".
    """
    parts = (part.rpartition(" ") for part in versions.split(", "))
    return ", ".join(
        f"{code} {'.'.join(number.split('.')[: NUMBERS[policy]])}" for code, _, number in parts
    )


def record_of(oracle: Oracle, policy: VersionPolicy) -> dict[str, Any]:
    """The whole record of a level of theory: the oracle's own, the policy, and what it counts."""
    version = counted(oracle.version(), policy)
    return {**oracle.theory(), "version": version, "version_policy": policy}
