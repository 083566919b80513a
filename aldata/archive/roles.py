"""What the data sets of a lineage say about its labels: the role of each, and what was retracted."""

from __future__ import annotations

import numpy as np

from aldata import digest
from aldata.archive.lineage import Lineage
from aldata.archive.matching import matched
from aldata.archive.union import Union
from aldata.artifacts.columns import Array
from aldata.artifacts.documents import Entry, Manifest
from aldata.artifacts.frames import Labels
from aldata.curate import check_results, retracted_in
from aldata.store import read_layout


def roles_of(union: Union, lineage: Lineage) -> dict[str, Array]:
    """Columns `role` (train, valid, probe, none) and `retracted` of the labels of a lineage.

    A call keeps the role that it got when it was first accepted; a retracted one is shown with it.
    Raises DamagedArtifact when the labels are not those that the data sets name.
    """
    entries = [entry for manifest in lineage.manifests for entry in manifest.entries]
    retracted = retracted_in(lineage.manifests)
    first: dict[str, str] = {}
    for entry in entries:
        if entry.status == "accepted":
            first.setdefault(entry.call, entry.role)
    roles, gone = [], []
    for number, manifest in enumerate(lineage.manifests):
        for entry in _entries_of_rows(union, number, manifest):
            roles.append(first.get(entry.call, "none"))
            gone.append(entry.call in retracted)
    return {"role": np.array(roles, dtype="<U5"), "retracted": np.array(gone, dtype=bool)}


def _entries_of_rows(union: Union, number: int, manifest: Manifest) -> list[Entry]:
    """The data set's entry of every label of one store."""
    rows = slice(int(union.firsts[number]), int(union.firsts[number + 1]))
    found = union.take(rows, ["call_id", "result_digest"])
    entries = manifest.entries
    rows_of_entries = matched(digest.to_bytes([entry.call for entry in entries]), found["call_id"])
    known = digest.to_bytes([entry.result for entry in entries])
    same = (rows_of_entries >= 0).all() and len(set(rows_of_entries.tolist())) == len(entries)
    if not same or (known[rows_of_entries] != found["result_digest"]).any():
        check_results(manifest, read_layout(union.parts[number].layout, Labels, check=False))
    return [entries[row] for row in rows_of_entries.tolist()]
