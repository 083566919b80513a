"""A verb whose results change must say so: its number in `params.BEHAVIOUR` must rise.

A project does not contain the library's code: its stages depend on these numbers instead. Here every verb
runs on a small fixed input; its results and default settings are compared with recorded ones
(`behaviour.json`). Where they differ on purpose: raise the verb's number in `aldata/params/model.py`, then

    python tests/test_behaviour.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from aldata import digest, params
from aldata.acquire import STRATEGIES, AcquireSettings, Pool, acquire
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.documents import Noise
from aldata.artifacts.frames import Candidates, Labels, as_configurations
from aldata.calibrate import CalibrateSettings, calibrate
from aldata.curate import CurateSettings, Lineage, curate
from aldata.describe import DescribeSettings, describe
from aldata.evaluate import errors
from aldata.explore import Context, ExploreSettings, MolecularDynamics, explore
from aldata.label import LabelSettings, Requests, label, resolve
from aldata.ledger import Ledger
from aldata.noise import measure, moves
from aldata.params.model import SETTINGS
from aldata.seed import SeedSettings, displaced

RECORDED = Path(__file__).with_name("behaviour.json")
SPECIES = [29, 79]


def here(function: Callable[[Any], Any], jobs: Sequence[Any], /) -> list[Any]:
    """Run jobs in this process."""
    return [function(job) for job in jobs]


@dataclass(frozen=True)
class Cycle:
    """One small turn of the cycle with EMT; its results by verb."""

    results: dict[str, list[float]]


def turned(folder: Path) -> Cycle:
    from aldata.potentials import Committee
    from aldata.train import TrainingFrames, TrainSettings, train

    cell = bulk("Au", "fcc", a=4.0, cubic=True)
    cell.symbols[0] = "Cu"
    structures = as_configurations([from_atoms(cell)])
    first = displaced(structures, SeedSettings(candidates=10), 1)
    theory = resolve("emt", {})
    answers, _ = label(
        Requests.of(first, "acquired"), theory, Ledger(folder), LabelSettings(), here
    )
    nothing = Lineage(manifests=[], labels=Labels.empty(answers.attributes))
    manifest = curate(answers, nothing, CurateSettings(), "g000", SPECIES, 2)
    settings = TrainSettings(steps=20, members=2)
    roles = ["valid" if k % 4 == 3 else "train" for k in range(len(answers))]
    frames = TrainingFrames(answers, roles, np.array(SPECIES), np.zeros(2), manifest.digest)
    checkpoint = train(frames, settings, [3, 4], here).checkpoint
    predictions = Committee.from_checkpoint(checkpoint).predict(first)
    short = MolecularDynamics(
        steps=4, equilibration=1, interval=1, replicas=1, temperatures=[300.0]
    )
    context = Context(starts=structures, checkpoint=checkpoint, run=here, calculator=emt)
    walks = explore(ExploreSettings(samplers=[short]), 5, context)
    vectors = describe(first, DescribeSettings(), SPECIES)
    noise = Noise(theory_id=theory.id, sigma_energy=0.0, sigma_forces=0.0, source="none")
    probe = answers.take([3, 7])
    probe = Labels.from_arrays({**probe.arrays, "purpose": np.ones(2)}, probe.attributes)
    factors = calibrate(predictions, probe, noise, CalibrateSettings(minimum_probe=1), None, "g000")
    entries = {entry.configuration: entry.role for entry in manifest.entries}
    found = errors(predictions, answers)
    return Cycle(
        {
            "noise": _noise(answers),
            "seed": [float(first.positions.sum()), float(first.cell.sum())],
            "label": [*answers.energy.tolist(), float(np.abs(answers.stress).sum())],
            "curate": [["train", "valid", "probe"].index(entries[i]) for i in answers.ids],
            "train": [
                float(np.mean(predictions.energy)),
                float(found["forces_rmse_meV_per_A"] or 0),
            ],
            "explore": [float(walks.positions.sum()), float(np.abs(walks.positions).sum())],
            "describe": np.abs(vectors.descriptor).sum(axis=1)[:8].tolist(),
            "acquire": [float(k) for k in _picks(first, predictions, vectors)],
            "calibrate": [float(factors.forces.mean_z2 or 0)],
            "evaluate": [float(found["energy_mae_meV_per_atom"] or 0), float(found["atoms"] or 0)],
        }
    )


def emt(_: Any) -> Any:
    """A calculator in place of the committee: chaos would amplify the last bits of float32."""
    from ase.calculators.emt import EMT

    return EMT()


def _noise(answers: Labels) -> list[float]:
    """The estimates from answers that stand in for each other, and the places asked about."""
    base, tight = answers.take(range(5)), answers.take(range(5, 10))
    moved = moves(base, 1)
    found = measure(base, tight, tight, moved)
    keys = ("sigma_energy", "sigma_forces", "offset_energy_per_atom")
    return [*(float(found[key]) for key in keys), float(moved.configurations.positions.sum())]


def _picks(first: Candidates, predictions: Any, vectors: Any) -> list[int]:
    pool = Pool(candidates=vectors, training=vectors.take([0]), predictions=predictions)
    found = []
    # a model's last bits differ between processors, and with them what its strategies pick
    for strategy in sorted(s for s in STRATEGIES if STRATEGIES[s].needs == "nothing"):
        selection = acquire(pool, AcquireSettings(strategy=strategy, batch=5), 6)
        found += [first.ids.index(identity) for identity in selection.ids]
    return found


def _defaults() -> dict[str, str]:
    """Default settings count as behaviour: a project need not name them."""
    return {verb: digest.of_json(record().content()) for verb, record in SETTINGS.items()}


ABSOLUTE = 1e-6


def tolerance_of(verb: str) -> float:
    """Relative tolerance: float32 training differs in the last digits between processors."""
    return 0.05 if verb in {"train", "calibrate", "evaluate"} else 1e-5


@pytest.fixture(scope="module")
def recorded() -> Any:
    return json.loads(RECORDED.read_text())


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Cycle:
    return turned(tmp_path_factory.mktemp("ledger"))


@pytest.mark.parametrize("verb", [v for v in params.BEHAVIOUR if v != "record"])
def test_results_change_only_with_the_behaviour_number(
    verb: str, recorded: Any, now: Cycle
) -> None:
    entry = recorded[verb]
    assert entry["behaviour"] == params.BEHAVIOUR[verb], f"record it: python {__file__}"
    np.testing.assert_allclose(
        now.results[verb],
        entry["results"],
        rtol=tolerance_of(verb),
        atol=ABSOLUTE,
        err_msg=f"{verb} gives other results: raise its number in params.BEHAVIOUR",
    )


@pytest.mark.parametrize("verb", SETTINGS)
def test_defaults_change_only_with_the_behaviour_number(verb: str, recorded: Any) -> None:
    assert _defaults()[verb] == recorded[verb]["defaults"], (
        f"the defaults of {verb} changed: raise its number in params.BEHAVIOUR"
    )


def _alike(verb: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    if old["behaviour"] != new["behaviour"] or old["defaults"] != new["defaults"]:
        return False
    if len(old["results"]) != len(new["results"]):
        return False
    return np.allclose(new["results"], old["results"], rtol=tolerance_of(verb), atol=ABSOLUTE)


def main() -> None:
    """Record the present results; refuse where they changed and the number did not."""
    with tempfile.TemporaryDirectory() as folder:
        results = turned(Path(folder)).results
    defaults = _defaults()
    old = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    new = {
        verb: {
            "behaviour": params.BEHAVIOUR[verb],
            "results": results[verb],
            "defaults": defaults.get(verb),
        }
        for verb in results
    }
    changed = [
        verb
        for verb in new
        if verb in old
        and old[verb]["behaviour"] == new[verb]["behaviour"]
        and not _alike(verb, old[verb], new[verb])
    ]
    if changed and "--unreleased" not in sys.argv:
        sys.exit(f"raise the number of {', '.join(changed)} first (--unreleased: nobody has them)")
    kept = {v: old[v] for v in new if v in old and _alike(v, old[v], new[v])}
    new |= kept
    RECORDED.write_text(json.dumps(new, indent=1) + "\n")


if __name__ == "__main__":
    main()
