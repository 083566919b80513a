"""Does asking well pay? Every strategy against random, on a biased pool with analytic labels.

    python benchmarks/asking.py --folder FOLDER [--seeds 5] [--rounds 4] [--strategies NAME ...]
                                [--table FILE]

A cluster of six copper and two gold atoms with EMT, every label with Gaussian noise of known size. The
pool is biased: 540 frames of molecular dynamics at 300 K, 60 at 1200 K; the model begins with 12 labels at
300 K. In each round a strategy asks for 12 labels: two of them are the random probe, which is never trained
on but counted in the budget; then one model is trained anew (the same budget of steps for all, uncertainty
by its last layer) and calibrated on the probe frames so far. Tests: 100 frames at 300 K and 100 at 1200 K
of other trajectories, without noise.

Everything random has a seed; a pair of runs with the same seed has the same pool, first labels, test
frames, noise and initial weights. What is compared is the logarithm of the error over that of `random` with
the same seed; the interval is Student's t over the seeds. `permuted` is the null: the default's scores on
shuffled frames. If its interval does not hold 1, the comparison has a mistake in it, or bad luck.

Each round of each run is a line of FOLDER/rounds.jsonl. Started again, it leaves complete runs as they are
and makes an incomplete one again from its seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.emt import EMT
from ase.cluster import Octahedron
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from scipy.stats import t as student

from aldata.acquire import STRATEGIES, AcquireSettings, LastLayerBelief, Pool, acquire
from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.documents import Calibration, Noise
from aldata.artifacts.frames import Configurations, Labels, Predictions, geometry_columns
from aldata.artifacts.residuals import errors
from aldata.artifacts.schema import PURPOSES
from aldata.calibrate import CalibrateSettings, calibrate, null_calibration
from aldata.describe import DescribeSettings, describe
from aldata.potentials import Architecture, Committee, UncertaintySettings, predict
from aldata.train import TrainingFrames, TrainSettings, train

SPECIES = [29, 79]
COLD, HOT = 300.0, 1200.0
POOL = {COLD: 540, HOT: 60}
TEST = 100
FIRST, BATCH, PROBE = 12, 12, 2
NOISE = Noise(theory_id="EMT", sigma_energy=4e-3, sigma_forces=1e-2, source="made")
LAST_LAYER = UncertaintySettings(method="last_layer")
TRAINING = TrainSettings(
    members=1,
    steps=400,
    validate_every=100,
    architecture=Architecture(channels=8, radial_mlp=[32, 32]),
)
MEASURES = {
    "forces, 300 K": "cold",
    "forces, 1200 K": "hot",
    "largest force error, 1200 K": "hot_max",
}


def trajectory(temperature: float, frames: int, seed: int) -> list[Atoms]:
    """Frames of Langevin dynamics, 100 fs apart, after 2 ps; a cluster that evaporates starts anew."""
    rng = np.random.default_rng(seed)
    found: list[Atoms] = []
    while len(found) < frames:
        cluster = Octahedron("Cu", 3, cutoff=1)
        atoms = Atoms(cluster.numbers[:8], cluster.positions[:8])
        atoms.numbers[rng.choice(8, 2, replace=False)] = 79
        atoms.calc = EMT()
        MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
        motion = Langevin(atoms, 4 * units.fs, temperature_K=temperature, friction=0.05, rng=rng)
        motion.run(500)
        while len(found) < frames and atoms.get_all_distances().max() < 9.0:
            motion.run(25)
            found.append(Atoms(atoms.numbers, atoms.positions.copy()))
    return found


def labelled(frames: Sequence[Atoms], seed: int | None, purpose: str = "acquired") -> Labels:
    """EMT's energies and forces; with a seed, the noise of the frame added: the same whenever asked."""
    geometry = geometry_columns([from_atoms(atoms) for atoms in frames])
    energies, forces = [], []
    for atoms, identity in zip(frames, geometry["configuration_id"], strict=True):
        copy = atoms.copy()
        copy.calc = EMT()
        energy, force = copy.get_potential_energy(), copy.get_forces()
        if seed is not None:
            rng = np.random.default_rng([seed, *identity[:8].tolist()])
            energy += NOISE.sigma_energy * rng.normal()
            force = force + NOISE.sigma_forces * rng.normal(size=force.shape)
        energies.append(energy)
        forces.append(force)
    n = len(frames)
    return Labels(
        **geometry,
        call_id=geometry["configuration_id"],
        result_digest=geometry["configuration_id"],
        status=np.zeros(n),
        failure=np.zeros(n),
        purpose=np.full(n, PURPOSES.index(purpose)),
        trajectory=np.full(n, -1),
        energy=np.array(energies),
        forces=np.concatenate(forces),
        stress=np.full((n, 6), np.nan),
        sigma_energy=np.full(n, NOISE.sigma_energy),
        sigma_forces=np.full(n, NOISE.sigma_forces),
        attributes={"theory_id": "EMT"},
    )


