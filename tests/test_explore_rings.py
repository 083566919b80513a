"""explore.samplers path_integral: i-PI on an ASE calculator, watched like dynamics."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ipi.utils.softexit import softexit
from made_potentials import ethanol, in_process, untrained

from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.documents import Thresholds
from aldata.artifacts.frames import as_configurations
from aldata.artifacts.schema import SAMPLERS as KINDS
from aldata.errors import InvalidParameters
from aldata.explore import (
    SAMPLERS,
    Checks,
    Context,
    ExploreSettings,
    PathIntegral,
    committee_mean,
    explore,
)
from aldata.explore import ipi as door
from aldata.explore.rings import Polymer, Round, follow, followed

WAVENUMBER = 2000.0
QUANTUM = WAVENUMBER * units.invcm
"""Energy of a quantum of the oscillators (eV)."""
ATOMS = 150
LENIENT = Checks(
    min_distance_factor=0.0, max_temperature_factor=1e6, max_force=1e6, fragment_factor=None
)


class Wells(Calculator):  # type: ignore[misc]
    """Every atom in a harmonic well of its own, far from the others: 3N oscillators."""

    implemented_properties = ("energy", "forces")

    def __init__(self, sites: np.ndarray) -> None:
        super().__init__()
        self.sites = sites

    def calculate(
        self, atoms: Any = None, properties: Any = (), changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, changes)
        # omega of a quantum E: E/hbar; in ASE's units hbar is not 1
        hbar = units._hbar * units.J * units.s
        stiffness = self.atoms.get_masses()[:, None] * (QUANTUM / hbar) ** 2
        apart = self.atoms.positions - self.sites
        self.results = {
            "energy": float((0.5 * stiffness * apart**2).sum()),
            "forces": -stiffness * apart,
        }


class Failing(EMT):  # type: ignore[misc]
    """Fails in the stated way at the fortieth structure."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.seen = how, 0

    def calculate(self, *arguments: Any) -> None:
        super().calculate(*arguments)
        self.seen += 1
        if self.seen < 40:
            return
        if self.how == "nan":
            self.results["forces"][0, 0] = np.nan
        elif self.how == "raises":
            raise RuntimeError("no neighbours")
        else:
            os.kill(os.getpid(), signal.SIGKILL)


def emt(_: Any) -> Calculator:
    return EMT()


def wells() -> Atoms:
    sites = np.arange(ATOMS)[:, None] * np.array([[4.0, 0.0, 0.0]])
    return Atoms("H" * ATOMS, positions=sites)


def oscillators(beads: int, steps: int) -> Round:
    atoms = wells()
    settings = PathIntegral(
        temperatures=[300.0],
        beads=beads,
        kept_beads=1,
        steps=steps,
        equilibration=steps // 3,
        timestep=0.5,
        friction=0.1,
    )
    polymer = Polymer(
        start=from_atoms(atoms),
        temperature=300.0,
        random_seed=3,
        settings=settings,
        calculator=partial(Wells, atoms.positions),
        checks=LENIENT,
    )
    return follow(polymer)


def energy_of(beads: int) -> float:
    """Energy of a harmonic oscillator of so many beads (eV): -d ln Z / d beta of the discretised ring.

    Z = 1 / (2 sinh(P x)) with 2 sinh x = beta E / P, E the quantum.
    """
    beta = 1 / (units.kB * 300.0)
    step = beta * QUANTUM / beads
    half = np.arcsinh(step / 2)
    return float(QUANTUM / 2 / np.tanh(beads * half) / np.sqrt(1 + step**2 / 4))


