"""Potentials: the same function as mace-torch, and the laws of physics that it must obey."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from made_potentials import SMALL, copper, ethanol, untrained

from aldata.artifacts.checkpoints import Checkpoint, null_checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Configurations, as_configurations
from aldata.errors import AldataError, DamagedArtifact, InvalidInput
from aldata.potentials import Architecture, Committee
from aldata.potentials.derivatives import evaluate
from aldata.potentials.export import to_mace
from aldata.potentials.graphs import graph_of
from aldata.potentials.harmonics import (
    degrees,
    harmonics,
    harmonics_slopes,
    invariants,
    monomials,
)
from aldata.potentials.radial import radial_basis, radial_network

ARCHITECTURES = {
    "default": Architecture(),
    "second order": Architecture(channels=4, correlation=2, radial_mlp=[8]),
    "three layers, f": Architecture(channels=3, max_ell=3, interactions=3, radial_mlp=[8, 4]),
    "one layer": Architecture(channels=4, interactions=1, correlation=1, max_ell=1),
}


def configurations(*atoms: Atoms) -> Configurations:
    return as_configurations([from_atoms(a) for a in atoms])


def exact(checkpoint: Checkpoint) -> Committee:
    return Committee.from_checkpoint(checkpoint, "float64")


def python(code: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)


def rotation(seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_energy_forces_and_stress_are_those_of_mace_torch(name: str) -> None:
    architecture = ARCHITECTURES[name]
    checkpoint = untrained(members=2, architecture=architecture)
    frames = [ethanol(0), copper(1)]
    committee = exact(checkpoint)
    graphs = committee.graphs(configurations(*frames))
    batch = committee.batch(graphs)
    ours = evaluate(committee.network, committee.model, batch, stress=True)
    for member in range(2):
        theirs = mace_results(to_mace(checkpoint, member), frames, architecture.cutoff)
        isolated = committee.isolated_energies(configurations(*frames))
        energy = ours.energy[member].numpy() + isolated
        np.testing.assert_allclose(energy, theirs["energy"].detach(), rtol=0, atol=2e-11)
        np.testing.assert_allclose(ours.forces[member], theirs["forces"], rtol=0, atol=1e-12)
        matrix = theirs["stress"][1].numpy()
        voigt = matrix[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        np.testing.assert_allclose(ours.stress[member, 1], voigt, rtol=0, atol=1e-13)


def mace_results(model: torch.nn.Module, frames: list[Atoms], cutoff: float) -> dict:
    """mace-torch's own graphs and its own forward pass."""
    from mace import data
    from mace.tools import AtomicNumberTable
    from mace.tools.torch_geometric import dataloader

    table = AtomicNumberTable([int(z) for z in model.atomic_numbers])
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        graphs = [
            data.AtomicData.from_config(data.config_from_atoms(atoms), z_table=table, cutoff=cutoff)
            for atoms in frames
        ]
        loader = dataloader.DataLoader(graphs, batch_size=len(graphs), shuffle=False)
        return model(next(iter(loader)).to_dict(), compute_stress=True)
    finally:
        torch.set_default_dtype(default)


def test_harmonics_are_those_of_e3nn() -> None:
    from aldata.potentials.export import contained

    vectors = np.random.default_rng(0).normal(size=(20, 3))
    unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    with contained():
        from e3nn import o3

        theirs = o3.spherical_harmonics([0, 1, 2, 3], torch.tensor(unit), True, "component")
    np.testing.assert_allclose(harmonics(unit, 3), theirs, atol=1e-13)
    assert degrees(2).tolist() == [0, 1, 1, 1, 2, 2, 2, 2, 2]


def test_slopes_are_derivatives() -> None:
    vector, step = np.random.default_rng(0).normal(size=3), 1e-6
    unit = vector / np.linalg.norm(vector)
    slopes = harmonics_slopes(unit[None], 3)[0]
    for axis in range(3):
        there = [unit + sign * step * np.eye(3)[axis] for sign in (1, -1)]
        values = [harmonics((r / np.linalg.norm(r))[None], 3)[0] for r in there]
        np.testing.assert_allclose(slopes[:, axis], (values[0] - values[1]) / (2 * step), atol=1e-8)
    distances = np.linspace(0.5, 4.6, 50)
    ahead, behind = (radial_basis(distances + sign * step, SMALL)[0] for sign in (1, -1))
    slope = radial_basis(distances, SMALL)[1]
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), atol=1e-7)


