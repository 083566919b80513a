"""What is left in a pool, and what is wrong with one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_acquire import (
    ATOMS,
    Made,
    blind,
    described,
    equally_uncertain,
    every_strategy,
    pool,
    unit,
)

from aldata.acquire import AcquireSettings, acquire
from aldata.artifacts.frames import Descriptors
from aldata.errors import InvalidInput, InvalidParameters


class TestRemaining:
    """What the pool would tell once the picks are labelled."""

    SETTINGS = AcquireSettings(strategy="information_gain", batch=6, probe=0.0)

    def test_is_the_gain_of_the_next_picks(self) -> None:
        longer = acquire(pool(), self.SETTINGS.model_copy(update={"batch": 12}), 0)
        found = acquire(pool(), self.SETTINGS, 0).attributes["remaining"]
        assert found["frames"] == 6
        assert found["information"] == pytest.approx(longer.score[6:].sum(), rel=1e-9)

    @every_strategy
    def test_is_known_for_every_strategy_with_a_model(self, strategy: str) -> None:
        settings = AcquireSettings(strategy=strategy, batch=6, probe=0.2)
        found = acquire(pool(), settings, 0).attributes["remaining"]
        assert found["frames"] == 6
        assert found["information"] > 0
        assert acquire(blind(pool()), settings, 0).attributes["remaining"] is None

    def test_shrinks_as_the_pool_is_labelled_to_nothing(self) -> None:
        told = [
            acquire(pool(), self.SETTINGS.model_copy(update={"batch": b}), 0).attributes[
                "remaining"
            ]
            for b in (4, 12, 20, 38, 40)
        ]
        assert [t["frames"] for t in told] == [4, 12, 20, 2, 0]
        per_call = [t["information"] / t["frames"] for t in told[:3]]
        assert per_call == sorted(per_call, reverse=True)
        assert told[-1] == {"frames": 0, "information": 0.0}

    def test_a_probe_frame_tells_the_model_nothing(self) -> None:
        settings = AcquireSettings(strategy="random", batch=10, probe=0.9)
        probed = acquire(pool(), settings, 0).attributes["remaining"]
        learned = acquire(pool(), settings.model_copy(update={"probe": 0.0}), 0)
        assert probed["information"] > learned.attributes["remaining"]["information"]


class TestBadInput:
    """One clear error or one clear warning each; nothing is picked twice, nothing is half done."""

    @every_strategy
    def test_fewer_candidates_than_the_batch(self, strategy: str) -> None:
        found = acquire(pool(frames=5), AcquireSettings(strategy=strategy, batch=16), 0)
        assert len(found) == len(set(found.ids)) == 5
        assert "16 were asked for, but only 5 candidates" in found.attributes["warnings"][0]

    @every_strategy
    def test_candidates_that_are_all_one_configuration(self, strategy: str) -> None:
        one = pool().take(np.zeros(40, dtype=int))
        found = acquire(one, AcquireSettings(strategy=strategy, batch=16), 0)
        assert len(found) == 1
        assert found.attributes["pool"]["identical"] == 39
        assert found.attributes["warnings"]

    @every_strategy
    def test_candidates_with_all_the_same_environments(self, strategy: str) -> None:
        """Other configurations, but no descriptor, variance or row tells them apart."""
        alike = described(np.tile(unit(np.random.default_rng(0), ATOMS), (12, 1)), list(range(12)))
        told = Made(np.random.default_rng(0), 1).take(np.zeros(12, dtype=int))
        same_rows = pool(candidates=alike, predictions=equally_uncertain(alike), belief=told)
        found = acquire(same_rows, AcquireSettings(strategy=strategy, batch=6), 0)
        assert len(set(found.ids)) == 6
        assert np.isfinite(found.score).all()

    @every_strategy
    @pytest.mark.parametrize(
        "name", ["energy", "energy_variance", "forces", "force_covariance", "descriptor"]
    )
    def test_predictions_and_descriptors_that_are_not_numbers(
        self, strategy: str, name: str
    ) -> None:
        whole = pool()
        frames = whole.candidates if name == "descriptor" else whole.predictions
        arrays = {k: v.copy() for k, v in frames.arrays.items()}
        arrays[name][4 if name.startswith("energy") else 4 * ATOMS + 2] = np.nan
        broken = type(frames).from_arrays(arrays, frames.attributes)
        part = "candidates" if name == "descriptor" else "predictions"
        with pytest.raises(InvalidInput, match="1 of 40 candidates") as caught:
            acquire(pool(**{part: broken}), AcquireSettings(strategy=strategy), 0)
        assert whole.candidates.ids[4][:8] in str(caught.value)
        assert "check the parent's training" in str(caught.value)

    @every_strategy
    def test_an_element_that_the_training_set_never_had(self, strategy: str) -> None:
        whole = pool()
        numbers = whole.candidates.numbers.copy()
        numbers[8 * ATOMS] = 92
        strange = Descriptors.from_arrays(
            {**whole.candidates.arrays, "numbers": numbers}, whole.candidates.attributes
        )
        found = acquire(pool(candidates=strange), AcquireSettings(strategy=strategy, batch=16), 0)
        assert np.isfinite(found.score).all()
        if strategy == "farthest_point":
            picks = np.array(found.ids)[~found.probe]
            assert picks[0] == whole.candidates.ids[8]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"diversity": -0.5},
            {"diversity_decay": 0.0},
            {"diversity_decay": 1.5},
            {"batch": 1},
            {"probe": 1.0},
            {"probe": -0.1},
            {"screen": 0},
            {"block": 0},
            {"target": {"forces": 0.0}},
            {"avoid_failed": -1},
        ],
    )
    def test_settings_that_cannot_be(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(InvalidParameters, match=next(iter(wrong))):
            AcquireSettings.checked(wrong, "params.yaml: acquire")