@pytest.mark.parametrize(("beads", "steps"), [(1, 900), (32, 180)])
def test_harmonic_oscillators_have_the_energy_of_quantum_mechanics(beads: int, steps: int) -> None:
    found = oscillators(beads, steps)
    assert found.ended == "completed"
    per_mode = 3 * ATOMS
    potential = np.mean(found.potential) / per_mode
    kinetic = np.mean(found.kinetic) / per_mode
    assert potential + kinetic == pytest.approx(energy_of(beads), rel=0.04)
    assert potential == pytest.approx(energy_of(beads) / 2, rel=0.06)  # the virial theorem
    exact = QUANTUM / 2 / np.tanh(QUANTUM / (2 * units.kB * 300.0))
    if beads == 32:
        assert energy_of(beads) == pytest.approx(exact, rel=0.015)
        assert exact > 4 * units.kB * 300.0
    if beads == 1:
        assert energy_of(beads) == pytest.approx(units.kB * 300.0, rel=1e-12)


# candidates


@pytest.fixture(autouse=True)
def calm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """i-PI writes files where it is, and takes over signals."""
    monkeypatch.chdir(tmp_path)
    yield
    softexit.reset()


def here(function: Any, jobs: Any) -> list[Any]:
    """In this process: starting another and its imports take longer than what these tests compute."""
    assert function is follow
    return [followed(job) for job in jobs]


@pytest.fixture
def context() -> Context:
    cell = bulk("Cu", cubic=True)
    cell.positions[0] += [0.05, 0.02, 0.0]
    return Context(
        starts=as_configurations([from_atoms(cell)]),
        checkpoint=untrained(numbers=(1, 6, 8, 29)),
        run=here,
        calculator=emt,
    )


SHORT = PathIntegral(
    beads=6, kept_beads=2, steps=24, equilibration=6, interval=4, temperatures=[200.0], timestep=1.0
)


def found(settings: PathIntegral, context: Context, seed: int = 0) -> Any:
    (finding,) = SAMPLERS["path_integral"](settings, context, seed)
    return finding


def test_candidates_know_their_bead_and_step(context: Context) -> None:
    finding = found(SHORT, context)
    # 6 beads, two opposite ones every four steps, others every time
    assert list(zip(finding.steps, finding.beads, strict=True)) == [
        (8, 2), (8, 5), (12, 3), (12, 0), (16, 4), (16, 1), (20, 5), (20, 2), (24, 0), (24, 3),
    ]  # fmt: skip
    assert finding.record["ended"] == "completed"
    assert finding.record["steps"] == finding.record["asked_steps"] == 24
    cell = context.starts[0].cell
    for frame in finding.frames:
        np.testing.assert_array_equal(frame.cell, cell)
        assert 0 < np.abs(frame.positions - context.starts[0].positions).max() < 1.0
    apart = finding.frames[0].positions - finding.frames[1].positions
    assert 1e-3 < np.abs(apart).max() < 0.5  # beads of one step differ


def test_they_arrive_among_all_candidates_and_repeat_themselves(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = replace(context, run=in_process)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    plan = ExploreSettings(samplers=[SHORT])
    one = explore(plan, 5, context)
    assert list(tmp_path.iterdir()) == []  # neither there nor in the folder for passing things
    context = replace(context, run=here)
    assert explore(plan, 5, context).digest == one.digest
    assert explore(plan, 6, context).digest != one.digest
    assert one.bead.tolist() == found(SHORT, context, 5).beads
    assert {KINDS[kind] for kind in one.sampler} == {"path_integral"}
    assert set(one.temperature) == {200.0}
    assert set(one.image) == {-1}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        # one structure at first, where all beads are, then six in a step
        ("nan", "bead 2: positions or forces are not finite, at step 7"),
        ("raises", "the calculator failed (RuntimeError: no neighbours)"),
        ("is killed", "the process of i-PI died (exit code -9)"),
    ],
)
def test_what_goes_wrong_ends_the_trajectory(how: str, said: str, context: Context) -> None:
    run = in_process if how == "is killed" else here
    failing = replace(context, calculator=partial(_failing, how), run=run)
    settings = SHORT.model_copy(update={"equilibration": 0, "interval": 2})
    assert found(settings, failing).record["ended"] == said