def test_the_radial_network_has_the_gradient_that_autograd_finds() -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = [(2, 3, 5), (2, 5, 4), (2, 4, 6)]
    matrices = [
        torch.randn(size, generator=generator, dtype=torch.float64, requires_grad=True)
        for size in sizes
    ]
    rows = torch.randn(14, 3, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *given: radial_network(rows, given), matrices)
    value, slope = radial_network(rows, matrices).chunk(2, dim=1)

    def plain(inputs: torch.Tensor) -> torch.Tensor:
        for matrix in matrices[:-1]:
            inputs = torch.nn.functional.silu(inputs @ matrix)
        return inputs @ matrices[-1]

    wanted = torch.func.jvp(plain, (rows[:7],), (rows[7:],))
    torch.testing.assert_close(value, wanted[0])
    torch.testing.assert_close(slope, wanted[1])


@pytest.mark.parametrize(("max_ell", "order"), [(2, 1), (2, 2), (1, 3), (2, 3), (3, 3)])
def test_couplings_are_those_of_mace_torch(max_ell: int, order: int) -> None:
    from aldata.potentials.export import contained

    with contained():
        from e3nn import o3
        from mace.tools.cg import U_matrix_real

        theirs = U_matrix_real(
            o3.Irreps.spherical_harmonics(max_ell),
            o3.Irreps("0e"),
            order,
            dtype=torch.float64,
            use_cueq_cg=False,
        )[-1]
    ours = invariants(max_ell, order)
    np.testing.assert_allclose(ours, np.moveaxis(theirs.numpy(), -1, 0), atol=1e-13)
    index, coefficients = monomials(max_ell, order)
    values = np.random.default_rng(0).normal(size=ours.shape[1])
    direct = ours
    for _ in range(order):
        direct = direct @ values
    np.testing.assert_allclose(coefficients @ values[index].prod(axis=1), direct, atol=1e-12)


@pytest.mark.parametrize("atoms", [ethanol(3), copper(3)], ids=["molecule", "crystal"])
def test_forces_are_minus_the_gradient(atoms: Atoms) -> None:
    committee = exact(untrained())
    forces = committee.predict(configurations(atoms)).forces
    step = 1e-4
    for index, axis in [(0, 0), (1, 2), (3, 1)]:
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[index, axis] += sign * step
            energies.append(committee.predict(configurations(moved)).energy[0])
        slope = (energies[0] - energies[1]) / (2 * step)
        assert forces[index, axis] == pytest.approx(-slope, abs=1e-7)


def test_stress_is_the_strain_derivative_over_volume_in_ase_s_order() -> None:
    atoms = copper(5)
    committee = exact(untrained())
    atoms.calc = committee.calculator()
    stress = atoms.get_stress()
    step, volume = 1e-5, atoms.get_volume()
    for component, (i, j) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[i, j] += sign * step / 2
            strain[j, i] += sign * step / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
            energies.append(committee.predict(configurations(strained)).energy[0])
        slope = (energies[0] - energies[1]) / (2 * step) / volume
        assert stress[component] == pytest.approx(slope, abs=1e-8)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_turned_molecule_has_turned_forces_and_covariances(seed: int) -> None:
    committee, turn = exact(untrained()), rotation(seed)
    order = np.random.default_rng(seed).permutation(9)
    atoms = ethanol(7)
    turned = atoms[order]
    turned.positions = turned.positions @ turn.T + 3.0
    before = committee.predict(configurations(atoms))
    after = committee.predict(configurations(turned))
    assert after.energy[0] == pytest.approx(before.energy[0], abs=1e-10)
    assert after.energy_variance[0] == pytest.approx(before.energy_variance[0], abs=1e-10)
    np.testing.assert_allclose(after.forces, before.forces[order] @ turn.T, atol=1e-11)
    expected = turn @ before.force_covariance[order] @ turn.T
    np.testing.assert_allclose(after.force_covariance, expected, atol=1e-11)
    # the largest Cartesian component is not a property of the molecule
    largest = [p.force_covariance.diagonal(axis1=1, axis2=2).max() for p in (before, after)]
    assert abs(largest[0] - largest[1]) > 1e-9 or np.allclose(abs(turn).max(0), 1)


def test_a_supercell_has_the_energy_of_its_cells() -> None:
    atoms = copper(9)
    committee = exact(untrained())
    single = committee.predict(configurations(atoms))
    large = committee.predict(configurations(atoms.repeat((2, 2, 2))))
    assert large.energy[0] == pytest.approx(8 * single.energy[0], abs=1e-9)
    assert large.energy_variance[0] == pytest.approx(64 * single.energy_variance[0], rel=1e-9)
    np.testing.assert_allclose(large.forces[:4], single.forces, atol=1e-11)


