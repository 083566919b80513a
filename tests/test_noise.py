"""Measured noise: the estimators against noise of known size, and PySCF's integration grids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from made_labels import make_labels
from scipy.stats import chi2

from aldata import digest
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.documents import Noise, Theory
from aldata.artifacts.frames import Configuration, Configurations, Labels, as_configurations
from aldata.errors import InvalidInput
from aldata.label import from_theory, resolve, restarted, tighter
from aldata.noise import Measurement, Moves, NoiseFile, measure, moves, noise_of

SIGMA_E, SIGMA_F = 3e-3, 2e-2
NOISY = {"sigma_energy": SIGMA_E, "sigma_forces": SIGMA_F}
QUIET = {"sigma_energy": 0.0, "sigma_forces": 0.0, "bias": 0.0}


def noisy(**keywords: Any) -> Theory:
    """EMT with noise of known size; the tighter settings have none."""
    settings = {"calculator": "trial_calculators.Noisy", "keywords": keywords, "tighter": QUIET}
    return resolve("ase", settings)


def rattled(atoms: Atoms, count: int, amplitude: float = 0.05) -> list[Configuration]:
    rng = np.random.default_rng(len(atoms))
    frames = []
    for _ in range(count):
        moved = atoms.copy()
        moved.positions += rng.normal(0, amplitude, moved.positions.shape)
        frames.append(from_atoms(moved))
    return frames


def answered(theory: Theory, configurations: Configurations, folder: Path) -> Labels:
    """Labels as the oracle gives them, called here without a ledger."""
    oracle = from_theory(theory)
    answers = [oracle.label(configuration, folder) for configuration in configurations]
    energy = np.array([a.energy for a in answers])
    return with_results(configurations, energy, np.concatenate([a.forces for a in answers]))


def with_results(configurations: Configurations, energy: Any, forces: Any) -> Labels:
    made = make_labels(list(configurations))
    return Labels.from_arrays({**made.arrays, "energy": energy, "forces": forces}, made.attributes)


def measured(
    theory: Theory, frames: Sequence[Configuration], repeats: int, folder: Path
) -> dict[str, Any]:
    asked = as_configurations(list(frames))
    moved = moves(asked, repeats)
    return measure(
        answered(theory, asked, folder),
        answered(tighter(theory), asked, folder),
        answered(restarted(theory), moved.configurations, folder),
        moved,
    )


def inside(estimate: float, sigma: float, free: int) -> bool:
    """Whether nu s^2 / sigma^2 lies in the central 99.9 % of its chi^2 distribution."""
    low, high = chi2.interval(0.999, free)
    return bool(low < free * (estimate / sigma) ** 2 < high)


@pytest.mark.parametrize("atoms", [molecule("CH3OH"), bulk("Cu", cubic=True)], ids=["mol", "cell"])
def test_noise_of_known_size_is_recovered_from_both_sides(atoms: Atoms, tmp_path: Path) -> None:
    count, repeats = 60, 2
    found = measured(noisy(**NOISY), rattled(atoms, count), repeats, tmp_path)
    again, close = found["repeats"], found["tighter"]
    assert (again.degrees_of_freedom, close.degrees_of_freedom) == (count * repeats, count - 1)
    assert inside(again.sigma_energy, SIGMA_E, count * repeats)
    assert inside(close.sigma_energy, SIGMA_E, count - 1)
    components = 3 * len(atoms) * count
    assert inside(again.sigma_forces, SIGMA_F, components * repeats)
    assert inside(close.sigma_forces, SIGMA_F, components)
    assert found["sigma_energy"] == max(again.sigma_energy, close.sigma_energy)
    assert found["sigma_energy_per_atom"] == found["sigma_energy"] / len(atoms)
    assert not inside(again.sigma_energy, 2 * SIGMA_E, count * repeats), "the test cannot fail"


@pytest.mark.parametrize("atoms", [molecule("CH3OH"), bulk("Cu", cubic=True)], ids=["mol", "cell"])
def test_no_noise_gives_zero(atoms: Atoms, tmp_path: Path) -> None:
    found = measured(noisy(**QUIET), rattled(atoms, 5), 3, tmp_path)
    assert found["sigma_energy"] < 1e-12
    assert found["sigma_forces"] < 1e-12
    assert found["offset_energy_per_atom"] == 0.0


def test_a_bias_is_reported_apart_also_for_frames_of_different_size(tmp_path: Path) -> None:
    frames = rattled(bulk("Cu", cubic=True), 10) + rattled(bulk("Cu", cubic=True) * (3, 1, 1), 10)
    plain = measured(noisy(**NOISY), frames, 1, tmp_path)
    shifted = measured(noisy(**NOISY, bias=0.05), frames, 1, tmp_path)
    for name in ("sigma_energy", "sigma_forces"):
        assert shifted[name] == pytest.approx(plain[name], rel=1e-9)
    assert shifted["offset_energy_per_atom"] - plain["offset_energy_per_atom"] == pytest.approx(
        0.05
    )
    error = plain["offset_energy_per_atom_error"]
    assert abs(plain["offset_energy_per_atom"]) < 4 * error
    # an energy of 160 atoms in all is known to sigma per atom / sqrt(160)
    assert error == pytest.approx(plain["tighter"].sigma_energy / np.sqrt(8 * 160), rel=1e-9)


def test_the_standard_errors_are_those_of_repeated_measurements() -> None:
    rng = np.random.default_rng(0)
    frames = as_configurations(rattled(molecule("CH3OH"), 8))
    moved = moves(frames, 2)
    nothing = [np.zeros_like(frames.positions), np.zeros_like(moved.configurations.positions)]

    def once() -> Any:
        base, tight, repeats = (
            with_results(asked, rng.normal(0, e, len(asked)), zeros + rng.normal(0, f, zeros.shape))
            for asked, zeros, e, f in (
                (frames, nothing[0], SIGMA_E, SIGMA_F),
                (frames, nothing[0], 0.0, 0.0),
                (moved.configurations, nothing[1], SIGMA_E, SIGMA_F),
            )
        )
        return measure(base, tight, repeats, moved)

    found = [once() for _ in range(300)]
    for view in ("tighter", "repeats"):
        for name in ("sigma_energy", "sigma_forces"):
            values = np.array([getattr(f[view], name) for f in found])
            errors = np.array([getattr(f[view], f"{name}_error") for f in found])
            truth = {"sigma_energy": SIGMA_E, "sigma_forces": SIGMA_F}[name]
            assert values.mean() == pytest.approx(truth, rel=0.06)
            assert errors.mean() == pytest.approx(values.std(), rel=0.2)


def test_forces_are_turned_back_and_moves_are_always_the_same(tmp_path: Path) -> None:
    frames = as_configurations(rattled(molecule("CH3OH"), 4))
    moved = moves(frames, 2)
    assert moves(frames, 2).configurations.ids == moved.configurations.ids
    assert moves(frames, 3).configurations.ids[:2] == moved.configurations.ids[:2]
    assert len(set(moved.configurations.ids)) == 8
    theory = noisy(**QUIET)
    answers = [answered(theory, asked, tmp_path) for asked in (frames, moved.configurations)]
    unturned = Moves(moved.configurations, np.repeat(np.eye(3)[None], 8, axis=0), 2)
    assert measure(answers[0], None, answers[1], moved)["sigma_forces"] < 1e-12
    assert measure(answers[0], None, answers[1], unturned)["sigma_forces"] > 0.1
    for frame, turn in zip(moved.configurations, moved.turns, strict=True):
        assert np.linalg.det(turn) == pytest.approx(1.0)
        assert frame.id not in frames.ids


def test_a_cell_moves_along_its_periodic_vectors_only() -> None:
    slab = bulk("Cu", cubic=True)
    slab.pbc = [True, True, False]
    frame = from_atoms(slab)
    (moved,) = list(moves(as_configurations([frame]), 1).configurations)
    shift = moved.positions - frame.positions
    assert np.ptp(shift, axis=0) == pytest.approx(0.0, abs=1e-12)
    assert (np.abs(shift[0, :2]) > 1e-3).all()
    assert shift[0, 2] == 0.0
    assert np.array_equal(moved.cell, frame.cell)


def test_answers_that_are_missing_are_left_out_and_counted() -> None:
    frames = as_configurations(rattled(molecule("CH3OH"), 5))
    moved = moves(frames, 1)
    zeros = [np.zeros_like(c.positions) for c in (frames, moved.configurations)]
    base = with_results(frames, np.zeros(5), zeros[0])
    energy = np.array([np.nan, 0.1, 0.1, 0.1, 0.1])
    tight = with_results(frames, energy, zeros[0])
    repeats = with_results(moved.configurations, np.zeros(5), zeros[1])
    found = measure(base, tight, repeats, moved)
    assert found["tighter"].frames == 4
    assert found["repeats"].frames == 5
    energy[:3] = np.nan
    tight = with_results(frames, energy, zeros[0])
    with pytest.raises(InvalidInput, match="only 2 frames were answered at tighter settings"):
        measure(base, tight, repeats, moved)


def a_measurement(sigma: float, earlier: list[str]) -> Measurement:
    frames = as_configurations(rattled(molecule("CH3OH"), 4))
    moved = moves(frames, 1)
    rng = np.random.default_rng(0)
    base = with_results(frames, sigma * rng.normal(size=4), np.zeros_like(frames.positions))
    repeats = make_labels(list(moved.configurations))
    zeros = np.zeros_like(repeats.forces)
    repeats = with_results(moved.configurations, np.zeros(4), zeros)
    fields = measure(base, None, repeats, moved)
    fields.pop("views")
    theory = noisy()
    return Measurement(
        **fields,
        tighter_theory=theory,
        repeats_theory=theory,
        frames_chosen_by="hand",
        frames=[],
        earlier_generations=earlier,
    )


def test_a_measurement_holds_for_generations_that_come_after_it() -> None:
    theory = digest.of_json("a theory")
    stated = Noise(theory_id=theory, sigma_energy=1.0, sigma_forces=2.0, source="stated")
    first, second = a_measurement(0.1, ["g000"]), a_measurement(0.2, ["g000", "g001"])
    file = NoiseFile(theory_id=theory, measurements=[first, second])
    assert noise_of("g000", stated, None) == stated
    assert noise_of("g000", stated, file) == stated
    assert noise_of("g001", stated, file).sigma_energy == first.sigma_energy
    assert noise_of("g002", stated, file).sigma_energy == second.sigma_energy
    assert f"noise/{theory[:12]}.json" in noise_of("g002", stated, file).source
    assert second.digest[:12] in noise_of("g002", stated, file).source


def test_pyscf_is_less_noisy_on_finer_grids(tmp_path: Path) -> None:
    """Grid noise of water, PBE/def2-SVP: forces, energies and net forces fall from level 0 to 2."""
    frames = rattled(molecule("H2O"), 3)
    asked = as_configurations(frames)
    moved = moves(asked, 1)
    found, net = [], []
    for level in (0, 1, 2):
        theory = resolve("pyscf", {"grid_level": level})
        base = answered(theory, asked, tmp_path)
        repeats = answered(restarted(theory), moved.configurations, tmp_path)
        found.append(measure(base, None, repeats, moved))
        sums = np.add.reduceat(base.forces, base.offsets[:-1])
        net.append(np.abs(sums).max())
    forces = [f["sigma_forces"] for f in found]
    assert forces[0] > 2 * forces[1] > 2 * forces[2] > 0
    assert net[0] > 5 * net[2]
    assert 1e-4 < forces[2] < 4e-3
    assert found[0]["sigma_energy"] > found[2]["sigma_energy"]


def test_pyscf_starts_elsewhere_and_ends_in_the_same_place(tmp_path: Path) -> None:
    """The difference of two SCF starts is of the order of the SCF tolerance, and not zero."""
    frame = rattled(molecule("H2O"), 1)[0]
    theory = resolve("pyscf", {"conv_tol": 1e-6})
    one = from_theory(theory).label(frame, tmp_path)
    other = from_theory(restarted(theory)).label(frame, tmp_path)
    assert 0 < abs(one.energy - other.energy) < 27.2 * 1e-5
    assert 0 < np.abs(one.forces - other.forces).max() < 0.1
