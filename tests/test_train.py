"""Training: it learns, it repeats itself exactly, it stops, and it takes what users have."""

import copy
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from made_potentials import ISOLATED, SMALL, copper, ethanol, in_process, labelled
from published_data import ACETYLACETONE

from aldata.artifacts.frames import Labels
from aldata.errors import AldataError, InvalidInput, InvalidParameters
from aldata.potentials import Architecture, Committee
from aldata.train import Trained, TrainingFrames, TrainSettings, train
from aldata.train.loop import Adam, rate, shuffled

QUICK = TrainSettings(
    members=1, architecture=SMALL, steps=120, validate_every=20, learning_rate=0.03
)
NUMBERS = np.array([1, 6, 8])


def frames_of(labels: Labels, valid: int = 0, numbers: np.ndarray = NUMBERS) -> TrainingFrames:
    roles = ["valid" if row < valid else "train" for row in range(len(labels))]
    isolated = np.array([ISOLATED[int(z)] for z in numbers])
    return TrainingFrames(labels, roles, numbers, isolated, "ab" * 32)


def trained(labels: Labels, settings: TrainSettings, valid: int = 0, **more: object) -> Trained:
    seeds = list(range(5, 5 + settings.members))
    return train(frames_of(labels, valid, **more), settings, seeds, in_process)


@pytest.fixture(scope="module")
def molecules() -> Labels:
    return labelled([ethanol(seed) for seed in range(16)])


@pytest.fixture(scope="module")
def crystals() -> Labels:
    return labelled([copper(seed) for seed in range(10)])


def force_error(found: Trained, labels: Labels) -> float:
    forces = Committee.from_checkpoint(found.checkpoint).predict(labels).forces
    return float(np.sqrt(((forces - labels.forces) ** 2).mean()))


def test_training_learns_energies_and_forces(molecules: Labels) -> None:
    settings = QUICK.model_copy(update={"steps": 250, "architecture": Architecture(channels=8)})
    found = trained(molecules, settings, valid=3)
    unseen = labelled([ethanol(seed) for seed in range(100, 120)])
    predicted = Committee.from_checkpoint(found.checkpoint).predict(unseen)
    assert force_error(found, unseen) < 0.35 * np.sqrt((unseen.forces**2).mean())
    error = predicted.energy - unseen.energy
    assert np.sqrt((error**2).mean()) < 0.35 * unseen.energy.std()
    losses = [record["loss"] for record in found.histories[0] if "loss" in record]
    assert losses[-1] < 0.1 * losses[0]


def test_equal_input_gives_an_equal_checkpoint(molecules: Labels) -> None:
    settings = QUICK.model_copy(update={"members": 2, "steps": 30})
    first, again = (trained(molecules, settings, valid=3) for _ in range(2))
    assert first.checkpoint.digest == again.checkpoint.digest
    assert first.histories == again.histories
    weights = first.checkpoint.weights
    assert not np.array_equal(weights[0], weights[1])
    other = train(frames_of(molecules, 3), settings, [5, 7], in_process)
    np.testing.assert_array_equal(other.checkpoint.weights[0], weights[0])
    assert other.checkpoint.digest != first.checkpoint.digest


def test_the_checkpoint_says_what_it_was_made_from(molecules: Labels) -> None:
    found = trained(molecules, QUICK).checkpoint
    assert found.card["dataset"] == "ab" * 32
    assert found.card["theory_id"] == molecules.attributes["theory_id"]
    assert found.card["seeds"] == [5]
    assert TrainSettings.checked(found.card["settings"], "card") == QUICK
    size = SMALL.features + len(NUMBERS)
    assert found.information.shape == (1, size, size)
    assert found.card["parameters"] == {"coefficients": SMALL.features, "shifts": 3}
    np.testing.assert_allclose(found.information[0], found.information[0].T)
    assert np.trace(found.information[0]) > 0


def test_the_best_validated_weights_are_kept(molecules: Labels) -> None:
    """A step size that wrecks the model: what is kept is what was best, not what was last."""
    settings = QUICK.model_copy(
        update={"learning_rate": 0.5, "final_rate": 1.0, "last_layer": False, "validate_every": 5}
    )
    found = trained(molecules, settings, valid=4)
    history = [record["valid_forces_rmse"] for record in found.histories[0]]
    kept = force_error(found, molecules.take(np.arange(4)))
    assert kept == pytest.approx(min(history), rel=1e-4)
    assert min(history) < history[-1]


