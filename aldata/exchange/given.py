"""Labelled frames that a project names in params.yaml, and at which level of theory they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Labels
from aldata.artifacts.labelled_files import read_labelled
from aldata.errors import InvalidInput
from aldata.exchange.reading import read, states_itself
from aldata.exchange.request import Request

SAME = "same"
"""Says that labels are at the project's own level of theory."""

STORE = ".zarr"
"""Ending of the stores that `aldata import` makes."""


def given(
    path: Path, charge: int, spin: int, read_store: Callable[[Path, type[Labels]], Labels]
) -> Labels:
    """The labels at `path`: a store of `aldata import`, a file that states its units, or ASE's.

    A file that states nothing is taken to be in eV and Angstrom with ASE's stress, in any format
    that ASE reads; `charge` and `spin` are those of frames that state none. Raises what the readers
    raise: InvalidInput, DamagedArtifact.
    """
    if path.suffix == STORE:
        return read_store(path, Labels)
    if path.is_file() and states_itself(path):
        return read(path, Request(charge=charge, spin=spin)).labels
    return read_labelled(path, charge, spin).labels("imported")


def theory_name(theory: Theory) -> str:
    """How a level of theory is called in params.yaml: its description, else the start of its id."""
    return str(theory.record["stated"]) if "stated" in theory.record else theory.id[:16]


def names_of(labels: Labels) -> list[str]:
    """What the level of theory of given labels may be called; empty where the file states none."""
    if "source" not in labels.attributes:
        return []
    identity = str(labels.attributes["theory_id"])
    content = labels.attributes.get("theory")
    names = [theory_name(Theory.model_validate(content))] if content else []
    return list(dict.fromkeys([*names, identity[:16], identity]))


def other_theory(labels: Labels, project: Theory, allowed: str, where: str) -> str | None:
    """The name of the level of theory of `labels` if it is not the project's, None if it is.

    `allowed` is the parameter `seed.labels_theory`. Raises InvalidInput for labels of another level
    that it does not name: energies of two levels do not lie on one surface.
    """
    names = names_of(labels)
    if labels.attributes["theory_id"] == project.id or (not names and allowed == SAME):
        return None
    if not names or allowed in names:
        return allowed
    raise InvalidInput(
        f"is at another level of theory ({names[0]}) than the project ({theory_name(project)})",
        where=where,
        expected="labels of one level of theory: energies of two do not lie on one surface",
        next_step=f'leave it out, or mix them by name: seed.labels_theory: "{names[0]}"',
    )
