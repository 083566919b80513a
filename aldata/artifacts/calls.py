"""One call to an oracle, as a record: what was asked, how it was computed, what came out."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import Field

from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Configuration
from aldata.records import Record

Vector = tuple[float, float, float]
Status = Literal["accepted", "rejected", "failed"]
Outcome = Literal["running", "conclusive", "crashed", "time_limit", "out_of_memory"]


class Geometry(Record):
    """A configuration as exact JSON numbers: Angstrom, elementary charges, unpaired electrons."""

    numbers: list[int]
    positions: list[Vector]
    cell: tuple[Vector, Vector, Vector]
    pbc: tuple[bool, bool, bool]
    charge: int
    spin: int

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        """The record of a configuration. Raises ValueError for positions that are not finite."""
        return cls(
            numbers=configuration.numbers.tolist(),
            positions=configuration.positions.tolist(),
            cell=configuration.cell.tolist(),
            pbc=configuration.pbc.tolist(),
            charge=configuration.charge,
            spin=configuration.spin,
        )

    def configuration(self) -> Configuration:
        """The configuration, with the same id."""
        return Configuration(
            numbers=np.array(self.numbers, dtype=np.int32),
            positions=np.array(self.positions, dtype=np.float64).reshape(-1, 3),
            cell=np.array(self.cell, dtype=np.float64),
            pbc=np.array(self.pbc, dtype=bool),
            charge=self.charge,
            spin=self.spin,
        )


class Attempt(Record):
    """One attempt to compute a call: when, where, with what, at what cost, and how it ended.

    Times are UTC, ISO 8601. `outcome` is `running` until the attempt ends; one that stays `running`
    although nobody holds the call's claim was interrupted, by `kill -9` or a power cut. `crashed`,
    `time_limit` and `out_of_memory` say nothing final about the configuration.
    """

    id: str
    start: str
    end: str | None = None
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    host: str
    pid: int
    cores: int
    scheduler_job: str | None = None
    version: str
    python: str
    outcome: Outcome = "running"
    exit_code: int | None = None
    message: str = ""
    warnings: list[str] = Field(default_factory=list)


class CallRecord(Record):
    """A call that ended conclusively. Energy in eV, forces in eV/A, stress in eV/A^3 (Voigt).

    `failure` is one of `schema.FAILURES`. A rejected call keeps its results, because another limit
    may accept them; a failed one has none. `converged` is the oracle's proof of convergence.
    """

    call_id: str
    configuration_id: str
    theory_id: str
    configuration: Geometry
    theory: Theory
    status: Status
    failure: str = "none"
    message: str = ""
    energy: float | None = None
    forces: list[Vector] | None = None
    stress: tuple[float, float, float, float, float, float] | None = None
    net_force: float | None = None
    converged: dict[str, Any] = Field(default_factory=dict)
    attempts: list[Attempt]

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all attempts together."""
        return sum(attempt.cpu_seconds for attempt in self.attempts)
