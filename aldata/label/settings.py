"""Settings of the labelling."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

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


class LabelSettings(Record):
    """Limits on one oracle call, and on what counts as a label.

    The limits on distance and forces are judged anew whenever a call is read from the ledger: to
    change them costs no new call, except for geometries that were never sent to the oracle.
    """

    time_limit: float = Field(default=900.0, gt=0, description="wall time per attempt (s)")
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
    retry_crashed: int = Field(
        default=2,
        ge=1,
        le=10,
        description="attempts at a crashing call before a run gives it up (1)",
    )
    fallbacks: dict[str, Fallback] = Field(
        default={},
        description="by name, in this order: settings at which a failed call is asked again; what "
        "they answer is trained on only if `curate.mix` names them",
    )
