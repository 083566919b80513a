"""biased_dynamics: the bias is a gradient, has the size that was asked for, and leads to the unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from made_potentials import copper, ethanol, in_process, informed, labelled, untrained

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Labels, as_configurations
from aldata.errors import InvalidInput, InvalidParameters
from aldata.explore import (
    SAMPLERS,
    BiasedDynamics,
    Checks,
    Context,
    ExploreSettings,
    MolecularDynamics,
    Trajectory,
    committee_mean,
    explore,
    walk,
)
from aldata.explore.samplers.biased_dynamics import biased_mean
from aldata.potentials import Committee
from aldata.potentials.biased import BiasedCalculator
from aldata.potentials.uncertainty import UncertaintySettings, predict

RIDGE = UncertaintySettings().ridge


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    """Three members that know a few frames of ethanol and copper."""
    frames = [*(ethanol(k) for k in range(3)), *(copper(k) for k in range(3))]
    return informed(untrained(), frames)


def biased(model: Checkpoint, strength: float, dtype: Any = "float64") -> BiasedCalculator:
    return BiasedCalculator(Committee.from_checkpoint(model, dtype), RIDGE, strength)


@pytest.mark.parametrize("made", [ethanol, copper])
def test_the_bias_is_the_gradient_of_the_biased_energy(
    made: Callable[[int], Atoms], model: Checkpoint
) -> None:
    """Forces against finite differences to 1e-6 eV/A, net force zero; without a bias they are others."""
    atoms = made(7)
    atoms.calc = biased(model, 0.7)
    forces, step = atoms.get_forces(), 1e-4
    numeric = np.zeros_like(forces)
    for i, k in np.ndindex(forces.shape):
        energies = []
        for side in (step, -step):
            moved = atoms.copy()
            moved.positions[i, k] += side
            moved.calc = atoms.calc
            energies.append(moved.get_potential_energy())
        numeric[i, k] = (energies[1] - energies[0]) / (2 * step)
    np.testing.assert_allclose(forces, numeric, atol=1e-6)
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-10)
    atoms.calc = Committee.from_checkpoint(model, "float64").calculator()
    assert np.abs(atoms.get_forces() - forces).max() > 1e-3


def test_the_stress_of_a_biased_cell_is_that_of_its_energy(model: Checkpoint) -> None:
    atoms = copper(3)
    atoms.calc = biased(model, 0.7)
    found, step = atoms.get_stress(), 1e-5
    energies = []
    for side in (step, -step):
        strained = atoms.copy()
        strained.set_cell(atoms.cell[:] @ (np.eye(3) + side * np.eye(3)), scale_atoms=True)
        strained.calc = atoms.calc
        energies.append(strained.get_potential_energy())
    slope = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
    assert found[:3].sum() == pytest.approx(slope, rel=1e-5)


def test_sigma_is_that_of_the_last_layer_and_nothing_else_changes(model: Checkpoint) -> None:
    atoms = ethanol(5)
    plain, alone = (Committee.from_checkpoint(model, "float64").calculator() for _ in range(2))
    atoms.calc = biased(model, 0.4)
    energy, sigma = atoms.get_potential_energy(), atoms.calc.results["energy_sigma"]
    deviation = atoms.calc.get_property("force_deviation", atoms)
    assert (
        atoms.calc.results["energy"] == energy
    )  # the pass without a bias leaves the biased one alone
    atoms.calc = plain
    np.testing.assert_allclose(deviation, plain.get_property("force_deviation", atoms), rtol=1e-12)
    assert energy == pytest.approx(atoms.get_potential_energy() - 0.4 * sigma, abs=1e-9)
    atoms.calc = alone
    atoms.calc = biased(model, 0.0)
    np.testing.assert_allclose(atoms.get_forces(), plain.get_forces(atoms), atol=1e-12)
    first = Checkpoint(
        **{**vars(model), "weights": model.weights[:1], "information": model.information[:1]}
    )
    method = UncertaintySettings(method="last_layer")
    wanted = (
        predict(first, as_configurations([from_atoms(atoms)]), method).energy_variance[0] ** 0.5
    )
    atoms.calc = biased(first, 1.0)
    atoms.get_potential_energy()
    assert atoms.calc.results["energy_sigma"] == pytest.approx(wanted, rel=1e-8)


def test_its_strength_is_a_share_of_the_mean_force(model: Checkpoint) -> None:
    calculator, frames = biased(model, 0.0), [ethanol(k) for k in range(4)]
    for atoms in frames:
        calculator.gauge(atoms)
    assert calculator.settle(0.25) == calculator.strength > 0
    plain = Committee.from_checkpoint(model, "float64").calculator()
    sizes = []
    for atoms in frames:
        forces = plain.get_forces(atoms)
        change = calculator.get_forces(atoms) - forces
        sizes.append([np.linalg.norm(f, axis=1).mean() for f in (change, forces)])
    change, size = np.mean(sizes, axis=0)
    assert change / size == pytest.approx(0.25, rel=1e-6)


def context_of(model: Checkpoint) -> Context:
    return Context(
        starts=as_configurations([from_atoms(ethanol(k, 0.02)) for k in range(3)]),
        checkpoint=model,
        run=in_process,
        calculator=committee_mean,
    )


SHORT = BiasedDynamics(
    temperatures=[50.0], replicas=2, steps=40, equilibration=10, timestep=0.2, interval=10,
    decorrelate=False,
)  # fmt: skip


def test_the_record_holds_the_strength(model: Checkpoint) -> None:
    context = context_of(model)
    found = explore(ExploreSettings(samplers=[SHORT]), 3, context)
    for record in found.attributes["trajectories"]:
        assert record["sampler"] == "biased_dynamics"
        assert record["bias_strength"] > 0
    assert found.digest == explore(ExploreSettings(samplers=[SHORT]), 3, context).digest
    changed = SHORT.model_copy(update={"bias": 0.1})
    other = SAMPLERS["biased_dynamics"](changed, context, 3)
    first = found.attributes["trajectories"][0]["bias_strength"]
    assert other[0].record["bias_strength"] == pytest.approx(first / 2)
    plain = SAMPLERS["molecular_dynamics"](
        MolecularDynamics(
            **{k: v for k, v in SHORT.content().items() if k not in ("name", "bias")}
        ),
        context,
        3,
    )
    assert "bias_strength" not in plain[0].record
    assert plain[0].frames[-1].id not in found.ids


def test_what_cannot_be_biased_is_refused() -> None:
    with pytest.raises(InvalidInput, match="biased_dynamics: the parent's last layer holds no"):
        explore(ExploreSettings(samplers=[SHORT]), 3, context_of(untrained()))
    for bias in (0.0, 1.5):
        settings = {"samplers": [{"name": "biased_dynamics", "bias": bias}]}
        with pytest.raises(InvalidParameters, match="bias"):
            ExploreSettings.checked(settings, "explore")


def by_tight_binding(frames: list[Atoms]) -> Labels:
    """Labels by GFN2-xTB."""
    from tblite.ase import TBLite

    found, energies, forces = labelled(frames), [], []
    for atoms in frames:
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    return Labels.from_arrays(
        {**found.arrays, "energy": np.array(energies), "forces": np.concatenate(forces)},
        found.attributes,
    )


@pytest.mark.slow
def test_it_is_sooner_where_the_model_knows_least() -> None:
    """Same starts, seeds and temperature: sigma of the biased trajectories is higher in the mean, and the
    sigma that plain ones reach is reached in fewer steps.
    """
    from aldata.train import TrainingFrames, TrainSettings, train

    frames = [ethanol(k, 0.05) for k in range(40)]
    roles = ["valid" if k % 4 == 3 else "train" for k in range(len(frames))]
    labels = by_tight_binding(frames)
    alone = np.full(3, labels.energy.mean() / len(frames[0]))
    known = TrainingFrames(labels, roles, np.array([1, 6, 8]), alone, "0" * 64)
    model = train(known, TrainSettings(members=2, steps=800), [1, 2], in_process).checkpoint
    settings: dict[str, Any] = {
        "steps": 400,
        "equilibration": 100,
        "interval": 5,
        "decorrelate": False,
    }
    sigmas: dict[str, list[np.ndarray]] = {"plain": [], "biased": []}
    for seed in range(6):
        for name, made in (("plain", MolecularDynamics), ("biased", BiasedDynamics)):
            job = Trajectory(
                start=from_atoms(frames[seed]),
                temperature=300.0,
                random_seed=seed,
                settings=made(**settings),
                calculator=lambda: biased_mean(model, RIDGE),
                checks=Checks(max_temperature_factor=10.0),
            )
            found = walk(job)
            method = UncertaintySettings(method="last_layer")
            variance = predict(model, as_configurations(found.frames), method).energy_variance
            sigmas[name].append(np.sqrt(variance))
    gain = []
    for biased_one, plain_one in zip(sigmas["biased"], sigmas["plain"], strict=True):
        both = min(len(biased_one), len(plain_one))  # one that the checks end was there before
        assert both > 5
        gain.append(np.log(biased_one[:both]).mean() - np.log(plain_one[:both]).mean())
    assert np.mean(gain) > 2 * np.std(gain, ddof=1) / np.sqrt(len(gain))
    level = np.quantile(np.concatenate(sigmas["plain"]), 0.9)

    def first(one: np.ndarray) -> int:
        return int(np.argmax(one > level)) if (one > level).any() else len(one)

    assert np.mean([first(one) for one in sigmas["biased"]]) < np.mean(
        [first(one) for one in sigmas["plain"]]
    )