@dataclass(frozen=True)
class World:
    """What all runs with one seed share: pool, first labels and tests."""

    seed: int
    pool: Labels
    first: Labels
    tests: dict[str, Labels]
    models: dict[int, Checkpoint] = field(default_factory=dict)

    @classmethod
    def of(cls, seed: int) -> World:
        frames = [
            atoms
            for place, (temperature, count) in enumerate(POOL.items())
            for atoms in trajectory(temperature, count, 10 * seed + place)
        ]
        first = trajectory(COLD, FIRST, 10 * seed + 5)
        tests = {
            name: labelled(trajectory(temperature, TEST, 10 * seed + place), None)
            for name, temperature, place in (("cold", COLD, 7), ("hot", HOT, 8))
        }
        return cls(seed, labelled(frames, seed), labelled(first, seed), tests)


@dataclass
class Run:
    """One strategy in one world: what is labelled, and the model it gave."""

    world: World
    strategy: str
    train: Labels
    probe: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    calibration: Calibration | None = None

    def trained(self) -> Checkpoint:
        """Train anew on everything that was learned from so far; every sixth frame validates.

        What all runs begin with is trained once.
        """
        count = len(self.train)
        if count in self.world.models:
            return self.world.models[count]
        roles = ["valid" if k % 6 == 5 else "train" for k in range(count)]
        data = TrainingFrames(self.train, roles, np.array(SPECIES), np.zeros(2), "00" * 32)
        here: Callable[[Any, Any], Any] = lambda function, jobs: [function(j) for j in jobs]  # noqa: E731
        found = train(data, TRAINING, [self.world.seed], here).checkpoint
        if count == FIRST:
            self.world.models[count] = found
        return found

    def calibrated(self) -> Calibration:
        """On the probe frames so far; the factors of the round before while these are too few."""
        assert self.checkpoint is not None
        probe = self.world.pool.take(self.probe)
        purpose = np.full(len(probe), PURPOSES.index("probe"))
        probe = Labels.from_arrays({**probe.arrays, "purpose": purpose}, probe.attributes)
        found = predict(self.checkpoint, probe, LAST_LAYER)
        before = self.calibration or null_calibration("first", "0" * 64)
        return calibrate(found, probe, NOISE, CalibrateSettings(), before, self.strategy)

    def ask(self, described: Any, number: int) -> None:
        """One selection by the function that the loop uses, and its labels."""
        assert self.checkpoint is not None
        pool, first = self.world.pool, describe(self.train, DescribeSettings(), SPECIES)
        needs_predictions = STRATEGIES[self.strategy].needs != "nothing"
        predictions = Predictions.empty({})
        if needs_predictions:
            predictions = predict(self.checkpoint, pool, LAST_LAYER)
        belief = LastLayerBelief(self.checkpoint, pool, self.train, LAST_LAYER.ridge)
        whole = Pool(
            candidates=described,
            training=first,
            predictions=predictions,
            known_ids=frozenset(pool.ids[row] for row in self.asked),
            belief=belief if needs_predictions else None,
            age=number,
            calibration=self.calibration,
            noise=NOISE,
            target=(1e-3, 2e-2),
        )
        settings = AcquireSettings(
            strategy=self.strategy, batch=BATCH, probe=PROBE / BATCH, screen=150
        )
        found = acquire(whole, settings, 100 * self.world.seed + number)
        place = {identity: row for row, identity in enumerate(pool.ids)}
        rows = [place[identity] for identity in found.ids]
        self.asked += rows
        self.probe += [row for row, probe in zip(rows, found.probe, strict=True) if probe]
        learned = [row for row, probe in zip(rows, found.probe, strict=True) if not probe]
        self.train = Labels.concatenate([self.train, pool.take(learned)], pool.attributes)

    def measured(self) -> dict[str, float]:
        """Errors on the tests, in meV/A and meV per atom; the share of hot frames among the asked."""
        assert self.checkpoint is not None
        committee, found = Committee.from_checkpoint(self.checkpoint), {}
        for name, labels in self.world.tests.items():
            statistics = errors(committee.predict(labels), labels)
            found[name] = statistics["forces_rmse_meV_per_A"]
            found[f"{name}_max"] = statistics["forces_max_meV_per_A"]
            found[f"{name}_energy"] = statistics["energy_rmse_meV_per_atom"]
        hot = [row for row in self.asked if row >= POOL[COLD]]
        return {**found, "hot_asked": len(hot)}


