"""evaluate: errors on the test sets, the metrics of the generation, the learning curve so far."""

from typing import Any

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import Calibration
from aldata.artifacts.frames import Candidates, Labels, Selection
from aldata.artifacts.layout import SEED
from aldata.artifacts.schema import PURPOSES
from aldata.curate import CurateSettings, near_copies
from aldata.evaluate import (
    EvaluateSettings,
    Facts,
    Wanted,
    bands,
    errors,
    explored,
    extend_history,
    history_point,
    metrics,
    numbers,
    parity,
    stopping,
)
from aldata.potentials import Committee
from aldata.train import track_evaluation
from pipelines.history import History
from pipelines.stage import Stage, run
from pipelines.tracked import tracking


def evaluate(stage: Stage) -> None:
    """The generated test set comes first: it is the one that the learning curve shows."""
    settings = stage.settings(EvaluateSettings)
    checkpoint = stage.read(Checkpoint)
    committee, tests = Committee.from_checkpoint(checkpoint), _tests(stage, settings)
    predictions = {name: committee.predict(labels) for name, labels in tests.items()}
    before = stage.read_json("history", of=stage.parent)
    history = History(stage, stage.generation)
    copies = _near_copies(stage, history, tests)
    scores, calibration = stage.read_json("prequential"), stage.read(Calibration)
    records = stage.read(Candidates).attributes["trajectories"]
    reported = metrics(
        _facts(stage, history),
        scores,
        {name: errors(predictions[name], labels) | copies[name] for name, labels in tests.items()},
        calibration,
        before,
        _stop(stage, scores["probe_so_far"], calibration, settings),
        explored(records),
    )
    stage.write_json("metrics", reported)
    stage.write_json("history", extend_history(before, history_point(reported)))
    first = next(iter(tests), None)
    points = parity(predictions[first], tests[first], settings.parity_points) if first else []
    stage.write_json("parity", points)
    stage.write_json("bands", bands(records))
    told = {f"aldata.{key}": reported[key] for key in ("parent", "strategy") if reported[key]}
    context = tracking(stage, history.manifests[-1].digest)
    track_evaluation(stage.generation, checkpoint.digest, numbers(reported), told, context)


def _tests(stage: Stage, settings: EvaluateSettings) -> dict[str, Labels]:
    """Labelled frames by the name of their test set, those that the seed made first; no empty ones."""
    labels = stage.read(Labels, of=SEED)
    sets = {"generated": labels.take(labels.purpose == PURPOSES.index("test"))}
    for name, path in settings.test_sets.items():
        sets[name] = stage.given(path)
    return {name: labels for name, labels in sets.items() if labels.accepted.any()}


def _stop(
    stage: Stage, scores: dict[str, Any], calibration: Calibration, settings: EvaluateSettings
) -> dict[str, Any]:
    asked = stage.read(Selection).attributes
    wanted = Wanted(**asked["settings"]["target"], information=settings.enough_information)
    fitted = calibration.energy.fitted and calibration.forces.fitted
    return stopping(scores, asked["remaining"], wanted, fitted)


def _near_copies(
    stage: Stage, history: History, tests: dict[str, Labels]
) -> dict[str, dict[str, int]]:
    """By test set, how many of its frames the model has as good as learned from."""
    tolerance = stage.settings(CurateSettings, of="curate").duplicate_tolerance
    learned, _ = history.with_roles(["train", "valid"])
    found = {}
    for name, labels in tests.items():
        near = near_copies(labels.take(labels.accepted), learned, tolerance)
        found[name] = {"near_copies": sum(bool(copied) for copied in near)}
    return found


def _facts(stage: Stage, history: History) -> Facts:
    calls = stage.read_json("calls")
    statuses = [call["status"] for call in calls]
    return Facts(
        generation=stage.generation,
        parent=stage.parent,
        strategy=stage.read(Selection).attributes["strategy"],
        accepted=statuses.count("accepted"),
        rejected=statuses.count("rejected"),
        failed=statuses.count("failed"),
        oracle_seconds=sum(call["cpu_seconds"] for call in calls),
        train_frames=len(history.with_roles(["train"])[1]),
        valid_frames=len(history.with_roles(["valid"])[1]),
        probe_frames=len(history.with_roles(["probe"])[1]),
    )


if __name__ == "__main__":
    run("evaluate", evaluate)
