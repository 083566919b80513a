"""Projects with a lineage of stores full of random numbers, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aldata import digest, store
from aldata.artifacts.columns import Frames
from aldata.artifacts.documents import Entry, Manifest, Parent, Retraction
from aldata.artifacts.frames import (
    Candidates,
    Descriptors,
    Labels,
    Predictions,
    Selection,
    as_configurations,
)
from aldata.artifacts.layout import name_of, path_of
from aldata.artifacts.schema import SIZES, STATUSES

ROLES = ("train", "valid", "probe", "none")
ATTRIBUTES: dict[type[Frames], dict[str, Any]] = {
    Candidates: {"trajectories": []},
    Labels: {"theory_id": "t"},
    Descriptors: {"descriptor_id": "d" * 64},
    Predictions: {"checkpoint": "c" * 64, "members": 4},
    Selection: {"reasons": ["probe", "picked"]},
}


def random_frames(kind: type[Frames], frames: int, seed: int, **shared: Any) -> Any:
    """Frames of 1 to 7 atoms (or no atoms' columns); every variable random, or as given."""
    rng = np.random.default_rng(seed)
    row_size = shared.get("row_size", rng.integers(1, 8, frames))
    sizes = {**SIZES, "frame": frames, "atom": int(np.sum(row_size)), "feature": 3}
    arrays: dict[str, Any] = {}
    for v in kind.variables():
        shape = tuple(sizes[dim] for dim in v.dims)
        if v.flags:
            arrays[v.name] = rng.integers(0, len(v.flags), shape)
        elif v.dtype.startswith("float"):
            arrays[v.name] = rng.normal(size=shape)
        else:
            arrays[v.name] = rng.integers(0, 2 if v.dtype == "bool" else 100, shape)
    arrays |= {"row_size": row_size, "numbers": rng.integers(1, 9, sizes["atom"]), **shared}
    return kind.from_arrays({n: arrays[n] for n in kind.names()}, ATTRIBUTES[kind])


def with_ids(frames: Any) -> Any:
    """The frames with the configuration ids of their content."""
    ids = as_configurations([frames[row] for row in range(len(frames))]).configuration_id
    return type(frames).from_arrays({**frames.arrays, "configuration_id": ids}, frames.attributes)


def manifest_of(
    labels: Labels,
    generation: str,
    parent: Manifest | None,
    retracted: Sequence[str] = (),
) -> Manifest:
    """A data set whose roles go round: train, valid, probe, none."""
    results = digest.to_hex(labels.result_digest)
    return Manifest(
        generation=generation,
        parent=Parent(generation=parent.generation, manifest=parent.digest) if parent else None,
        theory_id="t",
        species=list(range(1, 9)),
        entries=[
            Entry(
                call=call,
                configuration=labels.ids[row],
                result=results[row],
                status=STATUSES[int(labels.status[row])],
                role=ROLES[row % 4] if labels.accepted[row] else "none",
                purpose="acquired",
                lineage=generation,
            )
            for row, call in enumerate(labels.call_ids)
        ],
        retracted=[Retraction(call=call, reason="test") for call in retracted],
    )


def project_of(
    root: Path, generations: Mapping[str, Sequence[Frames]], retracted: Sequence[str] = ()
) -> list[Manifest]:
    """A project whose generations, the seed first, hold these artifacts; labels also a data set.

    The last generation's data set retracts the calls `retracted`.
    """
    names = list(generations)
    parents = dict(zip(names[1:], names, strict=False))
    plan = "".join(f"  {name}: {{parent: {parent}}}\n" for name, parent in parents.items())
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(f"generations:\n{plan}" if plan else "generations: {}\n")
    (root / "dvc.yaml").write_text("stages: {}\n")
    manifests: list[Manifest] = []
    for name, artifacts in generations.items():
        for artifact in artifacts:
            store.write(root / path_of(name, name_of(type(artifact))), artifact)
            if isinstance(artifact, Labels):
                gone = retracted if name == names[-1] else ()
                manifest = manifest_of(artifact, name, manifests[-1] if manifests else None, gone)
                store.write_document(root / path_of(name, "dataset"), manifest)
                manifests.append(manifest)
    return manifests