def test_training_stops_when_validation_stops_improving(molecules: Labels) -> None:
    noise = np.random.default_rng(0).normal(scale=3.0, size=molecules.forces.shape)
    arrays = {**molecules.arrays, "forces": noise}
    hopeless = Labels.from_arrays(arrays, molecules.attributes)
    settings = QUICK.model_copy(update={"steps": 2000, "patience": 0.0075, "validate_every": 5})
    steps = [record["step"] for record in trained(hopeless, settings, valid=6).histories[0]]
    assert steps[-1] < 600
    patient = QUICK.model_copy(update={"steps": 100, "patience": 1.0})
    assert trained(hopeless, patient, valid=6).histories[0][-2]["step"] == 100


def test_without_validation_all_steps_are_taken(molecules: Labels) -> None:
    history = trained(molecules, QUICK).histories[0]
    assert [record["step"] for record in history] == [20, 40, 60, 80, 100, 120]
    assert all(set(record) == {"step", "loss", "learning_rate"} for record in history)


def test_one_frame_is_enough(molecules: Labels) -> None:
    single = molecules.take([0])
    settings = QUICK.model_copy(update={"batch_size": 8})
    found = trained(single, settings)
    energy = Committee.from_checkpoint(found.checkpoint).predict(single).energy
    assert energy[0] == pytest.approx(single.energy[0], abs=0.1)


def test_periodic_cells_learn_their_stress(crystals: Labels) -> None:
    assert np.isfinite(crystals.stress).all()
    settings = QUICK.model_copy(update={"steps": 100, "architecture": Architecture(channels=8)})
    found = trained(crystals, settings, valid=2, numbers=np.array([29]))
    committee = Committee.from_checkpoint(found.checkpoint, "float64")
    errors = []
    for seed in range(50, 56):
        atoms = copper(seed)
        reference = labelled([atoms]).stress[0]
        atoms.calc = committee.calculator()
        errors.append(atoms.get_stress() - reference)
    spread = np.std([labelled([copper(s)]).stress[0] for s in range(50, 56)])
    assert np.sqrt(np.mean(np.square(errors))) < 0.3 * spread


def test_molecules_and_crystals_train_together(molecules: Labels, crystals: Labels) -> None:
    """Some frames have a stress and some have none; iron's E0 is known, iron is never seen."""
    part = labelled([copper(1), copper(2)])
    both = Labels.concatenate([part, crystals.take([3])], part.attributes)
    stress = both.stress.copy()
    stress[0] = np.nan
    both = Labels.from_arrays({**both.arrays, "stress": stress}, both.attributes)
    mixed = Labels.concatenate([both, molecules.take([1, 2, 3])], both.attributes)
    settings = QUICK.model_copy(update={"steps": 20, "batch_size": 3})
    found = trained(mixed, settings, valid=1, numbers=np.array([1, 6, 8, 26, 29]))
    assert np.isfinite(found.checkpoint.weights).all()
    assert np.isfinite(Committee.from_checkpoint(found.checkpoint).predict(mixed).energy).all()


def test_the_closed_form_finish_improves_energies(molecules: Labels) -> None:
    def energy_error(last_layer: bool) -> float:
        settings = QUICK.model_copy(update={"steps": 100, "last_layer": last_layer})
        found = trained(molecules, settings, valid=3)
        unseen = labelled([ethanol(seed) for seed in range(200, 220)])
        predicted = Committee.from_checkpoint(found.checkpoint).predict(unseen).energy
        return float(np.sqrt(((predicted - unseen.energy) ** 2).mean()))

    assert energy_error(True) < 0.7 * energy_error(False)


def test_what_cannot_be_trained_is_one_error(molecules: Labels) -> None:
    with pytest.raises(InvalidInput, match="no frame has the role train; 2 seeds for 1 members"):
        train(frames_of(molecules, valid=16), QUICK, [1, 2], in_process)
    status = molecules.status.copy()
    status[3] = 2
    failed = Labels.from_arrays({**molecules.arrays, "status": status}, molecules.attributes)
    with pytest.raises(InvalidInput, match="1 frames were not accepted"):
        train(frames_of(failed), QUICK, [1], in_process)
    probe = copy.copy(frames_of(molecules).roles)
    probe[2] = "probe"
    with pytest.raises(InvalidInput, match="frames with the role probe"):
        train(TrainingFrames(molecules, probe, NUMBERS, np.zeros(3), "ab"), QUICK, [1], in_process)
    with pytest.raises(InvalidInput, match="not trained on O"):
        trained(molecules, QUICK, numbers=np.array([1, 6]))


