"""One strategy in one world: rounds of asking, training and measuring, each a line of a file.

A run is a file, FOLDER/STRATEGY-SEED.jsonl, which one process at a time holds (a lock that ends with the
process). What is in it is not computed again: the picks of its rounds are taken as they stand, and the
model of the last one is trained once more from its seeds, because the next question is about it.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from aldata.acquire import STRATEGIES, AcquireSettings, LastLayerBelief, Pool, acquire
from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import Calibration
from aldata.artifacts.frames import Descriptors, Labels, Predictions
from aldata.artifacts.residuals import MILLI, errors, root_mean_square
from aldata.artifacts.schema import PURPOSES
from aldata.calibrate import CalibrateSettings, calibrate, null_calibration
from aldata.describe import DescribeSettings, describe
from aldata.potentials import Committee, UncertaintySettings, predict
from aldata.train import TrainingFrames, train
from study.worlds import System, World

LAST_LAYER = UncertaintySettings(method="last_layer")
VALIDATES = 6
"""Every so many-th frame validates."""
RARE_ONLY = "rare_only"
"""No strategy, but a bound: uniform picks among the frames of the rare kinds, which nobody knows."""
Line = dict[str, Any]


@dataclass
class Run:
    """What is labelled so far, and the model it gave."""

    system: System
    world: World
    strategy: str
    changes: dict[str, Any]
    described: Descriptors
    train: Labels
    probe: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    calibration: Calibration | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def learn(self) -> None:
        """Train anew on everything that was learned from so far, and calibrate on the probe so far.

        What all runs of a world begin with is trained once.
        """
        labels = self.train
        roles = ["valid" if k % VALIDATES == VALIDATES - 1 else "train" for k in range(len(labels))]
        data = TrainingFrames(
            labels, roles, np.array(self.system.species), np.array(self.world.isolated), "00" * 32
        )
        here: Callable[[Any, Any], Any] = lambda function, jobs: [function(j) for j in jobs]  # noqa: E731
        first = None if self.asked else self.world.models.get("first")
        found = first or train(data, self.system.training, [self.world.seed], here).checkpoint
        if not self.asked:
            self.world.models["first"] = found
        self.checkpoint = found
        if self.probe:
            self.calibration = self._calibrated(found)

    def _calibrated(self, checkpoint: Checkpoint) -> Calibration:
        """On the probe frames so far; none while these are too few."""
        probe = self.world.pool.take(self.probe)
        purpose = np.full(len(probe), PURPOSES.index("probe"))
        probe = Labels.from_arrays({**probe.arrays, "purpose": purpose}, probe.attributes)
        found = predict(checkpoint, probe, LAST_LAYER)
        before = self.calibration or null_calibration("first", "0" * 64)
        noise = self.system.noise
        return calibrate(found, probe, noise, CalibrateSettings(), before, self.strategy)

    def ask(self, number: int) -> list[str]:
        """One selection by the function that the loop uses: ids, those of the probe first."""
        if self.strategy == RARE_ONLY:
            return self._of_the_rare(number)
        # the null's scores decide nothing: they need not be exact
        screen = 1 if self.strategy == "permuted" else self.system.screen
        chosen = {"strategy": self.strategy, "batch": self.system.batch, "screen": screen}
        share = self.system.probe / self.system.batch
        settings = AcquireSettings(**{**chosen, "probe": share, **self.changes})
        found = acquire(self._pool(number, settings), settings, 100 * self.world.seed + number)
        self.facts = {
            **found.attributes["facts"],
            "scores": [round(float(score), 4) for score in found.score],
        }
        return found.ids

    def _of_the_rare(self, number: int) -> list[str]:
        """The probe that all have, and uniform picks of the rare kinds, of the others behind them."""
        probe = replace(self, strategy="random").ask(number)[: self.system.probe]
        ids, rng = self.world.pool.ids, np.random.default_rng([self.world.seed, number])
        free = [row for row in range(len(ids)) if row not in self.asked and ids[row] not in probe]
        common = [self.world.kinds[row] not in self.system.rare for row in free]
        order = np.lexsort([rng.random(len(free)), common])
        return probe + [ids[free[k]] for k in order[: self.system.batch - self.system.probe]]

    def _pool(self, number: int, settings: AcquireSettings) -> Pool:
        assert self.checkpoint is not None
        pool, needs = self.world.pool, STRATEGIES[self.strategy].needs
        belief = LastLayerBelief(self.checkpoint, pool, self.train, LAST_LAYER.ridge)
        predicted = Predictions.empty({})
        if needs == "variances":
            predicted = predict(self.checkpoint, pool, LAST_LAYER)
        elif needs == "model":
            predicted = energies_alone(belief, pool)
        return Pool(
            candidates=self.described,
            training=describe(self.train, DescribeSettings(), self.system.species),
            predictions=predicted,
            known_ids=frozenset(pool.ids[row] for row in self.asked),
            belief=belief if needs != "nothing" else None,
            age=number,
            calibration=self.calibration,
            noise=self.system.noise,
            target=(settings.target.energy, settings.target.forces),
        )

    def buy(self, ids: list[str]) -> None:
        """The labels of a selection: the probe's are put aside, the others are learned from."""
        place = {identity: row for row, identity in enumerate(self.world.pool.ids)}
        rows = [place[identity] for identity in ids]
        self.asked += rows
        self.probe += rows[: self.system.probe]
        learned = self.world.pool.take(rows[self.system.probe :])
        self.train = Labels.concatenate([self.train, learned], self.train.attributes)

    def measured(self) -> Line:
        """Errors on the tests in meV/A and meV, kinds asked for so far, factors of the calibration."""
        assert self.checkpoint is not None
        committee, found = Committee.from_checkpoint(self.checkpoint), {}
        for name, labels in self.world.tests.items():
            statistics = errors(committee.predict(labels), labels)
            found[f"forces_{name}"] = statistics["forces_rmse_meV_per_A"]
            found[f"max_{name}"] = statistics["forces_max_meV_per_A"]
            found[f"energy_{name}"] = statistics["energy_rmse_meV_per_atom"]
        for name, path in self.world.paths.items():
            wrong = MILLI * (committee.predict(path.frames).energy - path.energies)
            found[f"path_{name}"] = root_mean_square(wrong - wrong.mean())
        probe = set(self.probe)
        kinds = Counter(self.world.kinds[row] for row in self.asked if row not in probe)
        factors = self.calibration and {
            "energy": self.calibration.energy.alpha,
            "forces": self.calibration.forces.alpha,
        }
        return {**found, "kinds": kinds, "alpha": factors, "facts": self.facts}


