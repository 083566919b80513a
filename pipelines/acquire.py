"""acquire: what to ask the oracle next, from the descriptor store and the committee's predictions."""

import sys
from collections.abc import Sequence

from aldata.acquire import (
    AcquireSettings,
    LastLayerBelief,
    Pool,
    acquire,
    map_points,
    score_points,
)
from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import Calibration, Noise
from aldata.artifacts.frames import Candidates, Descriptors, Labels, Predictions, rows_of
from pipelines.history import History
from pipelines.stage import Stage, run


def acquire_candidates(stage: Stage) -> None:
    """Compare the candidates with the training set of the whole lineage."""
    settings = stage.settings(AcquireSettings)
    stored = stage.read(Descriptors)
    count = int(stored.attributes["candidates"])
    further = stored.part(count, len(stored))
    history = History(stage, stage.parent)
    candidates = stage.read(Candidates)
    training, _ = history.with_roles(["train", "valid"])
    pool = Pool(
        candidates=stored.part(0, count),
        training=_described(history, further, training.ids),
        failed=_described(history, further, history.failed.ids),
        predictions=stage.read(Predictions),
        known_ids=history.known_ids,
        frames=candidates,
        belief=_belief(stage, candidates, training),
        age=len(history.manifests) - 1,
        calibration=stage.read(Calibration, of=stage.parent),
        noise=stage.read(Noise),
        target=(settings.target.energy, settings.target.forces),
        block=settings.block,
        asked=_asked(candidates),
    )
    selection = acquire(pool, settings, stage.random_seed)
    avoided = selection.attributes["avoided"]
    if avoided["candidates"]:
        print(
            f"{stage.generation}: {avoided['candidates']} candidates left out, near some of "
            f"{avoided['failed']} configurations without a label (acquire.avoid_failed)",
            file=sys.stderr,
        )
    stage.write(selection)
    stage.write_json("map", map_points(pool, selection, settings.map_points))
    stage.write_json("scores", score_points(selection))


def _asked(candidates: Candidates) -> frozenset[str]:
    """Configurations that explore asked for already."""
    records = candidates.attributes["trajectories"]
    return frozenset(one["configuration"] for record in records for one in record.get("asked", ()))


def _described(history: History, further: Descriptors, ids: Sequence[str]) -> Descriptors:
    """Descriptors of these configurations, from the ancestors' stores and behind this one's candidates."""
    earlier, here = history.descriptors(further.attributes["descriptor_id"], ids)
    known = further.take(rows_of(further, sorted(here)))
    parts = [known] if earlier is None else [earlier, known]
    return Descriptors.concatenate(parts, further.attributes)


def _belief(stage: Stage, candidates: Candidates, training: Labels) -> LastLayerBelief | None:
    """What the parent's model believes about its last layer; None before there is one."""
    checkpoint = stage.read(Checkpoint, of=stage.parent)
    if checkpoint.is_null:
        return None
    return LastLayerBelief(checkpoint, candidates, training, stage.parameters.uncertainty.ridge)


if __name__ == "__main__":
    run("acquire", acquire_candidates)