def test_a_training_that_diverges_says_so(molecules: Labels) -> None:
    arrays = {**molecules.arrays, "forces": molecules.forces * 1e30}
    broken = Labels.from_arrays(arrays, molecules.attributes)
    with pytest.raises(AldataError, match="training diverged"):
        trained(broken, QUICK.model_copy(update={"steps": 3}))


def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(InvalidParameters, match=r"unknown name 'epochs'; one of: .*steps"):
        TrainSettings.checked({"epochs": 4}, "params.yaml:train")
    with pytest.raises(InvalidParameters, match="max_ell"):
        TrainSettings.checked({"architecture": {"max_ell": 7}}, "params.yaml:train")
    assert all(field.description for field in TrainSettings.model_fields.values())
    assert all(field.description for field in Architecture.model_fields.values())


def test_the_learning_rate_warms_up_and_decays() -> None:
    settings = TrainSettings(steps=200, warm_up=0.1, learning_rate=0.02, final_rate=0.01)
    rates = [rate(step, settings) for step in range(200)]
    assert rates[0] == pytest.approx(0.001)
    assert max(rates) == rates[20] == pytest.approx(0.02)
    assert rates[-1] == pytest.approx(0.0002, rel=0.05)
    assert np.diff(rates[20:]).max() <= 0


def test_every_epoch_sees_every_frame_once() -> None:
    batches = shuffled(7, 3, np.random.default_rng(0))
    for _ in range(3):
        epoch = [next(batches) for _ in range(3)]
        assert [len(batch) for batch in epoch] == [3, 3, 1]
        assert sorted(index for batch in epoch for index in batch) == list(range(7))
    assert next(shuffled(2, 9, np.random.default_rng(0))) in ([0, 1], [1, 0])


@pytest.mark.slow
def test_members_run_in_processes(molecules: Labels) -> None:
    """The real runner: the job and its answer cross process borders, and change nothing."""
    from aldata.execution import ClusterSettings, run

    settings = QUICK.model_copy(update={"members": 2, "steps": 20})
    here = trained(molecules, settings, valid=3)
    there = train(
        frames_of(molecules, 3),
        settings,
        [5, 6],
        lambda function, jobs: run(function, jobs, ClusterSettings(workers=2), title="train"),
    )
    assert there.checkpoint.digest == here.checkpoint.digest


@pytest.mark.slow
@pytest.mark.skipif(not ACETYLACETONE.is_dir(), reason="acetylacetone data is not there")
def test_fifty_acetylacetone_frames_give_a_useful_potential() -> None:
    """PBE labels: 100 meV/A with defaults, one member."""
    from ase.io import read

    from benchmarks.training import isolated_energies, labels_of

    numbers, isolated = isolated_energies(ACETYLACETONE / "isolated_atoms.xyz")
    labels = labels_of(read(ACETYLACETONE / "train_300K.xyz", ":56"))
    test = labels_of(read(ACETYLACETONE / "test_MD_300K.xyz", ":100"))
    roles = ["valid"] * 6 + ["train"] * 50
    frames = TrainingFrames(labels, roles, numbers, isolated, "cd" * 32)
    found = train(frames, TrainSettings(members=1), [0], in_process)
    assert force_error(found, test) < 0.1


def test_adam_takes_the_steps_of_torch() -> None:
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(50, generator=generator)
    ours, theirs = start.clone(), start.clone().requires_grad_(True)
    adam, reference = Adam(ours, clip=2.0), torch.optim.Adam([theirs])
    for step in range(20):
        gradient = torch.randn(50, generator=generator) * 10.0 ** (step % 4 - 2)
        theirs.grad = gradient.clone()
        reference.param_groups[0]["lr"] = 0.01 * (step + 1)
        torch.nn.utils.clip_grad_norm_([theirs], 2.0)
        reference.step()
        adam.step(gradient, 0.01 * (step + 1))
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(ours, start, atol=0.01)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a tunable of glibc")
def test_freed_memory_is_not_fetched_from_the_kernel_again() -> None:
    code = """
import resource
import numpy as np
from aldata.train.memory import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        blocks = [np.full(300_000, 1.0) for _ in range(4)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
default = faults()
keep_freed_memory()
faults()
print(default, faults())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    default, kept = (int(word) for word in done.stdout.split())
    assert default > 1000  # otherwise the module has become needless
    assert kept < default / 10
