"""explore: the ensembles are the right ones, and what is kept of a trajectory is not the same frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from made_potentials import SMALL, copper, ethanol, in_process, labelled, untrained
from scipy.stats import chi2, kstest

from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import as_configurations
from aldata.errors import InvalidInput, InvalidParameters
from aldata.explore import (
    Checks,
    Context,
    ExploreSettings,
    MolecularDynamics,
    Trajectory,
    Watch,
    committee_mean,
    explore,
    walk,
)
from aldata.explore.autocorrelation import autocorrelation_time, detrended
from aldata.explore.integrators import equilibrating, sampling, steer
from aldata.potentials import Committee
from aldata.potentials.uncertainty import UncertaintySettings, predict
from aldata.train import TrainingFrames, TrainSettings, train

COPPER = bulk("Cu", cubic=True)


class Wells(Calculator):  # type: ignore[misc]
    """Every atom in a harmonic well of its own (eV/A^2)."""

    implemented_properties = ("energy", "forces")
    stiffness = 2.0

    def __init__(self, rest: np.ndarray) -> None:
        super().__init__()
        self.rest = rest

    def calculate(
        self, atoms: Atoms, properties: Sequence[str] = (), changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, changes)
        away = atoms.positions - self.rest
        energy = 0.5 * self.stiffness * float((away**2).sum())
        self.results = {"energy": energy, "forces": -self.stiffness * away}


def sampled(
    atoms: Atoms, settings: MolecularDynamics, temperature: float, look: Callable[[Atoms], float]
) -> np.ndarray:
    """What `look` sees at every step of the ensemble after the equilibration."""
    motion: Any = equilibrating(atoms, settings, temperature, np.random.default_rng(3))
    for _ in range(settings.equilibration):
        motion.step()
    motion, found = sampling(atoms, settings, temperature, 0.0, motion.rng), []
    for _ in range(settings.steps - settings.equilibration):
        steer(motion, settings.ensemble, temperature, 0.0)
        motion.step()
        found.append(look(atoms))
    return np.array(found)


def test_nvt_has_the_kinetic_energies_of_its_temperature() -> None:
    """Twice the kinetic energy over kT is chi-squared with 3N degrees of freedom."""
    atoms = molecule("H2O")
    atoms.calc = Wells(atoms.positions.copy())
    settings = MolecularDynamics(steps=6000, equilibration=200, friction=0.1)
    kinetic = sampled(atoms, settings, 300, lambda a: float(a.get_kinetic_energy()))
    apart = kinetic[:: int(np.ceil(2 * autocorrelation_time(kinetic)))]
    assert len(apart) > 60
    scaled = 2 * apart / (units.kB * 300)
    assert kstest(scaled, chi2(3 * len(atoms)).cdf).pvalue > 0.01
    for wrong in (3 * len(atoms) + 3, 3 * len(atoms) - 3):  # overall motion counted twice, or not
        assert kstest(scaled, chi2(wrong).cdf).pvalue < 0.01


class Stronger(Calculator):  # type: ignore[misc]
    """The energy of another calculator, and its forces by half too large."""

    implemented_properties = ("energy", "forces")

    def __init__(self, other: Calculator) -> None:
        super().__init__()
        self.other = other

    def calculate(
        self, atoms: Atoms, properties: Sequence[str] = (), changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, changes)
        energy, forces = self.other.get_potential_energy(atoms), self.other.get_forces(atoms)
        self.results = {"energy": energy, "forces": 1.5 * forces}


def total(atoms: Atoms) -> float:
    return float(atoms.get_total_energy())


def test_nve_conserves_the_energy_of_a_committee_in_single_precision() -> None:
    atoms = ethanol(0, spread=0.01)
    atoms.calc = Committee.from_checkpoint(untrained(members=2)).calculator()
    settings = MolecularDynamics(ensemble="nve", steps=600, equilibration=100, timestep=0.25)
    energies = sampled(atoms, settings, 100, total)
    nanoseconds = np.arange(len(energies)) * settings.timestep * 1e-6
    drift = np.polyfit(nanoseconds, energies, 1)[0] / len(atoms)
    assert abs(drift) < 0.01  # eV per atom and ns; benchmarks/drift.py has that of a trained one
    assert energies.std() / len(atoms) < 1e-6
    atoms.calc = Stronger(atoms.calc)  # negative control: forces that are no gradient of the energy
    assert sampled(atoms, settings, 100, total).std() / len(atoms) > 1e-6


@pytest.mark.parametrize("pressure", [-5.0, 5.0])
def test_npt_finds_the_volume_that_ase_relaxes_to(pressure: float) -> None:
    """At 20 K the mean volume is that of the enthalpy's minimum, but for 0.1 % of thermal expansion."""
    relaxed = COPPER.copy()
    relaxed.calc = EMT()
    BFGS(FrechetCellFilter(relaxed, scalar_pressure=pressure * units.GPa), logfile=None).run(1e-4)
    settings = MolecularDynamics(
        ensemble="npt",
        pressures=[pressure],
        steps=400,
        equilibration=20,
        interval=1,
        timestep=4.0,
        barostat_time=150.0,
        decorrelate=False,
    )
    found = walk(
        Trajectory(
            start=from_atoms(COPPER),
            temperature=20,
            pressure=pressure,
            random_seed=0,
            settings=settings,
            calculator=EMT,
        )
    )
    assert found.ended == "completed"
    volumes = [np.linalg.det(frame.cell) for frame in found.frames[len(found.frames) // 3 :]]
    assert np.mean(volumes) == pytest.approx(relaxed.get_volume(), rel=2e-3)
    assert relaxed.get_volume() != pytest.approx(COPPER.get_volume(), rel=5e-3)
    cells = np.array([frame.cell for frame in found.frames])
    np.testing.assert_allclose(
        cells / cells[:, :1, :1] * COPPER.cell[0, 0], [COPPER.cell] * len(cells)
    )


@pytest.mark.slow
def test_npt_has_the_volumes_of_ase_s_other_barostat() -> None:
    """Mean and spread of the volume at 300 K as by Martyna, Tobias and Klein's deterministic one."""
    from ase.md.nose_hoover_chain import IsotropicMTKNPT

    settings = MolecularDynamics(ensemble="npt", steps=6000, equilibration=200, timestep=4.0)
    mine = COPPER.copy()
    mine.calc = EMT()
    volumes = sampled(mine, settings, 300, lambda a: float(a.get_volume()))
    other = COPPER.copy()
    other.calc = EMT()
    motion = equilibrating(other, settings, 300, np.random.default_rng(4))
    for _ in range(200):
        motion.step()
    theirs = IsotropicMTKNPT(
        other, 4 * units.fs, temperature_K=300, pressure_au=0.0, tdamp=200 * units.fs,
        pdamp=1000 * units.fs,
    )  # fmt: skip
    reference = []
    for _ in range(6000):
        theirs.step()
        reference.append(other.get_volume())
    kept = np.array(reference[500:])
    errors = [np.sqrt(autocorrelation_time(v) / len(v)) * v.std() for v in (volumes, kept)]
    assert volumes.mean() == pytest.approx(kept.mean(), abs=4 * np.hypot(*errors))
    assert volumes.std() == pytest.approx(kept.std(), rel=0.2)


def test_a_pressure_ramp_squeezes_and_its_record_says_so() -> None:
    settings = MolecularDynamics(
        ensemble="npt", temperatures=[50.0], pressures=[0.0, (0.0, 20.0)], replicas=1, steps=150,
        equilibration=10, interval=10, timestep=4.0, barostat_time=100.0,
    )  # fmt: skip
    found = explore(ExploreSettings(samplers=[settings]), 1, cells())
    records = found.attributes["trajectories"]
    assert [record["pressure"] for record in records] == [0.0, [0.0, 20.0]]
    assert [record["ensemble"] for record in records] == ["npt", "npt"]
    ends = [np.linalg.det(found.cell[found.trajectory == k][-1]) for k in (0, 1)]
    assert ends[1] < 0.95 * ends[0]


@pytest.mark.parametrize(
    ("changes", "checks", "reason"),
    [
        (
            {"ensemble": "npt", "pressures": [(0.0, 50.0)]},
            Checks(max_volume_factor=1.04),
            "a volume of",
        ),
        ({"ensemble": "nve"}, Checks(max_energy_drift=2e-4), "total energy drifted"),
    ],
)
def test_a_cell_that_shrinks_and_an_energy_that_drifts_end_it(
    changes: dict[str, Any], checks: Checks, reason: str
) -> None:
    settings = MolecularDynamics(
        temperatures=[300.0], replicas=1, steps=200, equilibration=5, interval=1, timestep=5.0,
        barostat_time=100.0, **changes,
    )  # fmt: skip
    found = explore(ExploreSettings(samplers=[settings]), 1, replace(cells(), checks=checks))
    assert reason in found.attributes["trajectories"][0]["ended"]


def cells() -> Context:
    """Starts with a cell, driven by EMT."""
    return Context(
        starts=as_configurations([from_atoms(COPPER)]),
        checkpoint=untrained(members=2),
        run=in_process,
        calculator=lambda _: EMT(),
    )


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_the_autocorrelation_time_of_a_known_process(memory: float) -> None:
    """x_t = a x_(t-1) + noise has tau = (1 + a) / (1 - a)."""
    noise, series = np.random.default_rng(1).normal(size=40_000), np.zeros(40_000)
    for k in range(1, len(series)):
        series[k] = memory * series[k - 1] + noise[k]
    assert autocorrelation_time(series) == pytest.approx((1 + memory) / (1 - memory), rel=0.1)
    ramp = series + np.linspace(0, 50, len(series))
    assert autocorrelation_time(ramp) > 100
    assert autocorrelation_time(detrended(ramp)) == pytest.approx(
        (1 + memory) / (1 - memory), rel=0.1
    )


def test_the_autocorrelation_time_of_a_vibration_is_no_shorter_than_its_swing() -> None:
    period, time = 40, np.arange(4000)
    assert period / 8 < autocorrelation_time(np.sin(2 * np.pi * time / period)) < period
    assert autocorrelation_time(np.ones(10)) == 1.0
    assert autocorrelation_time(np.zeros(0)) == 1.0


def test_frames_are_no_closer_than_they_are_alike() -> None:
    """The measured time is in the record, and between any two frames; `interval` is the least."""
    slow = MolecularDynamics(
        temperatures=[30.0], replicas=2, steps=400, equilibration=50, interval=2, friction=0.005
    )
    start = as_configurations([from_atoms(molecule("H2O"))])
    rest = start[0].positions
    context = Context(
        starts=start, checkpoint=untrained(), run=in_process, calculator=lambda _: Wells(rest)
    )
    found = explore(ExploreSettings(samplers=[slow]), 1, context)
    every = slow.model_copy(update={"decorrelate": False})
    dense = explore(ExploreSettings(samplers=[every]), 1, context)
    for k, record in enumerate(found.attributes["trajectories"]):
        assert record["autocorrelation_steps"] > 2
        assert record["spacing"] == np.ceil(record["autocorrelation_steps"])
        assert np.diff(found.step[found.trajectory == k]).min() >= record["spacing"]
        assert np.diff(dense.step[dense.trajectory == k]).tolist() == [2] * 174
    assert len(found) > 2
    assert set(found.ids) < set(dense.ids)
    sparse = slow.model_copy(update={"interval": 100})
    (first, _) = explore(ExploreSettings(samplers=[sparse]), 1, context).attributes["trajectories"]
    assert first["spacing"] == 100


def test_no_barostat_without_a_cell() -> None:
    """One error, before any sampler has done anything."""
    settings = {"samplers": [{"name": "molecular_dynamics", "ensemble": "npt"}]}
    plan = ExploreSettings.checked(settings, "explore")
    work: list[Any] = []

    def run(_: Any, jobs: Sequence[Any]) -> list[Any]:
        work.extend(jobs)
        return []

    context = Context(
        starts=as_configurations([from_atoms(COPPER), from_atoms(ethanol(0))]),
        checkpoint=untrained(),
        run=run,
        calculator=committee_mean,
    )
    both = plan.model_copy(update={"samplers": [MolecularDynamics(), *plan.samplers]})
    with pytest.raises(InvalidInput, match="npt: 1 of 2 starting points are not periodic"):
        explore(both, 1, context)
    assert work == []
    settings["samplers"][0] |= {"ensemble": "nvt", "pressures": [1.0]}  # type: ignore[dict-item]
    with pytest.raises(InvalidParameters, match="pressures need ensemble: npt, not nvt"):
        ExploreSettings.checked(settings, "explore")


def test_a_start_outside_what_the_model_knows_ends_before_it_explodes() -> None:
    """A committee of a cold crystal, a start squeezed to four fifths of its volume: the watch ends it at
    once, where nothing but sigma tells that it is wrong yet; without the watch it goes on from there.
    """
    frames = [copper(k, spread=0.05) for k in range(16)]
    roles = ["valid" if k % 4 == 3 else "train" for k in range(len(frames))]
    known = TrainingFrames(labelled(frames), roles, np.array([29]), np.array([-0.5]), "0" * 64)
    settings = TrainSettings(members=3, steps=150, architecture=SMALL)
    model = train(known, settings, [1, 2, 3], in_process).checkpoint
    own = predict(model, as_configurations([from_atoms(a) for a in frames]), UncertaintySettings())
    sigmas = np.sqrt(np.trace(own.force_covariance, axis1=1, axis2=2))
    watch = Watch(
        checkpoint=model,
        uncertainty=UncertaintySettings(),
        alpha=1.0,
        every=1,
        sigma_lo=None,
        sigma_hi=3 * float(np.quantile(sigmas, 0.95)),
    )
    squeezed = copper(3, spread=0.3)
    squeezed.set_cell(0.93 * squeezed.cell[:], scale_atoms=True)
    dynamics = MolecularDynamics(steps=60, equilibration=2, interval=2, timestep=2.0)
    job = Trajectory(
        start=from_atoms(squeezed),
        temperature=300,
        random_seed=0,
        settings=dynamics,
        calculator=lambda: committee_mean(model),
        watch=watch,
    )
    found, blind = walk(job), walk(replace(job, watch=None))
    assert "above sigma_hi" in found.ended
    assert found.done < 10
    assert blind.done > found.done
    at_home = walk(replace(job, start=from_atoms(copper(1, spread=0.02)), temperature=50))
    assert at_home.ended == "completed"
