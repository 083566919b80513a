"""Settings of the verb curate."""

from __future__ import annotations

from pydantic import Field

from aldata.artifacts.documents import Retraction
from aldata.records import Record


class CurateSettings(Record):
    """How accepted calls are divided into training, validation and probe frames."""

    valid: float = Field(
        default=0.15,
        gt=0,
        le=0.5,
        description="share of the frames to learn from that validate (1)",
    )
    duplicate_tolerance: float = Field(
        default=0.02,
        ge=0,
        le=0.5,
        description="RMS difference of interatomic distances below which frames are copies (A)",
    )
    retract: list[Retraction] = Field(
        default=[],
        description="calls (id and reason) not to be used any more, from this generation on",
    )
    restore: list[Retraction] = Field(
        default=[],
        description="retracted calls (id and reason) to be used again, from this generation on",
    )
    obey: list[str] = Field(
        default=[],
        description="retractions to obey from this generation on: ids of files in retractions/, which "
        "`aldata retract` writes",
    )
    revoke: list[str] = Field(
        default=[], description="ids of retractions that hold no more, from this generation on"
    )
    mix: list[str] = Field(
        default=[],
        description="names of `label.fallbacks` whose answers may be trained on like the others",
    )
    mix_offset: float = Field(
        default=1e-3,
        ge=0,
        description="largest difference of an isolated atom's energy between the levels of theory "
        "that are mixed (eV)",
    )
