"""explore: trajectories, what ends them, and the lineage of what they leave."""

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from aldata.artifacts.checkpoints import Checkpoint, null_checkpoint
from aldata.artifacts.contacts import closest_contact, fragments
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import (
    Candidates,
    Configurations,
    as_configurations,
    geometry_columns,
)
from aldata.artifacts.schema import SAMPLERS as KINDS
from aldata.digest import to_hex
from aldata.errors import InvalidInput, InvalidParameters
from aldata.explore import (
    Checks,
    Context,
    ExploreSettings,
    MolecularDynamics,
    Trajectory,
    committee_mean,
    walk,
)
from aldata.explore import explore as explore_all
from aldata.explore import propose as propose_all
from aldata.explore.checks import hottest_temperature, pieces_of

SHORT = MolecularDynamics(
    temperatures=[200, 400], replicas=2, steps=60, equilibration=20, interval=5, decorrelate=False
)


class Springs(Calculator):  # type: ignore[misc]
    """Harmonic bonds of all pairs; after `calm` calls a `kick` (eV/A) pulls atom 0 away."""

    implemented_properties = ("energy", "forces")

    def __init__(self, rest: np.ndarray, kick: float = 0.0, calm: int = 0) -> None:
        super().__init__()
        self.rest, self.kick, self.calm, self.calls = rest, kick, calm, 0

    def calculate(
        self, atoms: Atoms, properties: Sequence[str] = (), changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, changes)
        self.calls += 1
        span = atoms.positions[:, None] - atoms.positions[None]
        length = np.linalg.norm(span, axis=-1) + np.eye(len(atoms))
        stretch = np.where(np.eye(len(atoms)) > 0, 0, length - self.rest)
        forces = -5.0 * ((stretch / length)[..., None] * span).sum(axis=1)
        if self.calls > self.calm:
            forces[0, 0] += self.kick
        self.results = {"energy": 2.5 * (stretch**2).sum() / 2, "forces": forces}


class Raising(EMT):  # type: ignore[misc]
    def calculate(self, *_: Any) -> None:
        raise RuntimeError("no neighbours")


def lengths(atoms: Atoms) -> np.ndarray:
    return np.asarray(atoms.get_all_distances()) + np.eye(len(atoms))


WATER = molecule("H2O")
COPPER = bulk("Cu", cubic=True)


def springs(_: Checkpoint) -> Calculator:
    return Springs(lengths(WATER))


def pulled(_: Checkpoint) -> Calculator:
    return Springs(lengths(WATER), kick=25.0, calm=35)


def not_a_number(_: Checkpoint) -> Calculator:
    return Springs(lengths(WATER), kick=np.nan, calm=35)


def emt(_: Checkpoint) -> Calculator:
    return EMT()


def raising(_: Checkpoint) -> Calculator:
    return Raising()