def _failing(how: str, _: Any) -> Calculator:
    return Failing(how)


def test_checks_hold_for_every_bead(context: Context) -> None:
    strict = replace(context, checks=Checks(max_force=0.3))
    finding = found(SHORT, strict)
    assert "a force of" in finding.record["ended"]
    assert finding.record["ended"].startswith("bead ")
    cold = replace(context, checks=Checks(max_temperature_factor=1.0001))
    settings = SHORT.model_copy(update={"beads": 1, "kept_beads": 1, "steps": 60})
    hot = found(settings, replace(cold, starts=displaced_copper()))
    assert "a temperature of" in hot.record["ended"]


def displaced_copper() -> Any:
    cell = bulk("Cu", cubic=True)
    cell.positions += np.random.default_rng(1).normal(0, 0.35, (4, 3))
    return as_configurations([from_atoms(cell)])


# the watch


@pytest.fixture
def molecule() -> Context:
    return Context(
        starts=as_configurations([from_atoms(ethanol(1))]),
        checkpoint=untrained(members=4),
        run=here,
        calculator=committee_mean,
        checks=LENIENT,
        alpha=2.0,
    )


WATCHED = PathIntegral(
    beads=4, kept_beads=1, steps=30, equilibration=2, interval=10, watch_every=2, timestep=0.5
)


def test_above_sigma_hi_it_ends_and_the_worst_bead_before_is_kept(molecule: Context) -> None:
    free = found(WATCHED.model_copy(update={"sigma_hi": 1e9}), molecule)
    assert free.record["looks"] == 14
    assert len(free.frames) == 3
    lowest, largest = min(free.sigmas), free.record["largest_sigma"]
    assert largest >= max(free.sigmas)
    high = 0.5 * (lowest + largest)
    finding = found(WATCHED.model_copy(update={"sigma_hi": high}), molecule)
    assert f"above sigma_hi {high:.3g}" in finding.record["ended"]
    assert "of bead " in finding.record["ended"]
    assert finding.record["largest_sigma"] > high
    assert finding.record["steps"] < 30
    assert all(sigma <= high for sigma in finding.sigmas)


def test_thresholds_are_those_of_the_calibration(molecule: Context) -> None:
    stated = Thresholds(sigma_lo=1e-9, sigma_hi=1e-8, level=0.9, frames=9)
    finding = found(WATCHED, replace(molecule, thresholds=stated))
    assert "above sigma_hi 1e-08, at step 4" in finding.record["ended"]
    assert finding.frames == []
    known = WATCHED.model_copy(update={"sigma_lo": 1e6, "sigma_hi": 1e7})
    finding = found(known, molecule)
    assert finding.frames == []
    assert finding.record["looks_in_window"] == 0
    assert finding.record["ended"] == "completed"


# bad input


def test_without_i_pi_the_command_that_installs_it_is_told(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("worked")

    monkeypatch.setattr(door, "find_spec", lambda name: None)
    plan = ExploreSettings(samplers=[*ExploreSettings().samplers, SHORT])
    with pytest.raises(InvalidParameters, match="i-PI is not installed") as error:
        explore(plan, 0, replace(context, run=never))
    assert "pip install 'aldata[path_integrals]'" in str(error.value)
    assert "explore.samplers: path_integral" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"beads": 0}, "beads"),
        ({"steps": 0}, "steps"),
        ({"steps": 50}, "must be at least equilibration . interval .120."),
        ({"beads": 2, "kept_beads": 3}, "kept_beads .3. of 2 beads"),
        ({"sigma_lo": 0.3, "sigma_hi": 0.2}, "sigma_lo .0.3. must be below sigma_hi .0.2."),
        ({"nbeads": 8}, "unknown name .*kept_beads"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    plan = {"samplers": [{"name": "path_integral", **changes}]}
    with pytest.raises(InvalidParameters, match=said):
        ExploreSettings.checked(plan, "explore")