@pytest.mark.parametrize("pbc", [(0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1)])
def test_neighbours_are_those_of_ase(pbc: tuple[int, int, int]) -> None:
    from ase.neighborlist import neighbor_list

    atoms = copper(11).repeat((2, 1, 1))
    atoms.pbc = pbc
    atoms.positions += [30.0, -20.0, 7.0]
    graph = graph_of(from_atoms(atoms), [29], SMALL)
    pairs = neighbor_list("ij", atoms, 4.0)
    expected = sorted(zip(*neighbor_list("ijd", atoms, 4.0), strict=True))
    lengths = np.linalg.norm(graph.vectors, axis=1)
    found = sorted(zip(graph.receiver, graph.sender, lengths, strict=True))
    assert len(found) == len(pairs[0]) > 0
    np.testing.assert_allclose(found, expected, atol=1e-12)
    for pair in range(len(graph.radial)):
        there, back = np.flatnonzero(graph.pair == pair)
        assert graph.sender[there] == graph.receiver[back]
        assert graph.sender[back] == graph.receiver[there]
        np.testing.assert_allclose(graph.vectors[there], -graph.vectors[back], atol=1e-12)


def test_all_pairs_and_cell_lists_find_the_same_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from aldata.potentials import graphs

    configuration = from_atoms(ethanol(2))
    quick = graph_of(configuration, [1, 6, 8], SMALL)
    monkeypatch.setattr(graphs, "ALL_PAIRS", 0)
    slow = graph_of(configuration, [1, 6, 8], SMALL)
    order = np.lexsort([slow.sender, slow.receiver])
    np.testing.assert_array_equal(quick.sender, slow.sender[order])
    np.testing.assert_allclose(quick.vectors, slow.vectors[order], atol=1e-12)


def test_a_lone_atom_has_its_shift_and_no_forces() -> None:
    checkpoint = untrained(members=2)
    for dtype in ("float32", "float64"):
        committee = Committee.from_checkpoint(checkpoint, dtype)
        found = committee.predict(configurations(Atoms("O"), Atoms("OH", [[0, 0, 0], [0, 0, 9]])))
        np.testing.assert_array_equal(found.forces, 0)
        assert np.isfinite(found.energy).all()


def test_predictions_are_the_members_mean_and_sample_covariance() -> None:
    committee = exact(untrained(members=4))
    frames = configurations(ethanol(1), copper(1), ethanol(2))
    energies, forces = committee.member_predictions(frames)
    found = committee.predict(frames)
    np.testing.assert_allclose(found.energy_variance, energies.var(0, ddof=1), rtol=1e-12)
    for atom in (0, 10):
        expected = np.cov(forces[:, atom].T, ddof=1)
        np.testing.assert_allclose(found.force_covariance[atom], expected, rtol=1e-10, atol=1e-14)
    assert found.attributes == {"checkpoint": committee.checkpoint.digest, "members": 4}
    assert found.ids == frames.ids


def test_predictions_do_not_depend_on_the_batches() -> None:
    committee = exact(untrained())
    frames = configurations(ethanol(1), copper(1), ethanol(2), copper(4))
    one, all_ = committee.predict(frames, 1), committee.predict(frames, 4)
    np.testing.assert_allclose(one.energy, all_.energy, rtol=1e-14)
    np.testing.assert_allclose(one.forces, all_.forces, atol=1e-12)


def test_one_member_has_no_variance_and_no_frames_no_predictions() -> None:
    committee = Committee.from_checkpoint(untrained(members=1))
    found = committee.predict(configurations(ethanol(1)))
    assert found.energy_variance.tolist() == [0.0]
    assert not found.force_covariance.any()
    none = committee.predict(as_configurations([]))
    assert len(none) == 0
    assert none.force_covariance.shape == (0, 3, 3)


def test_a_checkpoint_rebuilt_from_its_arrays_predicts_the_same_bits() -> None:
    checkpoint = untrained()
    again = Checkpoint.from_arrays(
        {name: array.copy() for name, array in checkpoint.arrays.items()}, checkpoint.attributes
    )
    frames = configurations(ethanol(1), copper(1))
    first = Committee.from_checkpoint(checkpoint).predict(frames)
    second = Committee.from_checkpoint(again).predict(frames)
    assert first.digest == second.digest