def serial(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
    return [function(job) for job in jobs]


def processes(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(function, jobs))


def backwards(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
    return [function(job) for job in reversed(jobs)][::-1]


def trained() -> Checkpoint:
    return Checkpoint(
        weights=np.ones((4, 3), np.float32),
        information=np.zeros((4, 1, 1)),
        numbers=np.array([1, 8]),
        isolated_energies=np.zeros(2),
        attributes={"card": {"architecture": {}}, "tensors": []},
    )


def starts(atoms: Atoms = WATER, count: int = 3) -> Configurations:
    frames = []
    for i in range(count):
        moved = atoms.copy()
        moved.positions += np.random.default_rng(i).normal(0, 0.01, (len(atoms), 3))
        frames.append(from_atoms(moved, charge=0, spin=0))
    return as_configurations(frames)


def context_of(
    found_at: Configurations, checkpoint: Checkpoint, run: Any, calculator: Any, **more: Any
) -> Context:
    return Context(starts=found_at, checkpoint=checkpoint, run=run, calculator=calculator, **more)


def explore(
    found_at: Configurations,
    checkpoint: Checkpoint,
    sampler: MolecularDynamics,
    seed: int,
    run: Any,
    calculator: Any,
    **more: Any,
) -> Candidates:
    """Candidates of one sampler."""
    context = context_of(found_at, checkpoint, run, calculator, **more)
    return explore_all(ExploreSettings(samplers=[sampler]), seed, context)


def test_every_candidate_knows_where_it_comes_from() -> None:
    checkpoint = trained()
    found = explore(starts(), checkpoint, SHORT, 7, serial, springs)
    records = found.attributes["trajectories"]
    assert found.attributes["checkpoint"] == checkpoint.digest
    assert found.attributes["random_seed"] == 7
    assert [r["temperature"] for r in records] == [200, 200, 400, 400]
    assert len({r["random_seed"] for r in records}) == 4
    assert {r["ended"] for r in records} == {"completed"}
    assert {r["steps"] for r in records} == {60}
    assert found.step.reshape(4, 8)[0].tolist() == [25, 30, 35, 40, 45, 50, 55, 60]
    assert found.trajectory.tolist() == np.repeat(range(4), 8).tolist()
    assert {KINDS[s] for s in found.sampler} == {"dynamics"}
    assert len(set(found.ids)) == 32
    for row, parent in enumerate(to_hex(found.parent_configuration)):
        record = records[found.trajectory[row]]
        assert parent == record["start"]
        assert parent in starts().ids
        assert found.temperature[row] == record["temperature"]


def test_the_same_candidates_however_the_jobs_run() -> None:
    state = np.random.get_state()[1].copy()  # type: ignore[index]
    here = explore(starts(), trained(), SHORT, 7, serial, springs)
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]
    for run in (processes, backwards):
        assert explore(starts(), trained(), SHORT, 7, run, springs).digest == here.digest
    assert explore(starts(), trained(), SHORT, 8, serial, springs).digest != here.digest


def test_charge_spin_and_cell_stay() -> None:
    start = as_configurations([from_atoms(COPPER.repeat((2, 1, 1)), charge=1, spin=3)])
    settings = SHORT.model_copy(update={"timestep": 2.0})
    found = explore(start, trained(), settings, 0, serial, emt)
    assert set(found.charge) == {1}
    assert set(found.spin) == {3}
    np.testing.assert_array_equal(found.cell[0], start.cell[0])
    assert found.pbc.all()


def test_the_thermostat_holds_its_temperature() -> None:
    hot = MolecularDynamics(
        temperatures=[300], replicas=1, steps=3000, equilibration=500, friction=0.05, timestep=4
    )
    found = []

    class Watched(EMT):  # type: ignore[misc]
        def calculate(self, atoms: Atoms, *rest: Any) -> None:
            super().calculate(atoms, *rest)
            found.append(self.results["energy"])

    still = COPPER.copy()
    still.calc = EMT()
    rest = still.get_potential_energy()
    start = from_atoms(COPPER)
    walk(Trajectory(start=start, temperature=300, random_seed=0, settings=hot, calculator=Watched))
    # equipartition of a nearly harmonic crystal: 3/2 kT of potential energy per atom
    per_atom = (np.mean(found[500:]) - rest) / len(COPPER)
    assert per_atom == pytest.approx(1.5 * 8.617e-5 * 300 * (1 - 1 / len(COPPER)), rel=0.25)


@pytest.mark.parametrize(
    ("calculator", "checks", "reason"),
    [
        (pulled, Checks(max_temperature_factor=1e9, max_force=1e9), "broke into"),
        (pulled, Checks(max_force=20.0), "a force of"),
        (pulled, Checks(max_force=1e9, fragment_factor=None), "a temperature of"),
        (not_a_number, Checks(), "not finite"),
    ],
)
def test_a_blow_up_ends_with_its_reason_and_leaves_its_good_frames(
    calculator: Callable[[Checkpoint], Calculator], checks: Checks, reason: str
) -> None:
    settings = MolecularDynamics(
        temperatures=[100],
        replicas=2,
        steps=300,
        equilibration=10,
        interval=5,
        decorrelate=False,
    )
    found = explore(starts(), trained(), settings, 3, serial, calculator, checks=checks)
    for record in found.attributes["trajectories"]:
        assert reason in record["ended"]
        assert record["steps"] < 300
    assert len(found) > 4
    assert np.isfinite(found.positions).all()
    for row, frame in enumerate(found):
        assert found.step[row] <= found.attributes["trajectories"][found.trajectory[row]]["steps"]
        assert closest_contact(frame) >= checks.min_distance_factor
        if checks.fragment_factor:
            assert fragments(frame, checks.fragment_factor) == 1


def test_atoms_pushed_together_end_it() -> None:
    settings = MolecularDynamics(
        temperatures=[100], replicas=1, steps=300, equilibration=10, interval=5
    )
    checks = Checks(max_force=1e9, max_temperature_factor=1e9)
    short = as_configurations([from_atoms(WATER)])

    def collapsing(_: Checkpoint) -> Calculator:
        return Springs(0.35 * lengths(WATER))

    with pytest.raises(InvalidInput, match="of their covalent distance"):
        explore(short, trained(), settings, 0, serial, collapsing, checks=checks)


def test_nothing_at_all_is_one_error_with_every_reason() -> None:
    with pytest.raises(InvalidInput) as caught:
        explore(starts(COPPER), trained(), SHORT, 0, serial, raising)
    assert str(caught.value).count("no neighbours") == 4
    with pytest.raises(InvalidInput, match="start from"):
        explore(starts().take([]), trained(), SHORT, 0, serial, springs)


def test_two_molecules_may_stay_two() -> None:
    pair = WATER.copy()
    other = WATER.copy()
    other.translate([0, 0, 6])
    settings = SHORT.model_copy(update={"temperatures": [50.0]})
    both = pair + other

    def calculator(_: Checkpoint) -> Calculator:
        return Springs(lengths(both))

    found = explore(
        as_configurations([from_atoms(both)]), trained(), settings, 0, serial, calculator
    )
    assert {r["ended"] for r in found.attributes["trajectories"]} == {"completed"}


def test_cells_are_one_piece_whatever_their_gaps() -> None:
    sparse = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 9]], cell=[9, 9, 20])
    assert pieces_of(from_atoms(sparse), Checks()) == 2
    sparse.pbc = True
    assert pieces_of(from_atoms(sparse), Checks()) == 1


