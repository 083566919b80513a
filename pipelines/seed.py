"""seed: from the user's structures to a parent like any other, with no model yet."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from aldata import exchange, store
from aldata.artifacts.checkpoints import Checkpoint, null_checkpoint
from aldata.artifacts.documents import Noise, Theory
from aldata.artifacts.frames import Configurations, Labels
from aldata.artifacts.geometry_files import read_geometries
from aldata.artifacts.layout import SEED
from aldata.artifacts.schema import PURPOSES
from aldata.calibrate import null_calibration
from aldata.curate import Lineage, curate
from aldata.errors import InvalidInput
from aldata.evaluate import EvaluateSettings
from aldata.label import (
    Requests,
    from_theory,
    isolated_atoms,
    label,
    refuse_impossible,
    resolve,
)
from aldata.ledger import Ledger
from aldata.seed import SeedSettings, displaced, test_trajectory
from pipelines.purchases import announce, counted_runner
from pipelines.stage import Stage, run

MIXED = ("labels_theory", "labels_theory_id")
"""Name and id of another level of theory that labels are mixed in from: facts and attributes."""


def seed(stage: Stage) -> None:
    """Everything a generation expects of its parent, under the same names."""
    settings = stage.settings(SeedSettings)
    choice = stage.parameters.oracle
    theory = resolve(choice.name, choice.settings, choice.version_policy)
    path = Path(settings.structures)
    structures = read_geometries(path, settings.index, settings.charge, settings.spin)
    stage.note(path)
    refuse_impossible(Requests.of(structures, "acquired"), from_theory(theory))
    _refuse_bad_test_sets(stage)
    candidates = displaced(structures, settings, stage.random_seed)
    noise = Noise(
        theory_id=theory.id,
        sigma_energy=choice.sigma_energy,
        sigma_forces=choice.sigma_forces,
        source="stated in params.yaml",
    )
    labels = _labels(stage, structures, theory, noise)
    species = [int(number) for number in np.unique(labels.numbers)]
    checkpoint = _without_members(labels, species)
    curation = stage.parameters.curate.model_copy(update={"retract": [], "obey": [], "revoke": []})
    nothing = Lineage(manifests=[], labels=Labels.empty(labels.attributes))
    stage.write(candidates)
    stage.write(labels)
    stage.write(checkpoint)
    stage.write(curate(labels, nothing, curation, SEED, species, stage.random_seed))
    stage.write(null_calibration(SEED, checkpoint.digest))
    stage.write(theory)
    stage.write(noise)
    stage.write_json("history", [])


def _refuse_bad_test_sets(stage: Stage) -> None:
    """Raise InvalidInput now for a test file that would spoil `evaluate` after all the calls."""
    seed = stage.parameters.seed
    plans = [stage.parameters.settings_of("evaluate", g) for g in stage.parameters.generations]
    files = {
        f for plan in plans if isinstance(plan, EvaluateSettings) for f in plan.test_sets.values()
    }
    learned = set(stage.given(seed.labels).ids) if seed.labels else set()
    for file in sorted(files):
        ids = exchange.given(Path(file), seed.charge, seed.spin, store.read).ids
        if learned & set(ids):
            raise InvalidInput(
                f"{len(learned & set(ids))} of {len(ids)} frames are in seed.labels as well",
                where=file,
                expected="frames that nothing learns from",
                next_step=f"take them out of {file} or of {seed.labels}",
            )


def _labels(stage: Stage, structures: Configurations, theory: Theory, noise: Noise) -> Labels:
    """Imported labels, then the oracle's: isolated atoms, and the test set of a hotter trajectory."""
    settings = stage.settings(SeedSettings)
    known = []
    if settings.labels:
        known.append(_given(stage, settings.labels, theory, noise))
    numbers = np.concatenate([structures.numbers, *(labels.numbers for labels in known)])
    atoms = isolated_atoms(np.unique(numbers).tolist())
    test = structures.take([])
    if settings.test:
        test = test_trajectory(structures, settings.test, stage.random_seed)
    asked = _requests(atoms, test, noise)
    ledger = Ledger.of_project(stage.home)
    announce(stage, asked, theory, ledger, stage.parameters.label)
    runner, tally = counted_runner(stage, stage.parameters.label)
    labels, calls = label(asked, theory, ledger, stage.parameters.label, runner, tally=tally)
    stage.write_json("calls", calls)
    mixed = {name: stage.facts[name] for name in MIXED if name in stage.facts}
    return Labels.concatenate([*known, labels], {**labels.attributes, **mixed})


def _given(stage: Stage, path: str, theory: Theory, noise: Noise) -> Labels:
    """The user's labels, with the project's noise where they state none.

    Another level of theory, allowed by name, is written down: in the activity and in the labels.
    """
    labels = stage.given(path)
    other = exchange.other_theory(labels, theory, stage.parameters.seed.labels_theory, path)
    if other is not None:
        stage.facts |= dict(zip(MIXED, (other, labels.attributes["theory_id"]), strict=True))
    return replace(
        labels,
        purpose=np.full(len(labels), PURPOSES.index("imported")),
        trajectory=np.full(len(labels), -1),
        sigma_energy=np.where(labels.sigma_energy > 0, labels.sigma_energy, noise.sigma_energy),
        sigma_forces=np.where(labels.sigma_forces > 0, labels.sigma_forces, noise.sigma_forces),
    )


def _requests(atoms: Configurations, test: Configurations, noise: Noise) -> Requests:
    purposes = [PURPOSES.index("isolated_atom"), PURPOSES.index("test")]
    return Requests(
        configurations=Configurations.concatenate([atoms, test], {}),
        purpose=np.repeat(purposes, [len(atoms), len(test)]).astype(np.uint8),
        trajectory=np.full(len(atoms) + len(test), -1, dtype=np.int32),
        sigma_energy=noise.sigma_energy,
        sigma_forces=noise.sigma_forces,
    )


def _without_members(labels: Labels, species: list[int]) -> Checkpoint:
    """The checkpoint before any training: the energies of isolated atoms, fixed for good."""
    rows = np.flatnonzero(labels.purpose == PURPOSES.index("isolated_atom"))
    energies = {int(labels[int(row)].numbers[0]): float(labels.energy[row]) for row in rows}
    missing = [number for number in species if not np.isfinite(energies.get(number, np.nan))]
    if missing:
        raise InvalidInput(
            f"the oracle gave no energy for isolated atoms of atomic numbers {missing}",
            where="seed",
            next_step="look at the calls in generations/seed/calls.json, change oracle.settings",
        )
    return null_checkpoint(np.array(species), np.array([energies[n] for n in species]))


if __name__ == "__main__":
    run("seed", seed)