def test_float32_agrees_with_float64_and_keeps_the_resolution_of_large_energies() -> None:
    checkpoint = untrained()
    frames = configurations(ethanol(1))
    single = Committee.from_checkpoint(checkpoint).predict(frames)
    double = exact(checkpoint).predict(frames)
    assert double.energy[0] < -4000
    assert single.energy[0] == pytest.approx(double.energy[0], abs=1e-5)
    np.testing.assert_allclose(single.forces, double.forces, atol=1e-5)


def test_unknown_elements_are_one_error_that_names_them() -> None:
    committee = Committee.from_checkpoint(untrained(numbers=(1, 6, 8)))
    with pytest.raises(InvalidInput, match="not trained on F, Cl") as caught:
        committee.predict(configurations(molecule("CF4"), molecule("HCl"), ethanol(1)))
    assert "H, C, O" in str(caught.value)
    atoms = molecule("HCl")
    atoms.calc = committee.calculator()
    with pytest.raises(AldataError, match="not trained on Cl"):
        atoms.get_forces()


def test_the_null_checkpoint_and_a_foreign_table_are_refused() -> None:
    with pytest.raises(InvalidInput, match="nothing was trained"):
        Committee.from_checkpoint(null_checkpoint(np.array([1]), np.array([0.0])))
    good = untrained()
    rows = [*good.attributes["tensors"][1:], good.attributes["tensors"][0]]
    bad = Checkpoint.from_arrays(good.arrays, {**good.attributes, "tensors": rows})
    with pytest.raises(DamagedArtifact, match="table of tensors"):
        Committee.from_checkpoint(bad)


def test_the_calculator_gives_what_predict_gives() -> None:
    committee = exact(untrained())
    for atoms in (ethanol(4), copper(4)):
        found = committee.predict(configurations(atoms))
        atoms.calc = committee.calculator()
        assert atoms.get_potential_energy() == pytest.approx(found.energy[0], abs=1e-10)
        np.testing.assert_allclose(atoms.get_forces(), found.forces, atol=1e-12)
        trace = np.trace(found.force_covariance, axis1=1, axis2=2)
        np.testing.assert_allclose(atoms.calc.results["force_deviation"], trace**0.5, rtol=1e-9)
        assert ("stress" in atoms.calc.results) == bool(atoms.pbc.all())


def test_dynamics_conserve_energy() -> None:
    from ase import units
    from ase.md.verlet import VelocityVerlet

    atoms = ethanol(6, spread=0.02)
    atoms.calc = exact(untrained(members=2)).calculator()
    atoms.set_momenta(np.random.default_rng(0).normal(scale=0.3, size=(9, 3)))
    start = atoms.get_total_energy()
    VelocityVerlet(atoms, 0.2 * units.fs, logfile=None).run(100)
    assert abs(atoms.get_kinetic_energy()) > 0.01
    assert atoms.get_total_energy() == pytest.approx(start, abs=2e-3)


def test_initial_weights_come_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, again, other = untrained(seed=3), untrained(seed=3), untrained(seed=4)
    assert first.digest == again.digest != other.digest
    assert torch.equal(before, torch.random.get_rng_state())


def test_exporting_leaves_nothing_behind() -> None:
    state = torch.random.get_rng_state()
    environment = dict(os.environ)
    model = to_mace(untrained())
    assert model.r_max.dtype == torch.float64
    assert torch.get_default_dtype() == torch.float32
    assert torch.equal(state, torch.random.get_rng_state())
    assert environment == dict(os.environ)


@pytest.mark.slow
def test_importing_mace_leaves_nothing_behind() -> None:
    code = (
        "import os, torch; from aldata.potentials.export import to_mace;"
        "from made_potentials import untrained;"
        "state = torch.random.get_rng_state(); to_mace(untrained());"
        "assert 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD' not in os.environ;"
        "assert torch.get_default_dtype() == torch.float32;"
        "assert torch.equal(state, torch.random.get_rng_state()); print('clean')"
    )
    run = python(code)
    assert (run.stdout, run.stderr) == ("clean\n", "")


def test_predicting_does_not_import_mace_and_settings_not_torch() -> None:
    code = (
        "import sys; import aldata.potentials, aldata.train; assert 'torch' not in sys.modules;"
        "from made_potentials import untrained, ethanol; from aldata.potentials import Committee;"
        "atoms = ethanol(0); atoms.calc = Committee.from_checkpoint(untrained()).calculator();"
        "atoms.get_forces(); assert not {'mace', 'e3nn', 'mlflow'} & set(sys.modules)"
    )
    run = python(code)
    assert run.returncode == 0, run.stderr
