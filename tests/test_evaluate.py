"""Errors, test files, the metrics table, the learning curve and the data of the plots."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_labels import committee_of, make_labels, molecule

from aldata.artifacts.frames import Labels, Predictions
from aldata.calibrate import null_calibration
from aldata.cli.verdicts import verdicts
from aldata.errors import InvalidInput, InvalidParameters
from aldata.evaluate import (
    METRICS,
    EvaluateSettings,
    Facts,
    Wanted,
    bands,
    errors,
    explored,
    extend_history,
    flatten,
    history_point,
    metric_of,
    metrics,
    parity,
    stopping,
)

WANTED = Wanted(energy=0.002, forces=0.05, information=1.0)


def shifted(labels: Labels, energy, forces) -> Predictions:
    """Predictions that differ from the labels by the given errors in eV and eV/A."""
    exact = committee_of(labels, 4, 0.0, seed=0)
    arrays = {"energy": labels.energy + energy, "forces": labels.forces + forces}
    return Predictions.from_arrays(exact.arrays | arrays, exact.attributes)


def test_known_errors_have_known_statistics():
    labels = make_labels([molecule(0), molecule(1)])
    force = np.zeros((6, 3))
    force[0, 0], force[4, 2] = 0.3, -0.6
    found = errors(shifted(labels, np.array([0.003, 0.009]), force), labels)
    assert found["frames"] == 2
    assert found["atoms"] == 6
    assert found["energy_mae_meV_per_atom"] == pytest.approx(2.0)
    assert found["energy_rmse_meV_per_atom"] == pytest.approx(np.sqrt(5.0))
    assert found["energy_max_meV_per_atom"] == pytest.approx(3.0)
    assert found["energy_rmse_shifted_meV_per_atom"] == pytest.approx(1.0)
    assert found["forces_mae_meV_per_A"] == pytest.approx(50.0)
    assert found["forces_rmse_meV_per_A"] == pytest.approx(1000 * np.sqrt(0.45 / 18))
    assert found["forces_max_meV_per_A"] == pytest.approx(600.0)


def test_only_accepted_labels_are_compared_in_any_order():
    labels = make_labels(
        [molecule(k) for k in range(4)], status=["accepted", "failed", "accepted", "rejected"]
    )
    accepted = labels.take([0, 2])
    predictions = shifted(accepted, np.array([0.003, 0.009]), 0.1)
    assert errors(predictions.take([1, 0]), labels) == errors(predictions, accepted)


def test_nothing_to_compare_gives_none_and_a_missing_prediction_an_error():
    labels = make_labels([molecule(0)])
    empty = errors(Predictions.empty({}), labels.take([]))
    assert empty.pop("frames") == empty.pop("atoms") == 0
    assert set(empty.values()) == {None}
    with pytest.raises(InvalidInput, match="1 of 1 labelled frames have no prediction"):
        errors(Predictions.empty({}), labels)


def test_a_prediction_that_is_not_finite_is_named():
    labels = make_labels([molecule(0), molecule(1)])
    force = np.zeros((6, 3))
    force[5, 1] = np.nan
    with pytest.raises(InvalidInput, match=f"1 of 2 .*{labels.ids[1]}"):
        errors(shifted(labels, 0.0, force), labels)


@pytest.mark.parametrize(
    "sets",
    [
        {"Hot set": "test_sets/a.xyz"},
        {"generated": "test_sets/a.xyz"},
        {"hot": "elsewhere/a.xyz"},
        {"hot": "test_sets/../a.xyz"},
    ],
)
def test_settings_refuse_bad_names_and_places(sets):
    with pytest.raises(InvalidParameters, match="test_sets"):
        EvaluateSettings.checked({"test_sets": sets}, "evaluate")
    EvaluateSettings.checked({"test_sets": {"hot": "test_sets/a.xyz"}}, "evaluate")


def facts(number: int) -> Facts:
    return Facts(
        generation=f"g{number:03}",
        parent=f"g{number - 1:03}" if number else "seed",
        strategy="random",
        accepted=20,
        rejected=1,
        failed=2,
        oracle_seconds=100.5,
        train_frames=15 * (number + 1),
        valid_frames=3,
        probe_frames=2,
    )


def reported(number: int, history) -> dict:
    labels = make_labels([molecule(k) for k in range(4)])
    error = errors(shifted(labels, 0.01 / (number + 1), 0.1 / (number + 1)), labels)
    names = {n.removeprefix("probe.") for n in METRICS if n.startswith("probe.")}
    scores = {name: error.get(name, 1.0) for name in names}
    return metrics(
        facts(number),
        {
            "probe": scores,
            "acquired": scores,
            "worth": {"error_ratio": 1.2, "above_median": 0.7},
            "probe_so_far": error,
        },
        {name: error | {"near_copies": 0} for name in ("hot", "seed")},
        null_calibration("g000", "0" * 64),
        history,
        stopping(error, {"frames": 4, "information": 8.0}, WANTED, True),
        explored([{"asked_steps": 9, "steps": 9, "ended": "completed"}]),
    )


def test_metrics_are_exactly_those_of_the_table():
    flat = flatten(reported(0, []))
    for name, value in flat.items():
        metric = metric_of(name)
        assert metric.meaning
        assert value is None or isinstance(value, int | float | str)
    assert {name.replace(".hot.", ".*.").replace(".seed.", ".*.") for name in flat} == set(METRICS)
    json.dumps(flat, allow_nan=False)
    with pytest.raises(KeyError):
        metric_of("probe.guess")


def test_the_unit_stands_in_the_name():
    suffix = {"meV/atom": "_meV_per_atom", "meV/A": "_meV_per_A", "meV": "_meV", "s": "seconds"}
    for name, metric in METRICS.items():
        if metric.unit not in ("", "1"):
            assert suffix[metric.unit] in name


def test_the_learning_curve_grows_by_one_point_and_sums_calls():
    history: list[dict] = []
    for number in range(3):
        before = [dict(point) for point in history]
        history = extend_history(history, history_point(reported(number, history)))
        assert history[:-1] == before
    assert [point["calls"] for point in history] == [23, 46, 69]
    assert [point["oracle_seconds"] for point in history] == [100.5, 201.0, 301.5]
    rmse = [point["test_forces_rmse_meV_per_A"] for point in history]
    assert rmse == pytest.approx([100.0, 50.0, 100.0 / 3])
    assert rmse == [point["test_hot_forces_rmse_meV_per_A"] for point in history]
    assert len({tuple(point) for point in history}) == 1
    json.dumps(history, allow_nan=False)


def test_a_history_of_another_branch_is_refused():
    history = extend_history([], history_point(reported(0, [])))
    with pytest.raises(InvalidInput, match="g002"):
        extend_history(history, history_point(reported(2, history)))
    with pytest.raises(InvalidInput, match="g000"):
        extend_history(history, history_point(reported(0, history)))


def test_bands_are_told_image_by_image_above_their_start() -> None:
    band = {
        "files": ["a.xyz", "b.xyz"], "converged": True, "along": [0.0, 0.5, 1.5],
        "energies": [-7.0, -6.75, -7.5],
    }  # fmt: skip
    failed = {**band, "converged": False, "energies": []}
    older = {"files": ["a.xyz", "b.xyz"], "converged": True, "barrier": 0.25}
    found = bands(
        [{"asked_steps": 9, "steps": 9}, failed, band, older, {**band, "converged": False}]
    )
    assert [row["energy_meV"] for row in found[:3]] == [0.0, 250.0, -500.0]
    assert [row["along_A"] for row in found[:3]] == [0.0, 0.5, 1.5]
    assert [row["image"] for row in found] == [0, 1, 2] * 2
    assert [row["band"] for row in found[2:4]] == [
        "a.xyz to b.xyz",
        "a.xyz to b.xyz (not converged)",
    ]


@settings(max_examples=20, deadline=None)
@given(frames=st.integers(0, 12), points=st.integers(10, 120))
def test_parity_is_thinned_deterministically_and_keeps_the_worst(frames, points):
    labels = make_labels([molecule(k) for k in range(frames)])
    error = np.random.default_rng(frames).normal(size=(3 * frames, 3))
    predictions = shifted(labels, 0.0, error)
    found = parity(predictions, labels, points)
    assert len(found) == min(points, 9 * frames)
    assert found == parity(predictions, labels, points)
    if frames:
        off = [abs(p["predicted_eV_per_A"] - p["reference_eV_per_A"]) for p in found]
        assert max(off) == pytest.approx(np.abs(error).max())
        assert {p["element"] for p in found} <= {1, 8}


def test_thinning_does_not_favour_an_axis():
    labels = make_labels([molecule(k) for k in range(100)])
    found = parity(shifted(labels, 0.0, 0.1), labels, 300)
    counts = [sum(p["component"] == axis for p in found) for axis in "xyz"]
    assert min(counts) > 70


class TestStopping:
    ERRORS = {"frames": 9, "energy_rmse_meV_per_atom": 1.5, "forces_rmse_meV_per_A": 40.0}
    LITTLE = {"frames": 8, "information": 4.0}

    def test_small_errors_and_little_left_to_learn_are_enough(self) -> None:
        found = stopping(self.ERRORS, self.LITTLE, WANTED, True)
        assert found["reached"] is True
        assert found["information_per_call"] == 0.5
        assert found["wanted_forces_rmse_meV_per_A"] == 50.0
        assert (found["probe_frames"], found["remaining_frames"]) == (9, 8)

    @pytest.mark.parametrize(
        ("errors", "remaining", "calibrated"),
        [
            ({"energy_rmse_meV_per_atom": 2.5}, {}, True),
            ({"forces_rmse_meV_per_A": 51.0}, {}, True),
            ({"forces_rmse_meV_per_A": None}, {}, True),
            ({}, {"information": 8.5}, True),
            ({}, {"frames": 0, "information": 0.0}, True),
            ({}, {}, False),
        ],
    )
    def test_each_alone_is_not(self, errors, remaining, calibrated) -> None:
        found = stopping(self.ERRORS | errors, self.LITTLE | remaining, WANTED, calibrated)
        assert found["reached"] is False

    def test_before_there_is_a_model_nothing_is_known(self) -> None:
        found = stopping(self.ERRORS, None, WANTED, True)
        assert found["reached"] is False
        assert found["information_per_call"] is None

    def test_status_says_it_in_words(self) -> None:
        rows = [
            {"name": name, "parent": parent, "metrics": {"a": 1}, "thresholds": None, "stop": stop}
            for name, parent, stop in (
                ("g000", "seed", stopping(self.ERRORS, None, WANTED, True)),
                ("g001", "g000", stopping(self.ERRORS, self.LITTLE, WANTED, True)),
            )
        ]
        rows[1]["thresholds"] = {"sigma_lo": 0.1, "sigma_hi": 0.3, "level": 0.9, "frames": 9}
        lines = verdicts(rows)
        assert len(lines) == 2
        assert "g001 reached the target" in lines[0]
        assert "40 (wanted 50) meV/A and 1.5 (wanted 2) meV/atom" in lines[0]
        assert "a call of the best 8 left in its pool would tell 0.5 (wanted 1) nats" in lines[0]
        assert "below sigma_forces = 0.1 eV/A (90% of its pool by 9 probe frames)" in lines[1]
        lines = verdicts(rows[:1])
        assert "g000 has not reached the target" in lines[0]
        assert "is not known" in lines[0]
        assert "not calibrated" in lines[1]
