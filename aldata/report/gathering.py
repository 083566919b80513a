"""Everything that a report shows, as one JSON document."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from aldata import archive, params, provenance
from aldata.artifacts.layout import SEED, path_of
from aldata.errors import AldataError, DamagedArtifact
from aldata.provenance.activity import now
from aldata.report.budget import Budget, shares
from aldata.report.comparison import comparison
from aldata.report.generations import failures, generation_rows
from aldata.report.lineages import lineages
from aldata.report.maps import maps, residual_points
from aldata.report.picks import Judged, judgements, picks
from aldata.report.structures import Structures
from aldata.store import Tree, Workspace

Document = dict[str, Any]
T = TypeVar("T")


def gathered(root: Path, budget: Budget | None = None) -> Document:
    """What there is to report of the project at `root`: plain values, no NaN.

    Stages that have not run are left out, and so are structures whose stores are not here: `notes` says
    what is missing or thinned. Raises InvalidParameters, and DamagedArtifact for what cannot be read.
    """
    tree, budget = Workspace(root), budget or Budget()
    parameters = params.load(root / "params.yaml")
    names = [SEED, *parameters.in_order()]
    notes: list[str] = []
    drawn, left_out = maps(tree, names[1:], budget.points)
    _note(notes, left_out, "frames of pools and training sets are not on the maps")
    residuals, left_out = residual_points(tree, names[1:], budget.residuals)
    _note(notes, left_out, "atoms are not in the plots of sigma against error")
    frames = _Frames(tree, names, parameters)
    decided = {name: picks(tree, name, frames.judged) for name in names[1:]}
    found = failures(tree, names, budget.calls)
    _note(notes, found["total"] - len(found["calls"]), "calls without a label are only counted")
    _note(notes, _cut(decided, budget.calls), "picks are only counted, not listed")
    structures = _structures(frames, drawn, decided, budget)
    _note(notes, structures.too_many, "structures cannot be looked at here: too many atoms")
    notes += frames.missing
    chains = _or_note(lambda: lineages(root, frames.newest_models), notes, "chains cannot be read")
    compared = _or_note(lambda: comparison(root), notes, "experiments cannot be compared")
    return {
        "project": _project(root),
        "generations": generation_rows(tree, parameters),
        "maps": drawn,
        "residuals": residuals,
        "picks": {name: value for name, value in decided.items() if value},
        "structures": structures.packed(),
        "failures": found,
        "lineages": chains or [],
        "comparison": compared,
        "notes": notes,
    }


class _Frames:
    """The stored frames of every branch of the tree, as far as they are here."""

    def __init__(self, tree: Tree, names: list[str], parameters: params.Parameters) -> None:
        curated = [name for name in names if tree.holds(path_of(name, "dataset"))]
        self.newest_models = _tips(
            [n for n in curated if n != SEED and tree.holds(path_of(n, "metrics"))], parameters
        )
        self.judged: Judged = {}
        self.configurations: list[archive.StoredFrames] = []
        self.missing: list[str] = []
        for tip in _tips(curated, parameters):
            try:
                self.configurations.append(archive.open("configurations", tip, root=tree.root))
            except DamagedArtifact as problem:
                self.missing.append(f"No structures of the lineage of {tip}: {problem}")
                continue
            try:
                self.judged |= judgements(tree, archive.open("candidates", tip, root=tree.root))
            except DamagedArtifact as problem:
                self.missing.append(f"No errors of the picks up to {tip}: {problem}")


def _tips(names: list[str], parameters: params.Parameters) -> list[str]:
    """Those that none of the others goes on from."""
    parents = {parameters.parent_of(name) for name in names if name != SEED}
    return [name for name in names if name not in parents]


def _structures(
    frames: _Frames, drawn: Document, decided: dict[str, Any], budget: Budget
) -> Structures:
    """Structures of picks first, then of the maps' other points, one generation after the other."""
    asked = [row["id"] for value in decided.values() if value for row in value["rows"]]
    others = [columns["id"][::-1] for columns in drawn.values()]
    turns = [identity for turn in zip_longest(*others) for identity in turn if identity]
    structures = Structures(budget.atoms)
    for wanted in (asked, turns):
        for configurations in frames.configurations:
            structures.take(configurations, wanted)
    return structures


def _cut(decided: dict[str, Any], most: int) -> int:
    """Shorten the lists of picks to `most` rows together; how many were cut."""
    lists = [value for value in decided.values() if value]
    sizes = [len(value["rows"]) for value in lists]
    for value, share in zip(lists, shares(sizes, most), strict=True):
        value["rows"] = value["rows"][:share]
    return sum(sizes) - sum(len(value["rows"]) for value in lists)


def _or_note(act: Callable[[], T], notes: list[str], what: str) -> T | None:
    """What cannot be read of the record or of an experiment is no reason for having no report."""
    try:
        return act()
    except AldataError as problem:
        notes.append(f"The {what}: {problem}")
        return None


def _project(root: Path) -> Document:
    commit, changed = provenance.head_of(root)
    return {"name": root.name, "commit": commit, "changed": changed, "made": now()}


def _note(notes: list[str], count: int, text: str) -> None:
    if count:
        notes.append(f"{count:,} {text}.")
