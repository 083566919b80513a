"""A known factor is recovered, the naive one is not, and mean z^2 is one when calibrated."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_labels import THEORY, committee_of, make_labels, molecule

from aldata.artifacts.documents import Calibration, Entry, Factor, Manifest, Noise
from aldata.artifacts.frames import Labels, Predictions
from aldata.artifacts.residuals import residuals
from aldata.calibrate import (
    ESTIMATORS,
    CalibrateSettings,
    calibrate,
    null_calibration,
    prequential,
    reliability,
    sigma_error,
)
from aldata.calibrate.committee import Quantity, Spread
from aldata.calibrate.proper_scores import (
    bootstrap_interval,
    continuous_ranked_probability,
    miscalibration_area,
    negative_log_likelihood,
    rank_correlation,
)
from aldata.calibrate.scores import worth
from aldata.calibrate.settings import ThresholdSettings
from aldata.calibrate.thresholds import thresholds
from aldata.errors import InvalidInput, InvalidParameters
from aldata.evaluate import METRICS

TRUE = 1.7
SETTINGS = CalibrateSettings()
QUIET = Noise(theory_id=THEORY, sigma_energy=0.0, sigma_forces=0.0, source="none")
SAMPLES = 200_000


def ratios(members: int, dimension: int, shape=None, seed: int = 0):
    """|e|^2 and s^2 of a committee that is TRUE times too narrow, on frames of many sigmas."""
    rng = np.random.default_rng(seed)
    width = np.ones(dimension) if shape is None else np.asarray(shape) / np.mean(shape)
    scale = np.exp(rng.normal(scale=0.5, size=(SAMPLES, 1))) * np.sqrt(width)
    draws = rng.normal(size=(members, SAMPLES, dimension)) * scale
    error = TRUE * scale * rng.normal(size=(SAMPLES, dimension)) - draws.mean(axis=0)
    return np.square(error).sum(axis=1), draws.var(axis=0, ddof=1).sum(axis=1)


def alpha_of(estimator: str, error2, variance, spread: Spread, noise2: float = 0.0) -> float:
    return np.sqrt(ESTIMATORS[estimator](error2, variance, noise2, spread) - 1 / spread.members)


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
@pytest.mark.parametrize("members", [4, 5, 8])
@pytest.mark.parametrize("dimension", [1, 3])
def test_a_known_factor_is_recovered(estimator, members, dimension):
    spread = Spread(members, dimension)
    error2, variance = ratios(members, dimension)
    found = alpha_of(estimator, error2, variance, spread)
    blocks = [
        alpha_of(estimator, e, v, spread)
        for e, v in zip(np.split(error2, 20), np.split(variance, 20), strict=True)
    ]
    # the moments of four members' energies have no variance: their blocks scatter without bound
    heavy = estimator == "moments" and spread.freedom <= 4
    assert found == pytest.approx(TRUE, abs=0.15 if heavy else 4 * np.std(blocks) / np.sqrt(20))
    assert found == pytest.approx(TRUE, rel=0.1 if heavy else 0.02)


@pytest.mark.parametrize(("members", "dimension"), [(4, 1), (5, 1), (4, 3), (5, 3)])
def test_the_naive_factor_is_biased(members, dimension):
    error2, variance = ratios(members, dimension)
    naive = np.sqrt(np.mean(error2 / variance))
    assert naive > (1.3 if dimension == 1 else 1.05) * TRUE


def test_few_energies_of_four_members_mislead_the_moments_but_not_the_likelihood():
    error2, variance = ratios(4, 1)
    few = [
        (e, v) for e, v in zip(np.split(error2, 20_000), np.split(variance, 20_000), strict=True)
    ]
    spread = Spread(4, 1)
    scale2 = {
        name: [ESTIMATORS[name](e, v, 0.0, spread) for e, v in few[:500]] for name in ESTIMATORS
    }
    median = {k: np.sqrt(max(np.median(v) - 0.25, 0)) for k, v in scale2.items()}
    assert median["likelihood"] == pytest.approx(TRUE, rel=0.1)
    assert median["moments"] < 0.85 * TRUE


@pytest.mark.parametrize(
    ("shape", "expected"), [((2, 1, 1), 1.72), ((4, 1, 1), 1.78), ((10, 1, 1), 1.93)]
)
def test_anisotropic_forces_give_the_stated_bias(shape, expected):
    error2, variance = ratios(4, 3, shape)
    found = alpha_of("moments", error2, variance, Spread(4, 3))
    assert found == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_noise_of_known_size_leaves_the_factor_unchanged(estimator):
    error2, variance = ratios(5, 3)
    noise = 0.3
    rng = np.random.default_rng(1)
    # |e + n|^2 for isotropic noise: the cross term needs one direction only
    along = rng.normal(scale=noise, size=len(error2))
    across = np.square(rng.normal(scale=noise, size=(len(error2), 2))).sum(axis=1)
    noisy = np.square(np.sqrt(error2) + along) + across
    spread = Spread(5, 3)
    found = alpha_of(estimator, noisy, variance, spread, noise**2)
    assert found == pytest.approx(TRUE, rel=0.02)
    assert alpha_of(estimator, noisy, variance, spread, 0.0) > 1.015 * TRUE


def test_no_error_at_all_gives_the_smallest_factor():
    labels = probe_labels(40)
    predictions = committee_of(labels, 4, 0.0, seed=0)
    exact = Predictions.from_arrays(
        predictions.arrays | {"energy": labels.energy, "forces": labels.forces},
        predictions.attributes,
    )
    found = calibrate(exact, labels, QUIET, SETTINGS, None, "g000")
    assert found.energy.alpha == found.forces.alpha == SETTINGS.smallest_alpha
    assert found.energy.fitted


def probe_labels(n: int, first: int = 0) -> Labels:
    return make_labels([molecule(k) for k in range(first, first + n)], purpose="probe")


def manifest_of(labels: Labels, roles: list[str], generation: str = "g001") -> Manifest:
    entries = [
        Entry(
            call=call,
            configuration=identity,
            result="0" * 64,
            status="accepted",
            role=role,
            purpose="probe",
            lineage="g001/trajectory-0",
        )
        for call, identity, role in zip(labels.call_ids, labels.ids, roles, strict=True)
    ]
    return Manifest(
        generation=generation, parent=None, theory_id=THEORY, species=[1, 8], entries=entries
    )


@pytest.mark.parametrize("members", [4, 5])
def test_calibrate_recovers_the_factor_of_a_committee(members):
    labels = probe_labels(1500)
    predictions = committee_of(labels, members, TRUE, seed=1)
    found = calibrate(predictions, labels, QUIET, SETTINGS, None, "g001")
    assert found.energy.alpha == pytest.approx(TRUE, rel=0.1)
    assert found.forces.alpha == pytest.approx(TRUE, rel=0.05)
    assert found.forces.mean_z2 > 2.0
    assert (found.generation, found.checkpoint) == ("g001", predictions.attributes["checkpoint"])
    assert found.energy.frames == found.forces.frames == 1500
    assert found.energy.fitted
    assert found.forces.fitted


def test_too_few_probe_frames_or_members_inherit_the_parents_factors():
    previous = null_calibration("g000", "0" * 64).model_copy(
        update={"energy": Factor(alpha=2.5, mean_z2=1.0, frames=9, fitted=True)}
    )
    for labels, members in ((probe_labels(3), 4), (probe_labels(30), 3)):
        predictions = committee_of(labels, members, TRUE, seed=1)
        found = calibrate(predictions, labels, QUIET, SETTINGS, previous, "g001")
        assert (found.energy.alpha, found.forces.alpha) == (2.5, 1.0)
        assert not found.energy.fitted
        assert not found.forces.fitted
        assert found.energy.frames == len(labels)
    alone = calibrate(predictions, labels, QUIET, SETTINGS, None, "g001")
    assert alone.energy.alpha == 1.0


def test_no_probe_frames_at_all_is_no_error():
    predictions = Predictions.empty({"checkpoint": "ab", "members": 4})
    found = calibrate(predictions, probe_labels(0), QUIET, SETTINGS, None, "g000")
    assert (found.energy.mean_z2, found.energy.frames) == (None, 0)


def test_only_accepted_probe_frames_are_calibrated_on():
    labels = make_labels(
        [molecule(k) for k in range(60)],
        purpose=["probe"] * 20 + ["acquired"] * 40,
        status=["accepted"] * 15 + ["failed"] * 5 + ["accepted"] * 40,
    )
    predictions = committee_of(labels, 4, TRUE, seed=2)
    found = calibrate(predictions, labels, QUIET, SETTINGS, None, "g001")
    only = calibrate(predictions, labels.take(range(15)), QUIET, SETTINGS, None, "g001")
    assert found == only
    assert found.energy.frames == 15


def test_order_and_surplus_of_predictions_do_not_matter():
    labels = probe_labels(20)
    predictions = committee_of(labels, 4, TRUE, seed=3)
    mixed = predictions.take(np.random.default_rng(0).permutation(20))
    half = labels.take(range(0, 20, 2))
    straight = calibrate(predictions, half, QUIET, SETTINGS, None, "g001")
    assert calibrate(mixed, half, QUIET, SETTINGS, None, "g001") == straight


def test_a_missing_or_nameless_prediction_is_an_error():
    labels = probe_labels(10)
    predictions = committee_of(labels, 4, TRUE, seed=3)
    with pytest.raises(InvalidInput, match="3 of 10 labelled frames have no prediction"):
        calibrate(predictions.take(range(7)), labels, QUIET, SETTINGS, None, "g001")
    nameless = Predictions.from_arrays(predictions.arrays, {})
    with pytest.raises(InvalidInput, match="no attribute checkpoint and no attribute members"):
        calibrate(nameless, labels, QUIET, SETTINGS, None, "g001")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_force_factor_does_not_depend_on_the_frame_of_reference(seed):
    labels = probe_labels(12)
    predictions = committee_of(labels, 4, TRUE, seed=4, shape=(5, 1, 1))
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]

    def turned(columns):
        arrays = columns.arrays | {"forces": columns.forces @ q.T}
        if "force_covariance" in arrays:
            arrays["force_covariance"] = q @ columns.force_covariance @ q.T
        return type(columns).from_arrays(arrays, columns.attributes)

    before = calibrate(predictions, labels, QUIET, SETTINGS, None, "g001")
    after = calibrate(turned(predictions), turned(labels), QUIET, SETTINGS, None, "g001")
    assert after.forces.alpha == pytest.approx(before.forces.alpha, rel=1e-9)


@pytest.mark.parametrize("members", [5, 8])
def test_mean_z2_on_new_frames_is_one_with_the_right_factor_only(members):
    labels = probe_labels(3000)
    predictions = committee_of(labels, members, TRUE, seed=5)
    manifest = manifest_of(labels, ["probe"] * 3000)

    def scores(alpha: float):
        factor = Factor(alpha=alpha, mean_z2=None, frames=9, fitted=True)
        calibration = Calibration(generation="g", checkpoint="c", energy=factor, forces=factor)
        return prequential(predictions, labels, manifest, calibration, QUIET)["probe"]

    right, wrong = scores(TRUE), scores(1.0)
    assert right["forces_mean_z2"] == pytest.approx(1.0, abs=0.05)
    assert right["energy_mean_z2"] == pytest.approx(1.0, abs=0.3 if members == 5 else 0.12)
    assert right["energy_coverage_95"] == pytest.approx(0.95, abs=0.015)
    assert right["forces_coverage_95"] == pytest.approx(0.95, abs=0.01)
    assert wrong["forces_mean_z2"] > 2.0
    assert wrong["forces_coverage_95"] < 0.9
    # without the widening for not knowing sigma even the right factor looks overconfident
    pair_z2 = np.mean(
        np.square(predictions.energy - labels.energy) / (TRUE**2 * predictions.energy_variance)
    )
    assert pair_z2 > 1.2


def test_prequential_scores_each_group_by_purpose_and_role():
    frames = [molecule(k) for k in range(12)]
    labels = make_labels(frames, purpose=["probe"] * 5 + ["acquired"] * 6 + ["imported"])
    roles = ["probe"] * 4 + ["none"] + ["train"] * 4 + ["valid", "probe", "train"]
    predictions = committee_of(labels, 4, TRUE, seed=6)
    calibration = null_calibration("g000", "0" * 64)
    found = prequential(predictions, labels, manifest_of(labels, roles), calibration, QUIET)
    assert (found["probe"]["frames"], found["acquired"]["frames"]) == (4, 5)
    error = 1000 * (predictions.energy - labels.energy)[:4] / 3
    assert found["probe"]["energy_mae_meV_per_atom"] == pytest.approx(np.abs(error).mean())
    named = {name.removeprefix("probe.") for name in METRICS if name.startswith("probe.")}
    assert set(found["probe"]) == set(found["acquired"]) == named
    json.dumps(found, allow_nan=False)


def test_the_null_parent_scores_nothing():
    labels = probe_labels(6)
    found = prequential(
        Predictions.empty({}),
        labels,
        manifest_of(labels, ["probe"] * 6),
        null_calibration("seed", "0" * 64),
        QUIET,
    )
    counts = {"frames", "atoms"}
    assert set(found) == {"probe", "acquired", "worth"}
    assert all(found[group][name] == 0 for group in ("probe", "acquired") for name in counts)
    assert {v for scores in found.values() for k, v in scores.items() if k not in counts} == {None}


def test_a_committee_that_agrees_too_well_gives_finite_scores():
    labels = probe_labels(6)
    predictions = committee_of(labels, 4, TRUE, seed=7)
    agreed = {
        "energy_variance": np.zeros(6),
        "force_covariance": np.zeros_like(predictions.force_covariance),
    }
    flat = Predictions.from_arrays(predictions.arrays | agreed, predictions.attributes)
    manifest = manifest_of(labels, ["probe"] * 6)
    found = prequential(flat, labels, manifest, null_calibration("g", "c"), QUIET)
    json.dumps(found, allow_nan=False)
    fitted = calibrate(flat, labels, QUIET, SETTINGS, None, "g001")
    assert np.isfinite([fitted.energy.alpha, fitted.forces.alpha]).all()


def test_reliability_bins_are_equal_in_count_and_lie_near_the_diagonal():
    labels = probe_labels(2000)
    predictions = committee_of(labels, 8, TRUE, seed=8)
    factor = Factor(alpha=TRUE, mean_z2=None, frames=9, fitted=True)
    calibration = Calibration(generation="g", checkpoint="c", energy=factor, forces=factor)
    points = reliability(predictions, labels, calibration, QUIET, 6)
    counts = [point["atoms"] for point in points]
    assert sum(counts) == 6000
    assert max(counts) - min(counts) <= 1
    predicted = [point["predicted_meV_per_A"] for point in points]
    assert predicted == sorted(predicted)
    quotient = [point["actual_meV_per_A"] / point["predicted_meV_per_A"] for point in points]
    assert np.allclose(quotient, 1.0, atol=0.25)
    overconfident = reliability(predictions, labels, null_calibration("g", "c"), QUIET, 6)
    assert all(p["actual_meV_per_A"] > 1.3 * p["predicted_meV_per_A"] for p in overconfident)


def test_reliability_of_little_or_nothing():
    labels = probe_labels(1)
    predictions = committee_of(labels, 4, TRUE, seed=9)
    calibration = null_calibration("g", "c")
    assert [p["atoms"] for p in reliability(predictions, labels, calibration, QUIET, 8)] == [
        1,
        1,
        1,
    ]
    assert reliability(predictions, labels.take([]), calibration, QUIET, 8) == []


def test_settings_list_the_estimators():
    with pytest.raises(InvalidParameters, match="likelihood, moments"):
        CalibrateSettings.checked({"energy_estimator": "guess"}, "calibrate")


def test_the_null_calibration_is_one_and_unfitted():
    found = null_calibration("seed", "0" * 64)
    assert (found.energy.alpha, found.forces.alpha) == (1.0, 1.0)
    assert not found.energy.fitted


class TestProperScores:
    """Against `uncertainty-toolbox` and by simulation; for energies both are one-dimensional."""

    def made(self, d: int, n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(d)
        sigma = rng.gamma(2.0, size=n)
        error = sigma[:, None] * rng.normal(size=(n, d))
        return error, sigma, np.square(error).sum(axis=1)

    def test_one_dimension_is_what_uncertainty_toolbox_finds(self) -> None:
        toolbox = pytest.importorskip("uncertainty_toolbox")
        error, sigma, error2 = self.made(1, 600)
        truth, predicted = np.zeros(600), error[:, 0]
        crps = toolbox.crps_gaussian(predicted, sigma, truth)
        assert continuous_ranked_probability(error2, sigma**2, 1) == pytest.approx(crps, rel=1e-9)
        nll = toolbox.nll_gaussian(predicted, sigma, truth)
        assert negative_log_likelihood(error2, sigma**2, 1) == pytest.approx(nll, rel=1e-9)
        quantity = Quantity(error2, sigma**2, 0.0, Spread(None, 1))
        area = toolbox.miscalibration_area(predicted, sigma, truth)
        found = miscalibration_area(quantity, ONE)
        assert found is not None
        assert abs(found - area) < 0.01
        wide = toolbox.miscalibration_area(predicted, 3 * sigma, truth)
        found = miscalibration_area(Quantity(error2, 9 * sigma**2, 0.0, Spread(None, 1)), ONE)
        assert found is not None
        assert abs(found - wide) < 0.01

    def test_the_energy_score_is_that_of_drawn_vectors(self) -> None:
        rng = np.random.default_rng(0)
        error, sigma, error2 = self.made(3, 50)
        one, other = (sigma[:, None, None] * rng.normal(size=(50, 20000, 3)) for _ in range(2))
        drawn = np.linalg.norm(one - error[:, None], axis=2).mean(axis=1)
        drawn -= 0.5 * np.linalg.norm(one - other, axis=2).mean(axis=1)
        found = continuous_ranked_probability(error2, 3 * sigma**2, 3)
        assert found == pytest.approx(drawn.mean(), rel=0.01)
        assert continuous_ranked_probability(np.zeros(1), np.array([3.0]), 3) > 0

    @pytest.mark.parametrize("d", [1, 3])
    def test_the_true_width_scores_best(self, d: int) -> None:
        _, sigma, error2 = self.made(d)
        for score in (negative_log_likelihood, continuous_ranked_probability):
            found = [score(error2, d * (a * sigma) ** 2, d) for a in (0.5, 0.8, 1.0, 1.25, 2.0)]
            assert int(np.argmin(found)) == 2

    @pytest.mark.parametrize("d", [1, 3])
    def test_a_calibrated_width_covers_what_it_says(self, d: int) -> None:
        _, sigma, error2 = self.made(d)
        area = miscalibration_area(Quantity(error2, d * sigma**2, 0.0, Spread(None, d)), ONE)
        small = miscalibration_area(Quantity(error2, d * sigma**2 / 4, 0.0, Spread(None, d)), ONE)
        assert area is not None
        assert small is not None
        assert area < 0.02 < 0.15 < small

    def test_the_interval_of_a_mean_is_over_frames(self) -> None:
        rng = np.random.default_rng(5)
        frames = np.repeat(np.arange(30), 20)
        alike = np.repeat(rng.gamma(1.0, size=30), 20)
        by_frame = bootstrap_interval(alike, frames)
        by_atom = bootstrap_interval(alike, np.arange(600))
        assert by_frame is not None
        assert by_atom is not None
        assert by_frame[0] < alike.mean() < by_frame[1]
        assert by_frame[1] - by_frame[0] > 3 * (by_atom[1] - by_atom[0])
        assert bootstrap_interval(np.ones(4), np.zeros(4, dtype=int)) is None

    def test_rank_correlation_needs_something_to_rank(self) -> None:
        assert rank_correlation(np.arange(5.0), np.arange(5.0) ** 3) == pytest.approx(1.0)
        assert rank_correlation(np.arange(5.0), -np.arange(5.0)) == pytest.approx(-1.0)
        assert rank_correlation(np.ones(5), np.arange(5.0)) is None
        assert rank_correlation(np.ones(2), np.ones(2)) is None


ONE = Factor(alpha=1.0, mean_z2=None, frames=0, fitted=False)


def test_acquired_calls_are_compared_with_random_ones() -> None:
    labels = probe_labels(8)
    purposes = np.where(np.arange(8) < 4, 1, 0)
    labels = Labels.from_arrays({**labels.arrays, "purpose": purposes}, labels.attributes)
    manifest = manifest_of(labels, ["probe"] * 4 + ["train"] * 4)
    predictions = committee_of(labels, 4, TRUE, seed=7)
    forces = labels.forces.copy()
    half = labels.offsets[4]
    forces[:half] += 0.1
    forces[half:] += 0.3
    wrong = Predictions.from_arrays(
        {**predictions.arrays, "forces": forces}, predictions.attributes
    )
    found = worth(wrong, labels, manifest)
    assert found["error_ratio"] == pytest.approx(3.0)
    assert found["above_median"] == 1.0


class TestThresholds:
    def fitted(self, frames: int, **changes):
        labels = probe_labels(frames)
        predictions = committee_of(labels, 5, TRUE, seed=8)
        settings = CalibrateSettings(**changes)
        return calibrate(predictions, labels, QUIET, settings, None, "g001"), predictions

    def test_are_quantiles_of_the_calibrated_sigma_of_a_frame(self) -> None:
        found, predictions = self.fitted(99)
        trace = np.trace(predictions.force_covariance, axis1=1, axis2=2).reshape(99, 3)
        sigma = np.sort(found.forces.alpha * np.sqrt(trace.max(axis=1)))
        thresholds = found.exploration()
        assert thresholds.sigma_lo == pytest.approx(sigma[94])  # the 95th of 99: 95 %
        assert thresholds.sigma_hi == pytest.approx(3 * sigma[94])
        assert (thresholds.level, thresholds.frames) == (0.95, 99)
        narrow, _ = self.fitted(99, thresholds={"level": 0.5, "ratio": 2.0})
        assert narrow.exploration().sigma_lo == pytest.approx(sigma[49])
        assert narrow.exploration().sigma_hi == pytest.approx(2 * sigma[49])

    @pytest.mark.parametrize(("frames", "level"), [(4, 0.8), (9, 0.9), (30, 30 / 31)])
    def test_promise_what_the_size_of_the_probe_allows(self, frames: int, level: float) -> None:
        """Of new frames of the same pool the share that `level` says, or more, lies below sigma_lo."""
        labels, factor = (
            probe_labels(frames),
            Factor(alpha=1.0, mean_z2=None, frames=9, fitted=True),
        )
        made, below = committee_of(labels, 5, TRUE, seed=1), []
        for seed in range(400):
            scale = np.exp(np.random.default_rng(seed).normal(size=frames + 1))
            covariance = np.eye(3) * np.repeat(scale[:-1], 3)[:, None, None]
            arrays = {**made.arrays, "force_covariance": covariance}
            pair = residuals(Predictions.from_arrays(arrays, made.attributes), labels)
            found = thresholds(pair, factor, ThresholdSettings())
            assert found.level == pytest.approx(level)
            below.append(np.sqrt(3 * scale[-1]) <= found.sigma_lo)
        assert np.mean(below) == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 400))

    def test_are_not_there_before_anything_is_fitted_and_the_error_says_how_many(self) -> None:
        found, _ = self.fitted(3)
        assert found.thresholds is None
        with pytest.raises(InvalidInput, match=r"3 probe frames(.|\n)*at least 4 probe frames"):
            found.exploration()
        with pytest.raises(InvalidInput, match="no thresholds for exploration"):
            null_calibration("seed", "0" * 64).exploration()

    def test_a_probe_too_small_stops_where_it_is_asked_to(self) -> None:
        with pytest.raises(InvalidInput, match="3 frames, 8 are needed") as caught:
            self.fitted(3, too_small="stop", minimum_probe=8)
        assert "acquire.probe" in str(caught.value)
        labels = probe_labels(30)
        few = committee_of(labels, 3, TRUE, seed=1)
        with pytest.raises(InvalidInput, match="3 members, 4 are needed"):
            calibrate(few, labels, QUIET, CalibrateSettings(too_small="stop"), None, "g001")

    def test_do_not_turn_with_the_frame(self) -> None:
        labels = probe_labels(12)
        predictions = committee_of(labels, 5, TRUE, seed=3)
        q = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
        turned = Predictions.from_arrays(
            {**predictions.arrays, "force_covariance": q @ predictions.force_covariance @ q.T},
            predictions.attributes,
        )
        one = calibrate(predictions, labels, QUIET, SETTINGS, None, "g001").exploration()
        other = calibrate(turned, labels, QUIET, SETTINGS, None, "g001").exploration()
        assert other.sigma_lo == pytest.approx(one.sigma_lo, rel=1e-9)


def test_sigma_against_error_is_of_atoms_and_thinned() -> None:
    labels = probe_labels(40)
    predictions = committee_of(labels, 5, TRUE, seed=4)
    found = sigma_error(predictions, labels, null_calibration("g", "c"), QUIET, 1000)
    assert len(found) == 120
    error = 1000 * np.linalg.norm(predictions.forces - labels.forces, axis=1)
    np.testing.assert_allclose([p["error_meV_per_A"] for p in found], error)
    assert {p["element"] for p in found} <= {"H", "O"}
    assert len(sigma_error(predictions, labels, null_calibration("g", "c"), QUIET, 50)) == 40
    assert sigma_error(predictions, labels.take([]), null_calibration("g", "c"), QUIET, 50) == []
