"""describe: the contract of every descriptor, and SOAP on molecules and cells."""

from functools import lru_cache

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from made_potentials import untrained
from scipy.spatial.transform import Rotation

from aldata.artifacts.checkpoints import Checkpoint, null_checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Configurations, Descriptors, as_configurations
from aldata.describe import NAMES, DescribeSettings, describe
from aldata.describe import vectors as module
from aldata.errors import InvalidInput, InvalidParameters

ETHANOL = molecule("CH3CH2OH")
SPECIES = [1, 6, 8]

every_method = pytest.mark.parametrize("method", NAMES)


def rattled(atoms: Atoms, seed: int, width: float = 0.05) -> Atoms:
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).normal(0, width, moved.positions.shape)
    return moved


def configurations(*atoms: Atoms) -> Configurations:
    return as_configurations([from_atoms(a) for a in atoms])


def vectors(*atoms: Atoms, species: list[int] = SPECIES, method: str = "soap") -> np.ndarray:
    settings = DescribeSettings(method=method)
    found = describe(configurations(*atoms), settings, species, model(tuple(species)))
    assert found.attributes["method"] == method
    return np.asarray(found.descriptor)


@lru_cache(maxsize=8)
def model(species: tuple[int, ...]) -> Checkpoint:
    """A model that knows these elements; only method mace looks at it."""
    return untrained(members=2, numbers=species)


@every_method
@given(seed=st.integers(0, 10**6))
@examples(max_examples=5, deadline=None)
def test_rotation_reflection_and_translation_change_nothing(method: str, seed: int) -> None:
    atoms = rattled(ETHANOL, seed)
    moved = atoms.copy()
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix() * (-1) ** seed
    moved.positions = moved.positions @ turn.T + [3.0, -20.0, 0.5]
    np.testing.assert_allclose(
        vectors(moved, method=method), vectors(atoms, method=method), atol=2e-6
    )
    other = vectors(rattled(ETHANOL, seed + 1), method=method)
    assert np.abs(other - vectors(atoms, method=method)).max() > 1e-3


@every_method
def test_permuted_atoms_have_permuted_vectors(method: str) -> None:
    atoms = rattled(ETHANOL, 0)
    order = np.random.default_rng(0).permutation(len(atoms))
    np.testing.assert_allclose(
        vectors(atoms[order], method=method), vectors(atoms, method=method)[order], atol=1e-6
    )


@every_method
def test_vectors_have_length_one_and_are_the_same_every_time(method: str) -> None:
    first = vectors(ETHANOL, molecule("H2O"), method=method)
    assert first.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    assert (first == vectors(ETHANOL, molecule("H2O"), method=method)).all()


@every_method
def test_a_rotated_cell_and_a_repeated_cell_have_the_same_environments(method: str) -> None:
    cell = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    cell = rattled(cell, 1)
    turned = cell.copy()
    turned.rotate(37, (1, 2, 3), rotate_cell=True)
    base = vectors(cell, species=[11, 17], method=method)
    np.testing.assert_allclose(vectors(turned, species=[11, 17], method=method), base, atol=2e-6)
    twice = vectors(cell.repeat((2, 1, 1)), species=[11, 17], method=method)
    np.testing.assert_allclose(twice, np.tile(base, (2, 1)), atol=2e-6)


def test_periodic_images_count() -> None:
    cell = bulk("Cu", cubic=True)
    cluster = cell.copy()
    cluster.pbc = False
    assert np.abs(vectors(cell, species=[29]) - vectors(cluster, species=[29])).max() > 0.01


def test_a_molecule_in_a_box_is_the_molecule() -> None:
    boxed = ETHANOL.copy()
    boxed.center(vacuum=8)
    boxed.pbc = True
    np.testing.assert_allclose(vectors(boxed), vectors(ETHANOL), atol=2e-6)


def test_a_slab_has_vacuum_on_both_sides() -> None:
    slab = fcc111("Al", (1, 1, 3), vacuum=10)
    padded = slab.copy()
    padded.pbc = True
    np.testing.assert_allclose(
        vectors(slab, species=[13]), vectors(padded, species=[13]), atol=2e-6
    )


def test_blocks_and_companions_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [rattled(ETHANOL, seed) for seed in range(7)]
    together = vectors(*frames)
    monkeypatch.setattr(module, "BLOCK", 3)
    assert (vectors(*frames) == together).all()
    assert (vectors(frames[4]) == together[36:45]).all()


def test_identity_is_decided_by_settings_and_species_only() -> None:
    def identity(settings: DescribeSettings, species: list[int]) -> str:
        found = describe(configurations(ETHANOL), settings, species)
        assert found.attributes["checkpoint"] is None
        return str(found.attributes["descriptor_id"])

    base = identity(DescribeSettings(), [1, 6, 8])
    assert base == identity(DescribeSettings(), [8, 6, 1, 1])
    assert base != identity(DescribeSettings(cutoff=4.4), [1, 6, 8])
    assert base != identity(DescribeSettings(method="acsf"), [1, 6, 8])
    assert base == identity(DescribeSettings(acsf={"radial": 5}), [1, 6, 8])
    assert base != identity(DescribeSettings(), [1, 6, 7, 8])


def test_a_models_descriptor_is_another_one_for_another_model() -> None:
    def identity(checkpoint: Checkpoint | None, method: str = "mace") -> str:
        settings = DescribeSettings(method=method)
        found = describe(configurations(ETHANOL), settings, SPECIES, checkpoint)
        return str(found.attributes["descriptor_id"])

    one, other = untrained(seed=0, numbers=SPECIES), untrained(seed=5, numbers=SPECIES)
    assert identity(one) == identity(one) != identity(other)
    # before there is a model, SOAP is done, and said
    assert identity(None) == identity(None, "soap") == identity(one, "soap")
    nothing = null_checkpoint(np.array(SPECIES), np.zeros(3))
    found = describe(configurations(ETHANOL), DescribeSettings(method="mace"), SPECIES, nothing)
    assert found.attributes["method"] == "soap"
    assert found.attributes["checkpoint"] is None


def test_no_frames_give_no_vectors_of_the_right_width() -> None:
    none = describe(configurations(), DescribeSettings(), SPECIES)
    assert isinstance(none, Descriptors)
    assert none.descriptor.shape == (0, vectors(ETHANOL).shape[1])


def test_an_unknown_element_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"\[8\]"):
        describe(configurations(ETHANOL), DescribeSettings(), [1, 6])


def test_an_unknown_method_lists_the_known_ones() -> None:
    with pytest.raises(InvalidParameters, match="soap"):
        DescribeSettings.checked({"method": "sope"}, "describe")
