"""Retractions as files: what was taken back, when, by whom and why, and whether that still holds.

A retraction is never changed or deleted. Its id is the beginning of its digest, so that a setting that
names it (`curate.obey`) stands for its content. Revoking it writes a second file beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aldata.artifacts.documents import Retraction
from aldata.curate.settings import CurateSettings
from aldata.errors import DamagedArtifact
from aldata.records import Record

FOLDER = Path("retractions")
"""Folder of a project with its retractions, tracked by git."""

DIGITS = 12
"""Digits of a digest that are an id."""


class RetractionFile(Record):
    """Calls that must not be used any more.

    selector : how the user named them. since : the generation from which on they are not used; None
    for those that are made later. known : generations that the plan held then.
    """

    calls: list[str]
    reason: str
    selector: list[str]
    since: str | None
    known: list[str]
    made: str
    by: str

    @property
    def id(self) -> str:
        """Its name: the beginning of its digest."""
        return self.digest[:DIGITS]


class Revocation(Record):
    """That a retraction holds no more."""

    retraction: str
    reason: str
    made: str
    by: str


def path_of_retraction(identity: str) -> Path:
    """Path of a retraction, relative to the project."""
    return FOLDER / f"{identity}.json"


def path_of_revocation(identity: str) -> Path:
    """Path of its revocation, relative to the project."""
    return FOLDER / f"{identity}.revoked.json"


def expanded(
    settings: CurateSettings, read: Callable[[str], RetractionFile], known: set[str]
) -> CurateSettings:
    """Settings in which the calls of the named retractions stand among `retract` and `restore`.

    read : the retraction of an id. known : calls of the lineage; a retraction may name others, of
    other branches. Raises DamagedArtifact for a retraction that is not the one of its name.
    """
    lists = {}
    for field, names in (("retract", settings.obey), ("restore", settings.revoke)):
        items = list(getattr(settings, field))
        for name in names:
            found = read(name)
            if found.id != name:
                raise DamagedArtifact(
                    f"is not the retraction {name}: its content gives {found.id}",
                    where=str(path_of_retraction(name)),
                    next_step=f"git checkout {path_of_retraction(name)}",
                )
            reason = f"{found.reason} ({name})"
            items += [Retraction(call=c, reason=reason) for c in found.calls if c in known]
        lists[field] = items
    return settings.model_copy(update={**lists, "obey": [], "revoke": []})