def test_small_systems_are_allowed_their_fluctuations() -> None:
    checks = Checks()
    assert hottest_temperature(300, 3, checks) > 4 * 300
    assert hottest_temperature(300, 12, checks) == 900


def test_before_there_is_a_model_the_first_candidates_are_proposed_unchanged() -> None:
    frames = list(starts())
    first = Candidates(
        **geometry_columns(frames),
        sampler=np.zeros(3),
        trajectory=np.full(3, -1),
        step=np.zeros(3),
        temperature=np.zeros(3),
        parent_configuration=np.zeros((3, 32)),
        image=np.full(3, -1),
        bead=np.full(3, -1),
        sigma=np.full(3, np.nan),
        attributes={"checkpoint": "0" * 64, "random_seed": 9, "trajectories": []},
    )
    null = null_checkpoint(np.array([1, 8]), np.zeros(2))
    settings, context = (
        ExploreSettings(samplers=[SHORT]),
        context_of(starts(), null, serial, springs),
    )
    found = propose_all(first, settings, 1, context)
    assert found.attributes == {**first.attributes, "checkpoint": null.digest}
    for name in first.names():
        np.testing.assert_array_equal(found.arrays[name], first.arrays[name])


def test_with_a_model_the_committee_mean_proposes() -> None:
    from made_potentials import untrained

    checkpoint = untrained(members=2, numbers=(1, 8))
    assert not checkpoint.is_null
    settings = SHORT.model_copy(update={"replicas": 1, "steps": 30})
    first = Candidates.empty({"checkpoint": "0" * 64, "random_seed": 9, "trajectories": []})
    plan = ExploreSettings(samplers=[settings])
    context = context_of(starts(), checkpoint, serial, committee_mean)
    found = propose_all(first, plan, 1, context)
    assert found.attributes["checkpoint"] == checkpoint.digest
    assert len(found) > 0
    assert found.digest == propose_all(first, plan, 1, context).digest
    assert found.ids != explore(starts(), checkpoint, settings, 1, serial, springs).ids


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 50, "equilibration": 45, "interval": 10}, "nothing is kept"),
        ({"temperatures": []}, "temperatures"),
        ({"temperatures": [[300.0, 600.0, 900.0]]}, "temperatures"),
        ({"sigma_lo": 0.5, "sigma_hi": 0.2}, "sigma_lo .* below sigma_hi"),
        ({"steps": 0}, "steps"),
        ({"name": "guess"}, "molecular_dynamics.*displacements.*imported"),
    ],
)
def test_samplers_that_cannot_be_are_refused(changes: dict[str, Any], words: str) -> None:
    sampler = {"name": "molecular_dynamics", **changes}
    with pytest.raises(InvalidParameters, match=words):
        ExploreSettings.checked({"samplers": [sampler]}, "explore")
    with pytest.raises(InvalidParameters, match=r"checks\.max_forces.*max_force"):
        ExploreSettings.checked({"checks": {"max_forces": 3}}, "explore")
    with pytest.raises(InvalidParameters, match="must lie in pools/"):
        ExploreSettings.checked({"samplers": [{"name": "imported", "file": "/etc/x"}]}, "explore")


def test_a_trajectory_travels_to_another_process() -> None:
    job = Trajectory(
        start=from_atoms(WATER), temperature=300, random_seed=1, settings=SHORT, calculator=EMT
    )
    again = pickle.loads(pickle.dumps(job))
    assert again.start.id == job.start.id
    assert again.settings == job.settings


def test_a_start_far_from_equilibrium_is_cooled_before_it_is_judged() -> None:
    hot = WATER.copy()
    hot.positions += np.random.default_rng(2).normal(0, 0.15, (3, 3))
    start = as_configurations([from_atoms(hot)])
    base = MolecularDynamics(temperatures=[50], replicas=4, steps=150, interval=5)
    gentle = base.model_copy(update={"equilibration_friction": 0.02})
    ended = explore(start, trained(), gentle, 0, serial, springs).attributes["trajectories"]
    assert any("a temperature of" in record["ended"] for record in ended)
    ended = explore(start, trained(), base, 0, serial, springs).attributes
    assert {record["ended"] for record in ended["trajectories"]} == {"completed"}
