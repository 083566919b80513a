"""Settings of the labelling."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from aldata.artifacts.schema import FAILURES
from aldata.records import Record


def _a_failure(name: str) -> str:
    if name not in FAILURES[1:]:
        raise ValueError(f"no such failure; one of: {', '.join(FAILURES[1:])}")
    return name


class Fallback(Record):
    """Other settings for calls that failed: another level of theory, and recorded as such."""

    settings: dict[str, Any] = Field(description="laid over oracle.settings")
    after: list[Annotated[str, AfterValidator(_a_failure)]] = Field(
        default=["not_converged"], min_length=1, description="failures after which it is asked"
    )


class Retries(Record):
    """Further attempts that a run makes at one call, by how the last one ended; same settings.

    Other classes of failure are verdicts: the same settings would give the same answer.
    """

    crashed: int = Field(default=1, ge=0, le=10, description="after a crash")
    time_limit: int = Field(default=0, ge=0, le=10, description="after the time limit")
    out_of_memory: int = Field(default=1, ge=0, le=10, description="after running out of memory")
    lost: int = Field(
        default=3, ge=0, le=10, description="after its worker was lost: killed, or ended by a queue"
    )


class LabelSettings(Record):
    """Limits on one oracle call, and on what counts as a label.

    The limits on distance, forces and energy are judged anew whenever a call is read from the
    ledger: to change them costs no new call, except for geometries that were never sent to the
    oracle.
    """

    time_limit: float = Field(default=900.0, gt=0, description="wall time per attempt (s)")
    cores: int = Field(default=1, ge=1, description="cores of one call: OMP_NUM_THREADS (1)")
    memory: float | None = Field(
        default=None,
        gt=0,
        description="memory of one call (GB), all its processes together; null: no limit",
    )
    max_force: float = Field(
        default=100.0, gt=0, description="reject a call with a larger force on any atom (eV/A)"
    )
    max_net_force: float = Field(
        default=0.5,
        gt=0,
        description="reject a call whose forces add up to more, any component (eV/A)",
    )
    min_distance: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="closest contact sent to the oracle (1, sums of covalent radii)",
    )
    energy_range: tuple[float, float] = Field(
        default=(-20.0, 20.0),
        description="accepted atomisation energies per atom, (E - sum of isolated atoms) / atoms "
        "(eV): what lies outside is inconsistent",
    )
    fallbacks: dict[str, Fallback] = Field(
        default={},
        description="by name, in this order: settings at which a failed call is asked again; what "
        "they answer is trained on only if `curate.mix` names them",
    )
    retry: Retries = Field(
        default_factory=Retries, description="further attempts that a run makes, by class"
    )
    max_failed: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of a run's calls that may fail before it stops with a summary (1)",
    )

    @field_validator("energy_range")
    @classmethod
    def _in_order(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if limits[0] >= limits[1]:
            raise ValueError("the lower limit comes first")
        return limits