def rounds_of(path: Path) -> list[dict[str, Any]]:
    """All complete lines: one that was cut off in the middle does not count."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def run(world: World, strategy: str, rounds: int, path: Path, described: Configurations) -> None:
    """All rounds of a run, unless the file has them; a round that it has is not written again."""
    known = [r for r in rounds_of(path) if (r["seed"], r["strategy"]) == (world.seed, strategy)]
    if len({r["round"] for r in known}) > rounds:
        return
    current = Run(world, strategy, world.first)
    for number in range(rounds + 1):
        began = time.perf_counter()
        if number:
            current.ask(described, number)
        current.checkpoint = current.trained()
        if current.probe:
            current.calibration = current.calibrated()
        line = {
            "seed": world.seed,
            "strategy": strategy,
            "round": number,
            "labels": FIRST + len(current.asked),
            "seconds": round(time.perf_counter() - began, 1),
            **current.measured(),
        }
        if number not in {r["round"] for r in known}:
            with path.open("a") as stream:
                stream.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of paired ratios and its 95 % interval (Student's t of the logarithms)."""
    logs = np.log(np.asarray(ratios))
    half = student.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    return tuple(float(np.exp(v)) for v in (logs.mean(), logs.mean() - half, logs.mean() + half))


def table(lines: list[dict[str, Any]]) -> str:
    """Errors of the last round of all seeds and their paired ratios to `random`, in Markdown."""
    done: dict[int, int] = {}
    for line in lines:
        if line["strategy"] == "random":
            done[line["seed"]] = max(line["round"], done.get(line["seed"], 0))
    last = min(done.values())
    at_end = {(r["strategy"], r["seed"]): r for r in lines if r["round"] == last}
    seeds = sorted(seed for strategy, seed in at_end if strategy == "random")
    names = [s for s in STRATEGIES if all((s, seed) in at_end for seed in seeds)]
    head = ["strategy", "hot frames asked for"]
    for title in MEASURES:
        head += [f"{title} (meV/A)", "over random"]
    rows = []
    for name in names:
        row = [f"`{name}`", f"{np.mean([at_end[name, s]['hot_asked'] for s in seeds]):.1f}"]
        for key in MEASURES.values():
            row.append(f"{np.mean([at_end[name, s][key] for s in seeds]):.0f}")
            ratios = [at_end[name, s][key] / at_end["random", s][key] for s in seeds]
            mean, low, high = interval(ratios)
            row.append("1" if name == "random" else f"{mean:.2f} ({low:.2f} - {high:.2f})")
        rows.append(row)
    labels = at_end["random", seeds[0]]["labels"]
    text = f"{len(seeds)} paired seeds, {labels} labels each, probe included:\n\n"
    lines_ = [head, ["---"] * len(head), *rows]
    return text + "\n".join("| " + " | ".join(cells) + " |" for cells in lines_) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    parser.add_argument("--table", type=Path, help="where to write the table, in Markdown")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / "rounds.jsonl"
    for seed in range(given.seeds):
        world = World.of(seed)
        described = describe(world.pool, DescribeSettings(), SPECIES)
        for strategy in given.strategies:
            run(world, strategy, given.rounds, path, described)
    found = table(rounds_of(path))
    print(found)
    if given.table:
        given.table.write_text(found)


if __name__ == "__main__":
    main()
