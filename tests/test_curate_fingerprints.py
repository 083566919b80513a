"""Near-copies are recognised however they are turned, and different frames never are."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from made_labels import molecule, moved

from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Configuration, as_configurations
from aldata.curate.duplicates import clusters, near_copies
from aldata.curate.fingerprints import fingerprint

TOLERANCE = 0.02


def distance(one: Configuration, two: Configuration, within: float = 9.0) -> float:
    return fingerprint(one).distance(fingerprint(two), within)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), motion=st.integers(0, 10**6))
def test_rotation_reflection_translation_and_permutation_do_not_matter(seed, motion):
    frame = molecule(seed)
    assert distance(frame, moved(frame, motion)) < 1e-5


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), nudge=st.floats(0, 0.005))
def test_a_small_nudge_is_a_copy_and_the_distance_is_symmetric(seed, nudge):
    frame, copy = molecule(seed), moved(molecule(seed), seed + 1, nudge)
    assert distance(frame, copy) <= 2 * nudge + 1e-5
    assert distance(frame, copy) == pytest.approx(distance(copy, frame), abs=1e-9)


def test_charge_spin_composition_and_periodicity_separate():
    frame = molecule(0)
    changed = [
        {"charge": 1},
        {"spin": 2},
        {"numbers": np.array([8, 1, 6], np.int32)},
        {"pbc": np.ones(3, bool), "cell": 9 * np.eye(3)},
    ]
    content = {"numbers": frame.numbers, "positions": frame.positions}
    content |= {"cell": frame.cell, "pbc": frame.pbc}
    for change in changed:
        assert distance(frame, Configuration(**(content | change))) == np.inf


def crystal(repeats: int, rattle: float, seed: int) -> Configuration:
    atoms = bulk("Cu", cubic=True) * (repeats, repeats, repeats)
    atoms.rattle(rattle, seed=seed)
    return from_atoms(atoms)


@pytest.mark.parametrize("repeats", [2, 3])
def test_thermal_snapshots_of_a_large_crystal_are_not_copies(repeats):
    one, two = crystal(repeats, 0.1, 1), crystal(repeats, 0.1, 2)
    assert distance(one, two) > 2 * TOLERANCE
    # what sorting over the whole frame alone would have said
    a, b = fingerprint(one).pairs, fingerprint(two).pairs
    assert repeats == 2 or np.sqrt(np.mean((a - b) ** 2)) < TOLERANCE


def test_a_periodic_copy_is_found_across_the_boundary_and_in_any_order():
    frame = crystal(2, 0.05, 1)
    order = np.random.default_rng(0).permutation(len(frame))
    shifted = (frame.positions + np.array([0.3, 5.0, -2.0]))[order]
    fractional = np.linalg.solve(frame.cell.T, shifted.T).T % 1.0
    copy = Configuration(
        numbers=frame.numbers[order],
        positions=fractional @ frame.cell,
        cell=frame.cell,
        pbc=frame.pbc,
    )
    assert distance(frame, copy) < 1e-5


def test_a_strained_cell_is_not_a_copy_even_with_one_atom():
    atoms = bulk("Cu")
    strained = atoms.copy()
    strained.set_cell(atoms.cell * 1.03, scale_atoms=True)
    assert distance(from_atoms(atoms), from_atoms(strained)) > TOLERANCE
    assert distance(from_atoms(atoms), from_atoms(atoms)) == 0.0


def test_chains_of_copies_are_one_cluster_and_others_stay_apart():
    start = molecule(0)
    steps = [
        Configuration(
            numbers=start.numbers,
            positions=start.positions + np.array([[0, 0, 0.02 * k], [0, 0, 0], [0, 0, 0]]),
            cell=start.cell,
            pbc=start.pbc,
        )
        for k in range(6)
    ]
    assert distance(steps[0], steps[5]) > TOLERANCE
    frames = as_configurations([*steps, molecule(1), molecule(2)])
    found = clusters(frames, TOLERANCE)
    assert len(set(found[:6])) == 1
    assert len(set(found[5:])) == 3


def test_the_nearest_original_comes_first():
    start = molecule(0)
    earlier = as_configurations([molecule(5), moved(start, 1, 0.01), moved(start, 2, 0.001)])
    assert near_copies(as_configurations([start]), earlier, TOLERANCE) == [[2, 1]]


@pytest.mark.parametrize("atoms", [0, 1])
def test_frames_of_no_or_one_atom_have_a_fingerprint(atoms):
    frame = Configuration(
        numbers=np.full(atoms, 1, np.int32),
        positions=np.zeros((atoms, 3)),
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, bool),
    )
    assert distance(frame, frame) == 0.0
