"""Tracking: MLflow knows what was trained, and a broken MLflow changes nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_potentials import untrained

from aldata.train import Context, Trained, TrainSettings, track
from aldata.train.tracking import flattened

DATASET = "0123456789abcdef" * 4


def a_training(members: int = 2, validations: int = 700) -> Trained:
    history = [
        {"step": 10.0 * k, "loss": 1 / (k + 1), "valid_forces_rmse": 2 / (k + 1)}
        for k in range(validations)
    ]
    return Trained(untrained(members=members), [history] * members)


def test_one_parent_run_and_one_nested_run_per_member(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    settings, trained = TrainSettings(members=2), a_training()
    context = Context(
        tmp_path, DATASET, frames={"train": 12}, tags={"git.baseline": "abc", "dvc.exp": "mild"}
    )
    ids = track("g001", settings, trained, context)
    assert ids is not None
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    parent = client.get_run(ids.parent)
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "g001"
    assert parent.data.tags["aldata.checkpoint"] == trained.checkpoint.digest
    assert parent.data.tags["git.baseline"] == "abc"
    assert parent.data.tags["dvc.exp"] == "mild"
    assert parent.data.params["architecture.channels"] == "16"
    assert parent.info.artifact_uri.startswith((tmp_path / "mlartifacts").as_uri())
    [given] = parent.inputs.dataset_inputs
    assert DATASET.startswith(given.dataset.digest)
    assert json.loads(given.dataset.source)["sha256"] == DATASET
    found = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{ids.parent}'"
    )
    assert sorted(run.info.run_id for run in found) == sorted(ids.members)
    curve = client.get_metric_history(ids.members[1], "valid_forces_rmse")
    assert len(curve) == 700
    assert {point.step: point.value for point in curve}[990] == pytest.approx(0.02)
    second = track("g002", settings, trained, context)
    assert second is not None
    assert client.get_run(second.parent).info.experiment_id == parent.info.experiment_id


@pytest.mark.parametrize(
    "uri", ["sqlite:////dev/null/mlflow.db", "gopher://nowhere", "http://127.0.0.1:9"]
)
def test_a_tracking_failure_is_a_warning(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    context = Context(tmp_path, DATASET, uri=uri)
    with pytest.warns(UserWarning, match="MLflow did not record g000 at .* is complete"):
        assert track("g000", TrainSettings(), a_training(1, 3), context) is None


def test_settings_become_flat_parameters() -> None:
    flat = flattened(TrainSettings().content())
    assert flat["steps"] == str(TrainSettings().steps)
    assert flat["architecture.radial_mlp"] == "[64, 64, 64]"
    assert all(isinstance(value, str) for value in flat.values())
    assert np.all([len(value) <= 500 for value in flat.values()])
