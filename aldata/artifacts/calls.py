"""One call to an oracle, as a record: what was asked, how it was computed, what came out.

Fields are only ever added, with a default: what an older aldata stored stays readable. The page
docs/calls.md is written from the descriptions here.
"""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import Field

from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Configuration, Float
from aldata.records import Record

Vector = tuple[float, float, float]
Status = Literal["accepted", "rejected", "failed"]
Outcome = Literal["running", "conclusive", "crashed", "time_limit", "out_of_memory"]
Part = Literal["input", "output", "printed"]


class Geometry(Record):
    """A configuration as exact JSON numbers: Angstrom, elementary charges, unpaired electrons."""

    numbers: list[int] = Field(description="atomic numbers, one per atom")
    positions: list[Vector] = Field(description="Cartesian positions (Angstrom)")
    cell: tuple[Vector, Vector, Vector] = Field(description="cell vectors, one per row (Angstrom)")
    pbc: tuple[bool, bool, bool] = Field(description="periodic along each cell vector")
    charge: int = Field(description="total charge (elementary charges)")
    spin: int = Field(description="number of unpaired electrons, 2S")

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


class RawFile(Record):
    """One file that an attempt read or wrote, as it was when the attempt ended."""

    name: str = Field(description="path below the attempt's raw folder, with forward slashes")
    part: Part = Field(
        description="`input` (the text the code was given), `output`, or `printed` (what the process "
        "wrote to its terminal, a crash's stack included)"
    )
    bytes: int = Field(description="size (bytes)")
    sha256: str = Field(description="sha256 of the file")


class Attempt(Record):
    """One attempt to compute a call: when, where, with what, at what cost, and how it ended.

    Nothing depends on the order of times: clocks of machines differ, and are set. What is None is
    not known: the attempt has not ended, an older aldata did not ask, or the record was rebuilt.
    """

    id: str = Field(description="unique; begins with the time, for readers")
    start: str = Field(description="when it began (UTC, ISO 8601)")
    end: str | None = Field(default=None, description="when it ended (UTC, ISO 8601)")
    wall_seconds: float = Field(
        default=0.0, description="elapsed time, by a clock that nobody sets"
    )
    cpu_seconds: float = Field(
        default=0.0, description="user and system time of the process and its children"
    )
    memory_peak_bytes: int | None = Field(
        default=None, description="largest resident memory of one process of the attempt"
    )
    host: str | None = Field(description="name of the machine")
    pid: int | None = Field(description="process id there")
    cores: int | None = Field(description="cores that the call could use (OMP_NUM_THREADS)")
    scheduler_job: str | None = Field(default=None, description="id of the batch job it ran in")
    version: str | None = Field(description="exact versions of the code and its libraries")
    python: str | None = Field(description="version of Python")
    outcome: Outcome = Field(
        default="running",
        description="`running` until it ends (one that stays so although nobody holds the call's "
        "claim was interrupted, by kill -9 or a power cut); `conclusive`; `crashed`, `time_limit` "
        "and `out_of_memory` say nothing final about the configuration",
    )
    exit_code: int | None = Field(
        default=None, description="of the process; negative: the signal that ended it"
    )
    message: str = Field(default="", description="why it failed, in a sentence")
    warnings: list[str] = Field(
        default_factory=list, description="of Python and of the code, at most 20"
    )
    files: list[RawFile] | None = Field(
        default=None, description="raw input and output files; None: no list was made"
    )


class Source(Record):
    """What a record was rebuilt from, where the ledger that held the original was lost."""

    generation: str = Field(description="generation whose labels hold the call")
    revision: str | None = Field(
        description="git revision of these labels; None: those in the workspace"
    )
    labels: str = Field(description="digest of the label store")


class CallRecord(Record):
    """A call that ended conclusively. Energy in eV, forces in eV/A, stress in eV/A^3 (Voigt).

    A rejected call keeps its results, because another limit may accept them; a failed one has none.
    """

    call_id: str = Field(description="sha256 of configuration id and theory id")
    configuration_id: str = Field(description="sha256 of the exact configuration")
    theory_id: str = Field(description="sha256 of the level of theory's record")
    configuration: Geometry = Field(description="what was asked about")
    theory: Theory = Field(description="the level of theory it was asked at")
    status: Status = Field(
        description="`accepted`, `rejected` by a limit, or `failed`: no result to use"
    )
    failure: str = Field(default="none", description="class of the failure (`schema.FAILURES`)")
    message: str = Field(default="", description="the failure in a sentence")
    energy: float | None = Field(default=None, description="potential energy (eV)")
    forces: list[Vector] | None = Field(default=None, description="force on each atom (eV/A)")
    stress: tuple[float, float, float, float, float, float] | None = Field(
        default=None,
        description="dE/dstrain / volume (eV/A^3), tension positive, xx yy zz yz xz xy",
    )
    net_force: float | None = Field(
        default=None, description="largest component of the sum of all forces (eV/A), ideally zero"
    )
    converged: dict[str, Any] = Field(
        default_factory=dict,
        description="proof of convergence: what the code's own verdict rests on",
    )
    scf_steps: int | None = Field(
        default=None,
        description="self-consistency steps; None where the code has none or hides them",
    )
    attempts: list[Attempt] = Field(
        description="every attempt at the call, the last one conclusive"
    )
    rebuilt: Source | None = Field(
        default=None, description="set where the record was rebuilt from labels, without raw files"
    )

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all attempts together."""
        return sum(attempt.cpu_seconds for attempt in self.attempts)


def net_force(forces: Float) -> float:
    """Largest component of the sum of all forces (eV/A): zero but for numerical noise."""
    return float(np.abs(forces.sum(axis=0)).max(initial=0.0))
