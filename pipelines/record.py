"""record: everything an audit needs, small and in git: manifests, activities, calls, metrics."""

import math
import shutil
from pathlib import Path
from typing import Any

from aldata import store
from aldata.artifacts import layout
from aldata.artifacts.frames import Candidates, Selection, rows_of
from aldata.artifacts.schema import SAMPLERS
from aldata.digest import to_hex
from aldata.params import VERBS
from pipelines.stage import Stage, run

SEED_DOCUMENTS = ("dataset", "theory", "noise", "calls")
DOCUMENTS = ("noise", "dataset", "calibration", "metrics", "history", "calls")


def record(stage: Stage) -> None:
    """Copy the documents as they are, so that their digests hold; add the reasons for each call."""
    is_seed = stage.generation == layout.SEED
    names, verbs = (SEED_DOCUMENTS, (layout.SEED,)) if is_seed else (DOCUMENTS, VERBS)
    sources = [layout.path_of(stage.generation, name) for name in names]
    sources += [layout.activity_path(stage.generation, verb) for verb in verbs]
    for source in sources:
        store.read_json(source)  # all are there and whole, or nothing is recorded
    selection = None if is_seed else _selection(stage.read(Selection), stage.read(Candidates))
    folder = Path("generations") / stage.generation / "record"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in sources:
        shutil.copyfile(source, folder / source.name)
    if selection is not None:
        store.write_json(folder / "selection.json", selection)


def _selection(selection: Selection, candidates: Candidates) -> dict[str, Any]:
    """Why each candidate was picked, and which trajectory under which model had proposed it."""
    reasons = selection.attributes["reasons"]
    proposed = candidates.take(rows_of(candidates, selection.ids))
    starts = to_hex(proposed.parent_configuration)
    rows = [
        {
            "configuration": identity,
            "rank": int(selection.rank[row]),
            "score": float(selection.score[row]),
            "probe": bool(selection.probe[row]),
            "reason": reasons[int(selection.reason[row])],
            "sampler": SAMPLERS[int(proposed.sampler[row])],
            "trajectory": int(proposed.trajectory[row]),
            "step": int(proposed.step[row]),
            "temperature": float(proposed.temperature[row]),
            "parent_configuration": starts[row],
            **_where(proposed, row),
        }
        for row, identity in enumerate(selection.ids)
    ]
    pool = {**candidates.attributes, "candidates": len(candidates)}
    return {"attributes": dict(selection.attributes), "pool": pool, "picks": rows}


def _where(proposed: Candidates, row: int) -> dict[str, Any]:
    """Image, bead and sigma (eV/A), where the candidate has them."""
    found = {name: int(getattr(proposed, name)[row]) for name in ("image", "bead")}
    found = {name: value for name, value in found.items() if value >= 0}
    sigma = float(proposed.sigma[row])
    return found if math.isnan(sigma) else {**found, "sigma": sigma}


if __name__ == "__main__":
    run("record", record)
