"""Every sampler, and what watches the dynamics."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write
from made_potentials import ethanol, informed, untrained

from aldata import digest
from aldata.artifacts.checkpoints import Checkpoint, null_checkpoint
from aldata.artifacts.contacts import closest_contact
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.documents import Thresholds
from aldata.artifacts.frames import Candidates, as_configurations
from aldata.artifacts.schema import SAMPLERS as KINDS
from aldata.digest import NO_HASH, to_hex
from aldata.errors import InvalidInput, InvalidParameters
from aldata.evaluate import explored
from aldata.explore import (
    SAMPLERS,
    BiasedDynamics,
    Checks,
    Context,
    Displacements,
    EndPoint,
    ExploreSettings,
    Imported,
    MolecularDynamics,
    PathIntegral,
    ReactionPath,
    Watch,
    committee_mean,
    explore,
    propose,
)
from aldata.explore.samplers import WITHOUT_MODEL
from aldata.explore.samplers.molecular_dynamics import watch_of
from aldata.potentials import Committee
from aldata.potentials.uncertainty import UncertaintySettings, predict

DYNAMICS = MolecularDynamics(
    temperatures=[50.0],
    replicas=2,
    steps=40,
    equilibration=10,
    interval=5,
    timestep=0.2,
    decorrelate=False,
)


def serial(function: Callable[[Any], Any], jobs: Any) -> list[Any]:
    return [function(job) for job in jobs]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return informed(untrained(members=4), [ethanol(k) for k in range(4)])


@pytest.fixture
def context(checkpoint: Checkpoint, tmp_path: Path) -> Context:
    (tmp_path / "pools").mkdir()
    write(tmp_path / "pools" / "mine.xyz", [ethanol(k) for k in range(10, 16)])
    return Context(
        starts=as_configurations([from_atoms(ethanol(k)) for k in range(3)]),
        checkpoint=checkpoint,
        run=serial,
        calculator=committee_mean,
        project=tmp_path,
    )


def pinned(context: Context, name: str = "mine") -> Imported:
    path = Path("pools") / f"{name}.xyz"
    return Imported(file=str(path), sha256=digest.of_file(context.project / path)[:12])


def settings_of(name: str, context: Context) -> Any:
    """Settings of each sampler; a new one needs an entry here."""
    return {
        "molecular_dynamics": DYNAMICS,
        "biased_dynamics": BiasedDynamics(
            **{k: v for k, v in DYNAMICS.content().items() if k != "name"}
        ),
        "displacements": Displacements(frames=7),
        "imported": pinned(context),
        "reaction_path": path_of(context),
        "path_integral": PathIntegral(
            beads=4, kept_beads=2, steps=12, equilibration=2, interval=3, timestep=0.1
        ),
    }[name]


def path_of(context: Context, **changes: Any) -> ReactionPath:
    """Between two frames of the pool: ethanol, displaced at random."""
    given = pinned(context)
    ends = [EndPoint(file=given.file, sha256=given.sha256, index=index) for index in (0, -1)]
    short = {"images": 5, "steps": 3, "neighbours": 2, "displacement": 0.02}
    return ReactionPath(start=ends[0], end=ends[1], **{**short, **changes})


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_repeats_itself_and_says_how_it_went(name: str, context: Context) -> None:
    settings = settings_of(name, context)
    findings = SAMPLERS[name](settings, context, 3)
    again = SAMPLERS[name](settings, context, 3)
    for found, other in zip(findings, again, strict=True):
        assert [f.id for f in found.frames] == [f.id for f in other.frames]
        assert found.record == other.record
        assert found.record["sampler"] == name
        assert found.record["ended"]
        n = len(found.frames)
        columns = (found.steps, found.temperatures, found.kinds, found.parents)
        assert [len(column) for column in columns] == [n] * 4
        assert set(found.kinds) <= set(KINDS)
        known = {NO_HASH, *context.starts.ids, *(frame.id for frame in found.frames)}
        assert set(found.parents) <= known
        for frame in found.frames:
            assert np.isfinite(frame.positions).all()
            assert closest_contact(frame) >= context.checks.min_distance_factor
    frames = {frame.id for found in findings for frame in found.frames}
    assert len(frames) > 5
    if name != "imported":
        other = SAMPLERS[name](settings, context, 4)
        assert frames != {frame.id for found in other for frame in found.frames}


def test_samplers_are_joined_and_share_the_candidates(context: Context) -> None:
    plan = ExploreSettings(
        samplers=[Displacements(frames=40, share=3.0), pinned(context)],
        candidates=8,
    )
    found = explore(plan, 1, context)
    kinds = [KINDS[kind] for kind in found.sampler]
    assert kinds == ["displacement"] * 6 + ["imported"] * 2
    records = found.attributes["trajectories"]
    assert [record["sampler"] for record in records] == ["displacements", "imported"]
    assert records[1]["file"] == "pools/mine.xyz"
    assert found.step[:6].tolist() == [0, 8, 16, 23, 31, 39]
    assert found.step[6:].tolist() == [0, 5]
    whole = explore(plan.model_copy(update={"candidates": None}), 1, context)
    assert len(whole) == 46
    assert set(found.ids) <= set(whole.ids)
    assert to_hex(whole.parent_configuration)[-1] == NO_HASH


def test_without_a_model_only_those_look_that_need_none(context: Context) -> None:
    first = Candidates.empty({"checkpoint": NO_HASH, "random_seed": 9, "trajectories": []})
    null = null_checkpoint(np.array([1, 6, 8]), np.zeros(3))
    blind = replace(context, checkpoint=null)
    plan = ExploreSettings(samplers=[settings_of(name, context) for name in SAMPLERS])
    found = propose(first, plan, 1, blind)
    assert {r["sampler"] for r in found.attributes["trajectories"]} == set(WITHOUT_MODEL)
    assert propose(first, ExploreSettings(samplers=[DYNAMICS]), 1, blind).ids == []


def test_periodic_starts_are_strained(context: Context) -> None:
    cells = as_configurations([from_atoms(bulk("Cu", cubic=True))])
    crystal = replace(context, starts=cells)
    (found,) = SAMPLERS["displacements"](Displacements(frames=3), crystal, 0)
    assert set(found.kinds) == {"strain"}
    assert not any(np.array_equal(frame.cell, cells.cell[0]) for frame in found.frames)
    (still,) = SAMPLERS["displacements"](Displacements(frames=3, strain=0.0), crystal, 0)
    assert set(still.kinds) == {"displacement"}


def test_displacements_that_crush_are_one_error(context: Context) -> None:
    strict = replace(context, checks=Checks(min_distance_factor=1.0))
    with pytest.raises(InvalidParameters, match="leave atoms too close"):
        SAMPLERS["displacements"](Displacements(displacement=[0.001]), strict, 0)


def test_a_file_that_is_not_there_or_has_crushed_frames(context: Context) -> None:
    other = Imported(file="pools/other.xyz", sha256="0" * 12)
    with pytest.raises(InvalidInput, match="no such file"):
        SAMPLERS["imported"](other, context, 0)
    crushed = ethanol(1)
    crushed.positions[1] = crushed.positions[0] + [0.75, 0.0, 0.0]
    write(context.project / "pools" / "some.xyz", [ethanol(0), crushed])
    (found,) = SAMPLERS["imported"](pinned(context, "some"), context, 0)
    assert found.record["left_out"] == 1
    assert found.steps == [0]


def test_another_file_of_the_same_name_is_not_taken(context: Context) -> None:
    meant = pinned(context)
    write(context.project / "pools" / "mine.xyz", [ethanol(3)])
    now = digest.of_file(context.project / "pools" / "mine.xyz")[:12]
    with pytest.raises(InvalidInput, match=f"take this one: sha256: {now}"):
        SAMPLERS["imported"](meant, context, 0)


# dynamics


def test_a_ramp_goes_from_one_temperature_to_the_other(context: Context) -> None:
    ramp = DYNAMICS.model_copy(update={"temperatures": [(20.0, 80.0)], "replicas": 1})
    (found,) = SAMPLERS["molecular_dynamics"](ramp, context, 0)
    assert found.record["temperature"] == [20.0, 80.0]
    assert found.temperatures == pytest.approx([20 + 60 * (step - 10) / 30 for step in found.steps])


def sigmas(context: Context, frames: Any, alpha: float = 1.0) -> np.ndarray:
    """Sigma of frames by another way: the predictions of the committee."""
    found = predict(context.checkpoint, as_configurations(frames), UncertaintySettings())
    traces = np.trace(found.force_covariance, axis1=1, axis2=2)
    ends = np.cumsum(found.row_size)[:-1]
    return alpha * np.sqrt([part.max() for part in np.split(traces, ends)])


def test_above_sigma_hi_it_ends_and_goes_back_to_the_last_frame_below(context: Context) -> None:
    free = MolecularDynamics(
        temperatures=[300.0], replicas=1, steps=60, equilibration=5, interval=20, watch_every=3
    )
    lenient = Checks(
        min_distance_factor=0.0, max_temperature_factor=1e6, max_force=1e6, fragment_factor=None
    )
    context = replace(context, checks=lenient)
    (unwatched,) = SAMPLERS["molecular_dynamics"](
        free.model_copy(update={"watch_every": 1, "sigma_hi": 1e9}), context, 0
    )
    high = 0.5 * (unwatched.record["largest_sigma"] + sigmas(context, context.starts).max())
    watched = free.model_copy(update={"sigma_hi": float(high)})
    (found,) = SAMPLERS["molecular_dynamics"](watched, context, 0)
    assert f"above sigma_hi {high:.3g}" in found.record["ended"]
    assert found.record["steps"] < 60
    assert found.record["largest_sigma"] > high
    assert found.steps[-1] % 3 == 0
    assert (sigmas(context, found.frames) <= high * (1 + 1e-6)).all()


def test_thresholds_come_from_the_calibration_unless_they_are_stated(context: Context) -> None:
    assert watch_of(DYNAMICS, context) is None  # the parent has none yet
    stated = Thresholds(sigma_lo=0.1, sigma_hi=0.3, level=0.9, frames=9)
    calibrated = replace(context, thresholds=stated)
    watch = watch_of(DYNAMICS, calibrated)
    assert watch is not None
    assert (watch.sigma_lo, watch.sigma_hi) == (None, 0.3)
    own = DYNAMICS.model_copy(update={"sigma_lo": "calibration", "sigma_hi": 0.7})
    watch = watch_of(own, calibrated)
    assert watch is not None
    assert (watch.sigma_lo, watch.sigma_hi) == (0.1, 0.7)
    assert watch_of(DYNAMICS.model_copy(update={"watch_every": 0}), calibrated) is None
    assert watch_of(DYNAMICS.model_copy(update={"sigma_hi": None}), calibrated) is None


def test_below_sigma_lo_nothing_is_a_candidate(context: Context) -> None:
    known = DYNAMICS.model_copy(update={"sigma_lo": 1e6, "sigma_hi": 1e7})
    with pytest.raises(InvalidInput, match="set sigma_lo to null"):
        explore(ExploreSettings(samplers=[known]), 0, context)
    both = explore(ExploreSettings(samplers=[known, pinned(context)]), 0, context)
    assert {KINDS[kind] for kind in both.sampler} == {
        "imported"
    }  # one that finds nothing stops none
    assert [record["ended"] for record in both.attributes["trajectories"]] == ["completed"] * 3
    unknown = DYNAMICS.model_copy(update={"sigma_lo": 1e-9, "sigma_hi": 1e7, "watch_every": 5})
    findings = SAMPLERS["molecular_dynamics"](unknown, context, 0)
    assert all(found.record["looks"] == found.record["looks_in_window"] > 0 for found in findings)
    assert [len(found.frames) for found in findings] == [6, 6]
    for found in findings:  # every candidate was looked at, and knows what was seen
        seen = context.alpha * sigmas(context, found.frames)
        np.testing.assert_allclose(found.sigmas, seen, rtol=1e-4)


def test_a_sigma_that_is_not_a_number_is_lost(checkpoint: Checkpoint) -> None:
    watch = Watch(
        checkpoint=checkpoint,
        uncertainty=UncertaintySettings(),
        alpha=1.0,
        every=1,
        sigma_lo=0.1,
        sigma_hi=0.2,
    )
    assert watch.is_lost(float("nan"))
    assert watch.is_lost(0.3)
    assert not watch.is_lost(0.2)
    assert watch.is_known(0.05)
    assert not watch.is_known(float("nan"))


@pytest.mark.parametrize("method", ["committee", "last_layer"])
def test_the_watch_sees_what_describe_predicts(method: str, context: Context) -> None:
    """The committee's calculator gives it for nothing; other methods are asked."""
    model = informed(context.checkpoint, [ethanol(k) for k in range(4)])
    settings = UncertaintySettings(method=method)
    watch = Watch(
        checkpoint=model, uncertainty=settings, alpha=2.0, every=1, sigma_lo=None, sigma_hi=1.0
    )
    atoms = ethanol(5)
    atoms.calc = Committee.from_checkpoint(model).calculator()
    atoms.get_forces()
    found = predict(model, as_configurations([from_atoms(atoms)]), settings)
    wanted = 2.0 * np.sqrt(np.trace(found.force_covariance, axis1=1, axis2=2).max())
    assert watch.sigma(atoms) == pytest.approx(wanted, rel=1e-4)
    assert watch.sigma(atoms) == pytest.approx(wanted, rel=1e-4)  # by the model of the first look
    again = pickle.loads(pickle.dumps(watch))
    assert again.sigma(atoms) == pytest.approx(wanted, rel=1e-4)
    assert len(pickle.dumps(watch)) == len(pickle.dumps(replace(watch)))


def test_how_it_went_is_told_in_numbers() -> None:
    records = [
        {"asked_steps": 100, "steps": 100, "ended": "completed", "looks": 10, "looks_in_window": 4},
        {"asked_steps": 100, "steps": 20, "ended": "sigma 1 eV/A, above sigma_hi 0.5, at step 21",
         "looks": 2, "looks_in_window": 2},
        {"sampler": "imported", "ended": "completed"},
    ]  # fmt: skip
    assert explored(records) == {
        "trajectories": 2,
        "stable_share": 0.6,
        "window_share": 0.5,
        "lost": 1,
        "bands": 0,
        "bands_converged": 0,
        "barrier_meV": None,
    }
    assert explored(records[2:])["stable_share"] is None
    band = {
        "sampler": "reaction_path",
        "converged": False,
        "barrier": 0.4,
        "ended": "not converged",
    }
    found = explored([*records, band, {**band, "converged": True, "barrier": 0.3}])
    assert found["trajectories"] == 2
    assert (found["bands"], found["bands_converged"], found["barrier_meV"]) == (2, 1, 400.0)
