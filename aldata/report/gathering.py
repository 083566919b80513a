"""Everything that a report shows, as one JSON document."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from aldata import archive, params, provenance
from aldata.archive.versions import tree_of
from aldata.artifacts.layout import SEED, path_of
from aldata.errors import AldataError, DamagedArtifact
from aldata.provenance.activity import now
from aldata.report.budget import Budget, shares
from aldata.report.comparison import comparison
from aldata.report.generations import failures, generation_rows, not_fetched
from aldata.report.lineages import lineages
from aldata.report.maps import maps, residual_points
from aldata.report.overall import descriptors_of, overall_map
from aldata.report.picks import Judged, entries_of, judgements, picks
from aldata.report.structures import Structures
from aldata.store import Tree

Document = dict[str, Any]
T = TypeVar("T")


def gathered(root: Path, budget: Budget | None = None, rev: str | None = None) -> Document:
    """What there is to report of the project at `root`: plain values, no NaN.

    rev : a git revision or DVC experiment to report of; None for the files of now.
    Stages that have not run are left out, and so are structures whose stores are not here: `notes` says
    what is missing or thinned. Raises InvalidParameters, ProjectError for an unknown revision, and
    DamagedArtifact for what cannot be read.
    """
    tree, budget = tree_of(root, rev), budget or Budget()
    parameters = _parameters(tree)
    names = [SEED, *parameters.in_order()]
    notes: list[str] = []
    frames = _Frames(tree, names, parameters, rev)
    looked_at = _looked_at(frames, budget, notes)
    notes += frames.missing
    notes += not_fetched(tree, names) if rev else []
    chains = _or_note(lambda: lineages(root, frames.newest_models, rev), notes, CHAINS)
    commit = provenance.commit_of(root, rev) if rev else None
    return {
        "project": _project(root, rev, commit),
        "generations": generation_rows(tree, parameters),
        **looked_at,
        "lineages": chains or [],
        "comparison": _or_note(lambda: comparison(root, commit), notes, COMPARISON),
        "notes": notes,
    }


def _looked_at(frames: _Frames, budget: Budget, notes: list[str]) -> Document:
    """What is drawn frame by frame or listed call by call, within the budget; what is left out is noted."""
    tree, names = frames.tree, frames.names
    drawn, left_out = maps(tree, names[1:], budget.points)
    _note(notes, left_out, "frames of pools and training sets are not on the maps")
    residuals, left_out = residual_points(tree, names[1:], budget.residuals)
    _note(notes, left_out, "atoms are not in the plots of sigma against error")
    overall = _or_note(lambda: _overall(frames, budget.overall, notes), notes, OVERALL)
    decided = {name: picks(tree, name, frames.judged) for name in names[1:]}
    found = failures(tree, names, budget.calls)
    _note(notes, found["total"] - len(found["calls"]), "calls without a label are only counted")
    _note(notes, _cut(decided, budget.calls), "picks are only counted, not listed")
    every_map = {**drawn, "": overall} if overall else drawn
    structures = _structures(frames, every_map, decided, budget)
    _note(notes, structures.too_many, "structures cannot be looked at here: too many atoms")
    return {
        "maps": drawn,
        "overall": overall,
        "residuals": residuals,
        "picks": {name: value for name, value in decided.items() if value},
        "structures": structures.packed(),
        "failures": found,
    }


OVERALL = "generations have no map together"
CHAINS = "chains cannot be read"
COMPARISON = "experiments cannot be compared"
"""What is said of a part that is left out."""


def _parameters(tree: Tree) -> params.Parameters:
    """The plan of now is checked in full, one of the past as far as this aldata knows its settings."""
    if not tree.version:
        return params.load(tree.root / "params.yaml")
    return params.parse(tree.text(Path("params.yaml")), f"params.yaml of {tree.version}")


def _overall(frames: _Frames, most: int, notes: list[str]) -> Document | None:
    """The map of all generations, where there are several; None without one."""
    tips = [tip for tip in frames.tips if tip != SEED]
    if len(frames.curated) < 3 or frames.missing:  # the seed and one generation: its own map
        return None
    roles = {
        entry.configuration: entry.role
        for name in frames.curated
        for entry in entries_of(frames.tree, name)
    }
    stores = descriptors_of(tips, frames.tree.root, frames.rev)
    found, left_out = overall_map(stores, roles, most)
    _note(notes, left_out, "frames are not on the map of all generations")
    return found


class _Frames:
    """The stored frames of every branch of the tree, as far as they are here."""

    def __init__(
        self, tree: Tree, names: list[str], parameters: params.Parameters, rev: str | None
    ) -> None:
        self.tree, self.names, self.rev = tree, names, rev
        curated = [name for name in names if tree.holds(path_of(name, "dataset"))]
        self.newest_models = _tips(
            [n for n in curated if n != SEED and tree.holds(path_of(n, "metrics"))], parameters
        )
        self.judged: Judged = {}
        self.configurations: list[archive.StoredFrames] = []
        self.missing: list[str] = []
        self.curated, self.tips = curated, _tips(curated, parameters)
        for tip in self.tips:
            try:
                self.configurations.append(archive.open("configurations", tip, rev, tree.root))
            except DamagedArtifact as problem:
                self.missing.append(f"No structures of the lineage of {tip}: {problem}")
                continue
            try:
                self.judged |= judgements(tree, archive.open("candidates", tip, rev, tree.root))
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


def _project(root: Path, rev: str | None, commit: str | None) -> Document:
    if rev is not None:
        return {"name": f"{root.name} at {rev}", "commit": commit, "changed": False, "made": now()}
    head, changed = provenance.head_of(root)
    return {"name": root.name, "commit": head, "changed": changed, "made": now()}


def _note(notes: list[str], count: int, text: str) -> None:
    if count:
        notes.append(f"{count:,} {text}.")
