"""Build the data set of one generation, as a delta on its parent's."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from aldata import digest
from aldata.artifacts.documents import Entry, Manifest, Parent, Retraction
from aldata.artifacts.frames import Labels
from aldata.artifacts.schema import PURPOSES, STATUSES
from aldata.curate.chain import Lineage, check_retractions, retracted_in
from aldata.curate.mixing import refuse_offsets, set_apart
from aldata.curate.placement import Placed, place
from aldata.curate.roles import Unit, split
from aldata.curate.settings import CurateSettings
from aldata.errors import DamagedArtifact, InvalidInput

STRICTEST_FIRST = ("noise", "test", "isolated_atom", "probe", "acquired", "imported")
"""The purpose that counts when one call was asked for several times."""


def curate(
    labels: Labels,
    lineage: Lineage,
    settings: CurateSettings,
    generation: str,
    species: list[int],
    random_seed: int,
) -> Manifest:
    """The data set of `generation`: every call of `labels`, with its role for good.

    Failed and rejected calls, isolated atoms, test frames and calls at a fallback's level of theory
    that `settings.mix` does not name have role none; probe frames are never
    trained on, in any generation. A call that an ancestor used keeps its role; a near-copy of an
    ancestor's frame gets that frame's role (a probe frame that copies one to learn from gets none:
    it may neither be trained on nor test anything). Near-copies within the generation share one
    role. All others are divided into train and valid by trajectory (`roles.split`).

    The result depends on the content of `labels` only, not on the order of its rows. `species`:
    atomic numbers that the model must know. Raises InvalidInput for a retraction of an unknown
    call, another level of theory than the parent's or one call with two results, and
    DamagedArtifact when the lineage's labels are not those of its data sets.
    """
    parent = lineage.parent
    theory_id = str(labels.attributes["theory_id"])
    if parent and parent.theory_id != theory_id:
        raise InvalidInput(
            f"labels are at level of theory {theory_id}, its parent's at {parent.theory_id}",
            where=f"labels of {generation}",
            expected="one level of theory in a lineage",
        )
    labels = _one_row_per_call(labels, generation)
    refuse_offsets(labels, lineage, settings, generation)
    already = retracted_in(lineage.manifests)
    check_retractions(
        [item.call for item in settings.retract], lineage.calls | set(labels.call_ids), generation
    )
    gone = already | {item.call for item in settings.retract}
    return Manifest(
        generation=generation,
        parent=Parent(generation=parent.generation, manifest=parent.digest) if parent else None,
        theory_id=theory_id,
        species=sorted(species),
        entries=_entries(labels, lineage, settings, generation, random_seed),
        retracted=_first_of_each([i for i in settings.retract if i.call not in already]),
        restored=_first_of_each([item for item in settings.restore if item.call in gone]),
    )


def _first_of_each(items: list[Retraction]) -> list[Retraction]:
    first = {item.call: item for item in reversed(items)}
    return [first[call] for call in sorted(first)]


def _one_row_per_call(labels: Labels, generation: str) -> Labels:
    """Rows in the order of call ids; of several with one id the strictest purpose stays."""
    results = digest.to_hex(labels.result_digest)
    rows: dict[str, int] = {}
    strictness = [STRICTEST_FIRST.index(PURPOSES[int(p)]) for p in labels.purpose]
    order = list(zip(strictness, labels.trajectory.tolist(), strict=True))
    for row, call in enumerate(labels.call_ids):
        known = rows.setdefault(call, row)
        if results[known] != results[row]:
            raise InvalidInput(
                f"call {call} has two results ({results[known]} and {results[row]})",
                where=f"labels of {generation}",
                expected="one result per call",
            )
        if order[row] < order[known]:
            rows[call] = row
    return labels.take([rows[call] for call in sorted(rows)])


def _entries(
    labels: Labels, lineage: Lineage, settings: CurateSettings, generation: str, random_seed: int
) -> list[Entry]:
    frames = _comparable(labels, set_apart(labels, settings.mix))
    origins = dict(zip(labels.call_ids, _origins(labels, generation), strict=True))
    placed = place(frames, _earlier(lineage), lineage.roles, settings.duplicate_tolerance)
    by_call = dict(zip(frames.call_ids, placed, strict=True))
    chosen = split(_units(frames, placed, origins), settings.valid, random_seed)
    results = digest.to_hex(labels.result_digest)
    entries = []
    for row, call in enumerate(labels.call_ids):
        place_of = by_call.get(call)
        role = chosen.get(call) or (place_of.role if place_of else None)
        entries.append(
            Entry(
                call=call,
                configuration=labels.ids[row],
                result=results[row],
                status=STATUSES[int(labels.status[row])],
                role=role or "none",
                purpose=PURPOSES[int(labels.purpose[row])],
                lineage=origins[call],
                duplicate_of=place_of.duplicate_of if place_of else None,
            )
        )
    return entries


def _units(frames: Labels, placed: list[Placed], origins: dict[str, str]) -> list[Unit]:
    """The frames that are still free, near-copies together; the first row names the trajectory."""
    together: dict[int, list[int]] = defaultdict(list)
    for row, place_of in enumerate(placed):
        if place_of.role is None:
            together[place_of.cluster].append(row)
    calls = frames.call_ids
    return [
        Unit(tuple(calls[row] for row in rows), origins[calls[rows[0]]], frames.ids[rows[0]])
        for rows in together.values()
    ]


def _origins(labels: Labels, generation: str) -> list[str]:
    return [
        f"{generation}/trajectory-{trajectory}" if trajectory >= 0 else f"{generation}/{identity}"
        for trajectory, identity in zip(labels.trajectory.tolist(), labels.ids, strict=True)
    ]


def _comparable(labels: Labels, apart: set[str]) -> Labels:
    """Accepted frames of the system, at a level of theory of the data set (not those in `apart`).

    An isolated atom gives E0, and is nobody's copy.
    """
    ours = np.array([call not in apart for call in labels.call_ids], dtype=bool)
    atoms = labels.purpose == PURPOSES.index("isolated_atom")
    return labels.take(labels.accepted & ours & ~atoms)


def _earlier(lineage: Lineage) -> Labels:
    """The lineage's frames, one row per call, in the order of call ids."""
    fallbacks = lineage.labels.fallback_of_call
    apart = {call for call in fallbacks if lineage.roles.get(call, "none") == "none"}
    frames = _comparable(lineage.labels, apart)
    rows = {call: row for row, call in enumerate(frames.call_ids)}
    strangers = sorted(set(rows) - set(lineage.roles))
    if strangers:
        raise DamagedArtifact(
            f"{len(strangers)} labels are in no data set of the lineage (first: {strangers[0]})",
            where="labels of the lineage",
            expected="the labels of exactly the generations whose data sets are given",
        )
    return frames.take([rows[call] for call in sorted(rows)])
