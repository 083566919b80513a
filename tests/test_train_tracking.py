"""Tracking: MLflow knows what was trained, and a broken MLflow changes nothing."""

import json
import math
import sqlite3
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from made_potentials import untrained

from aldata.train import Context, Trained, TrainSettings, track, track_evaluation
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


class TestEvaluations:
    TOLD = {"aldata.strategy": "random", "aldata.parent": "seed"}

    def told(
        self, context: Context, generation: str, checkpoint: str, **numbers: float | None
    ) -> list[str]:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            return track_evaluation(generation, checkpoint, numbers, self.TOLD, context)

    def test_numbers_stand_in_the_run_of_the_generation_and_the_last_ones_count(
        self, tmp_path: Path
    ) -> None:
        from mlflow import MlflowClient

        context, trained = Context(tmp_path, DATASET), a_training(2, 3)
        ids = track("g001", TrainSettings(members=2), trained, context)
        assert ids is not None
        digest = trained.checkpoint.digest
        first = {"calls": 20.0, "test_a_rmse": 9.0, "test_b_rmse": 3.0, "probe_rmse": 2.0}
        assert self.told(context, "g001", digest, **first) == [ids.parent]
        client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
        run = client.get_run(ids.parent)
        assert run.data.metrics.items() >= first.items()
        assert run.data.metrics["valid_forces_rmse"] == pytest.approx(2 / 3)
        assert run.data.tags.items() >= self.TOLD.items()
        # the same again writes nothing; a set that is gone and an error that is lost say so
        assert self.told(context, "g001", digest, **first) == [ids.parent]
        assert len(client.get_metric_history(ids.parent, "calls")) == 1
        time.sleep(0.002)
        self.told(context, "g001", digest, calls=20.0, test_a_rmse=5.0, probe_rmse=None)
        now = client.get_run(ids.parent).data.metrics
        assert (now["calls"], now["test_a_rmse"]) == (20.0, 5.0)
        assert math.isnan(now["test_b_rmse"])
        assert math.isnan(now["probe_rmse"])
        assert len(client.search_runs([run.info.experiment_id])) == 3

    def test_another_experiment_and_a_lost_store_get_a_run_of_their_own(
        self, tmp_path: Path
    ) -> None:
        from mlflow import MlflowClient

        [here] = self.told(Context(tmp_path, DATASET), "g001", "c" * 64, calls=20.0)
        within = Context(tmp_path, DATASET, tags={"aldata.experiment": "chance"})
        [other] = self.told(within, "g001", "c" * 64, calls=30.0)
        assert self.told(within, "g001", "c" * 64, calls=30.0) == [other]
        client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
        assert client.get_run(here).data.metrics["calls"] == 20.0
        run = client.get_run(other)
        assert run.data.metrics["calls"] == 30.0
        assert run.data.tags["aldata.dataset"] == DATASET
        assert (run.info.run_name, run.info.status) == ("g001", "FINISHED")

    def test_a_damaged_store_is_a_warning_that_says_how_to_repeat(self, tmp_path: Path) -> None:
        (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
        context = Context(tmp_path, DATASET)
        with pytest.warns(UserWarning, match=r"no numbers.*--force --single-item evaluate@g001"):
            found = track_evaluation("g001", "c" * 64, {"calls": 1.0}, self.TOLD, context)
        assert found == []

    @pytest.mark.slow  # MLflow waits for a lock for 20 s
    def test_a_locked_store_is_a_warning_that_says_how_to_repeat(self, tmp_path: Path) -> None:
        context = Context(tmp_path, DATASET)
        self.told(context, "g001", "c" * 64, calls=20.0)
        holder = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
        holder.execute("begin immediate")
        with pytest.warns(UserWarning, match=r"locked.*--force --single-item evaluate@g001"):
            found = track_evaluation("g001", "c" * 64, {"calls": 21.0}, self.TOLD, context)
        assert found == []
        holder.execute("rollback")
        holder.close()
        assert len(self.told(context, "g001", "c" * 64, calls=21.0)) == 1


def test_settings_become_flat_parameters() -> None:
    flat = flattened(TrainSettings().content())
    assert flat["steps"] == str(TrainSettings().steps)
    assert flat["architecture.radial_mlp"] == "[64, 64, 64]"
    assert all(isinstance(value, str) for value in flat.values())
    assert np.all([len(value) <= 500 for value in flat.values()])