def energies_alone(belief: LastLayerBelief, pool: Labels) -> Predictions:
    """Predictions of a pool for strategies that read the belief: they decide nothing, but the variances
    of the energies are those of the belief. A Jacobian per frame is saved; the picks are the same.
    """
    atoms = len(pool.numbers)
    return Predictions(
        configuration_id=pool.configuration_id,
        row_size=pool.row_size,
        energy=np.zeros(len(pool)),
        energy_variance=belief.variances,
        forces=np.zeros((atoms, 3)),
        force_covariance=np.zeros((atoms, 3, 3)),
        attributes={
            "checkpoint": belief.checkpoint.digest,
            "members": None,
            "method": LAST_LAYER.method,
        },
    )


def read_lines(path: Path) -> list[Line]:
    """The complete rounds of a run, in order: a line that was cut off does not count."""
    found: list[Line] = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if line["round"] == len(found):
            found.append(line)
    return found


def rounds(current: Run, path: Path, count: int) -> None:
    """Rounds 0 to `count` of a run, unless the file has them, or another process is at them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{path.name}: another process is at it", flush=True)
            return
        known = read_lines(path)
        if len(known) > count:
            return
        for line in known[1:]:
            current.buy(line["ids"])
        if known:
            current.learn()
        if not f"\n{path.read_text()}".endswith("\n"):
            stream.write("\n")  # behind a line that was cut off
        for number in range(len(known), count + 1):
            _append(stream, _round(current, number))


def _round(current: Run, number: int) -> Line:
    began = time.process_time()
    ids = current.ask(number) if number else []
    current.buy(ids)
    current.learn()
    line = {
        "seed": current.world.seed,
        "strategy": current.strategy,
        "round": number,
        "calls": len(current.train) + len(current.probe),
        "ids": ids,
        **current.measured(),
    }
    return {**line, "cpu_s": round(time.process_time() - began, 1)}


def _append(stream: IO[str], line: Line) -> None:
    stream.write(json.dumps(line) + "\n")
    stream.flush()
    shown = {k: v for k, v in line.items() if not isinstance(v, (list, dict))}
    print({k: round(v, 1) if isinstance(v, float) else v for k, v in shown.items()}, flush=True)


def start(
    system: System, world: World, strategy: str, changes: dict[str, Any], described: Descriptors
) -> Run:
    """A run before its first round."""
    return Run(system, world, strategy, changes, described, world.first)


def described_pool(system: System, world: World) -> Descriptors:
    """The descriptors of a world's pool, the same for all its runs."""
    return describe(world.pool, DescribeSettings(), system.species)
