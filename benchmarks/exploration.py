"""Steps of molecular dynamics per second: aldata's monitored trajectories beside ASE and torch-sim.

    python benchmarks/exploration.py --project demo [--generation g003] [--steps 400] [--rounds 3]
        [--torch-sim PYTHON] [--json FILE]
    python benchmarks/exploration.py --project demo --bias [--generation g001] [--steps 600] [--seeds 8]

A committee that a project has trained (`make demo` makes one: ethanol, four members) and one of its
labelled frames. Langevin dynamics at 300 K, 0.5 fs, float32, one thread per process; every way in a process
of its own, in turn, `rounds` times; models are built and warmed up before the clock starts. CPU
milliseconds per step, the least of all fifths of all rounds, tell what a core can do; wall time is told for
the replicas only.

* `one model`: ASE's Langevin with the first member alone: plain MD.
* `monitored`: what explore runs: the committee's mean, its sigma looked at every 5 steps, all checks.
* `biased`: the same with the bias of `biased_dynamics`; its pass gives the members' forces without it, too.
* `one model, 8 in one graph` and `monitored, 8 in one graph`: eight of them side by side, as explore runs a
  group of trajectories: one evaluation per step for all. CPU time is per step of each.
* `monitored, last layer`: driven by one member, whose last layer says sigma (`uncertainty: last_layer`): a
  Jacobian of its forces in float64 at every look.
* `MACE, one` and `MACE, committee`: ASE's Langevin with `mace.calculators.MACECalculator` of the same
  members, exported by `aldata.potentials.export.to_mace`; it evaluates its models one after the other.
* `torch-sim`, `torch-sim, 8 in one graph`: its NVT Langevin with the exported first member, in an
  environment of its own (`pip install torch-sim-atomistic mace-torch`), whose Python `--torch-sim` names.
* `replicas`: one `monitored` process, and two at the same time.
* `sampler`: `molecular_dynamics` with eight replicas on the workers of a local cluster of two, in groups
  (`batch_atoms` as by default) and each by itself (1): wall time, workers started before.

`--bias` asks whether `biased_dynamics` is sooner where the model does not know: for every seed two
trajectories from the same labelled frame, with the same random numbers, at 300 K, one with the bias. Sigma
is what the watch sees (the committee's, without the bias, uncalibrated), every fifth step. *high* is what
a twentieth of all frames of the plain trajectories exceed; one that never gets there counts with all its
steps. Where a trajectory is ended by the checks, the paired ratio is over the steps that both have.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COPIES = 8
"""Trajectories in one graph."""
PARTS = 5
"""Parts of a run: the least of them is what a core can do."""
TORCH_SIM = """
import sys, time, json, warnings
warnings.simplefilter("ignore")
import torch, ase.io
torch.set_num_threads(1)
import torch_sim as ts
from torch_sim.models.mace import MaceModel
langevin = getattr(ts, "nvt_langevin", None) or ts.Integrator.nvt_langevin
model_file, start, steps, copies = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
model = MaceModel(model=torch.load(model_file, weights_only=False).float(), device=torch.device("cpu"),
                  dtype=torch.float32, compute_forces=True, compute_stress=False)
atoms = ase.io.read(start)
atoms.pbc = False
atoms.cell = [50.0, 50.0, 50.0]
def run(n):
    ts.integrate(system=[atoms] * copies, model=model, integrator=langevin, n_steps=n,
                 temperature=300, timestep=0.0005)
run(5)
parts = []
for _ in range(5):
    cpu = time.process_time()
    run(steps // 5)
    parts.append((time.process_time() - cpu) / (steps // 5 * copies))
print(json.dumps({"least": min(parts)}))
"""


def subject(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The checkpoint, and a labelled frame to start from."""
    from aldata.artifacts.checkpoints import Checkpoint
    from aldata.artifacts.frames import Labels
    from aldata.store import read

    folder = Path(arguments.project) / "generations" / arguments.generation
    labels = read(folder / "labels.zarr", Labels)
    return read(folder / "checkpoint.zarr", Checkpoint), labels.take(labels.accepted)[0]


def plain(atoms: Any, steps: int) -> Callable[[], None]:
    """ASE's Langevin dynamics of atoms that have a calculator, warmed up."""
    motion = langevin(atoms, 0)
    motion.run(20)
    return lambda: motion.run(steps)


def langevin(atoms: Any, seed: int) -> Any:
    """ASE's integrator."""
    import numpy as np
    from ase import units
    from ase.md.langevin import Langevin

    return Langevin(
        atoms, 0.5 * units.fs, temperature_K=300, friction=0.02 / units.fs, fixcm=False,
        rng=np.random.default_rng(seed),
    )  # fmt: skip


def one_model(arguments: argparse.Namespace) -> Callable[[], None]:
    """The first member alone."""
    from aldata.artifacts.conversion import to_atoms
    from aldata.potentials import Committee

    checkpoint, start = subject(arguments)
    atoms = to_atoms(start)
    atoms.calc = Committee.from_checkpoint(single(checkpoint)).calculator()
    return plain(atoms, arguments.steps)


def one_model_together(arguments: argparse.Namespace) -> Callable[[], None]:
    """The first member alone, for several molecules in one graph."""
    from aldata.artifacts.conversion import to_atoms
    from aldata.explore.lockstep import together
    from aldata.potentials import Committee

    checkpoint, start = subject(arguments)
    calculator = Committee.from_checkpoint(single(checkpoint)).calculator()

    def task(seed: int, steps: int, ask: Any) -> None:
        atoms = to_atoms(start)
        atoms.calc = calculator.asking(ask)
        langevin(atoms, seed).run(steps)

    def run(steps: int) -> None:
        together([partial(task, seed, steps) for seed in range(COPIES)])

    run(20)
    return lambda: run(arguments.steps)


def single(checkpoint: Any) -> Any:
    """The first member of a checkpoint as a committee of its own."""
    return replace(
        checkpoint, weights=checkpoint.weights[:1], information=checkpoint.information[:1]
    )


def monitored(arguments: argparse.Namespace) -> Callable[[], None]:
    """A trajectory as explore runs it."""
    checkpoint, start = subject(arguments)
    return walking(arguments, checkpoint, start, "committee")


def monitored_together(arguments: argparse.Namespace) -> Callable[[], None]:
    """A group of such trajectories."""
    checkpoint, start = subject(arguments)
    return walking(arguments, checkpoint, start, "committee", copies=COPIES)


def last_layer(arguments: argparse.Namespace) -> Callable[[], None]:
    """A trajectory of one model that says sigma itself."""
    checkpoint, start = subject(arguments)
    return walking(arguments, single(checkpoint), start, "last_layer")


def biased(arguments: argparse.Namespace) -> Callable[[], None]:
    """A trajectory that sigma draws."""
    checkpoint, start = subject(arguments)
    return walking(arguments, checkpoint, start, "committee", bias=0.2)


def walking(
    arguments: argparse.Namespace,
    checkpoint: Any,
    start: Any,
    method: str,
    bias: float | None = None,
    copies: int = 1,
) -> Any:
    """Explore's own loop, with a watch that never ends it."""
    from aldata.explore import BiasedDynamics, MolecularDynamics, Trajectory, Watch
    from aldata.explore.groups import walk_together
    from aldata.explore.samplers.biased_dynamics import biased_mean
    from aldata.potentials import Committee
    from aldata.potentials.uncertainty import UncertaintySettings

    calculator = Committee.from_checkpoint(checkpoint).calculator()
    if bias is not None:
        calculator = biased_mean(checkpoint, UncertaintySettings().ridge)
    watch = Watch(
        checkpoint=checkpoint, uncertainty=UncertaintySettings(method=method), alpha=1.0, every=5,
        sigma_lo=None, sigma_hi=1e9,
    )  # fmt: skip

    def run(steps: int) -> None:
        plan: dict[str, Any] = {"steps": steps, "equilibration": 0, "interval": 10}
        settings = MolecularDynamics(**plan) if bias is None else BiasedDynamics(**plan, bias=bias)
        group = [
            Trajectory(
                start=start, temperature=300, random_seed=seed, settings=settings,
                calculator=lambda: calculator, watch=watch,
            )
            for seed in range(copies)
        ]  # fmt: skip
        for found in walk_together(group):
            if found.done != steps:
                raise SystemExit(f"the trajectory ended: {found.ended}")

    run(20)
    return lambda: run(arguments.steps)


def mace(arguments: argparse.Namespace, members: int | None) -> Callable[[], None]:
    """ASE's dynamics with mace-torch's calculator."""
    from aldata.artifacts.conversion import to_atoms
    from aldata.potentials.export import contained, to_mace

    checkpoint, start = subject(arguments)
    count = members or checkpoint.members
    models = [to_mace(checkpoint, member, "float32") for member in range(count)]
    with contained():
        from mace.calculators import MACECalculator

        calculator = MACECalculator(models=models, device="cpu", default_dtype="float32")
    atoms = to_atoms(start)
    atoms.calc = calculator
    return plain(atoms, arguments.steps)


WAYS: dict[str, Callable[[argparse.Namespace], Callable[[], None]]] = {
    "one model": one_model,
    "one model, 8 in one graph": one_model_together,
    "monitored": monitored,
    "monitored, 8 in one graph": monitored_together,
    "biased": biased,
    "monitored, last layer": last_layer,
    "MACE, one": lambda arguments: mace(arguments, 1),
    "MACE, committee": lambda arguments: mace(arguments, None),
}


def child(arguments: argparse.Namespace) -> None:
    """One way in this process; its times as JSON."""
    import torch

    torch.set_num_threads(1)
    copies = COPIES if "in one graph" in arguments.way else 1
    arguments.steps //= PARTS
    run, parts, wall = WAYS[arguments.way](arguments), [], time.perf_counter()
    for _ in range(PARTS):
        cpu = time.process_time()
        run()
        parts.append(time.process_time() - cpu)
    found = {"wall": time.perf_counter() - wall, "cpu": sum(parts)}
    least = min(parts) / arguments.steps / copies
    print(json.dumps({"steps": arguments.steps * PARTS, **found, "least": least}))


def sampler_times(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Wall seconds of the sampler with its replicas in groups and each by itself, in turn."""
    from aldata.artifacts.frames import as_configurations
    from aldata.execution import ClusterSettings, open_cluster
    from aldata.explore import Context, MolecularDynamics, committee_mean
    from aldata.explore.samplers.molecular_dynamics import molecular_dynamics

    checkpoint, start = subject(arguments)
    plan = {"temperatures": [300.0], "replicas": COPIES, "sigma_hi": 1e9, "equilibration": 10}
    ways = {"in groups": {}, "each by itself": {"batch_atoms": 1}}
    times: dict[str, list[float]] = {way: [] for way in ways}
    with open_cluster(ClusterSettings(workers=2)) as runner:
        context = Context(
            starts=as_configurations([start]), checkpoint=checkpoint, calculator=committee_mean,
            run=lambda function, jobs: runner(function, jobs, title="replicas"),
        )  # fmt: skip
        for number in range(arguments.rounds + 1):
            for way, change in ways.items():
                steps = arguments.steps if number else 20
                settings = MolecularDynamics(**plan, **change, steps=steps, interval=10)
                begun = time.perf_counter()
                found = molecular_dynamics(settings, context, 0)
                if any(one.record["steps"] != steps for one in found):
                    raise SystemExit(
                        f"a trajectory ended: {[one.record['ended'] for one in found]}"
                    )
                if number:  # the first one started the workers
                    times[way].append(time.perf_counter() - begun)
                    print(f"sampler, {way}: {times[way][-1]:.2f} s", flush=True)
    return times


def command(arguments: argparse.Namespace, way: str) -> list[str]:
    """The command of one way."""
    return [
        sys.executable, __file__, "--way", way, "--project", arguments.project, "--generation",
        arguments.generation, "--steps", str(arguments.steps),
    ]  # fmt: skip


def measured(commands: list[list[str]]) -> list[dict[str, float]]:
    """Run commands at the same time; what the last line of each says."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **one, "PYTHONPATH": paths}
    started = [
        subprocess.Popen(
            c, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        for c in commands
    ]
    found = []
    for process in started:
        output, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"{' '.join(process.args[:4])}: {errors[-2000:]}")  # type: ignore[index]
        found.append(json.loads(output.splitlines()[-1]))
    return found


def torch_sim_commands(arguments: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """The commands of torch-sim, in an environment of its own."""
    if arguments.torch_sim is None:
        return {}
    import torch
    from ase.io import write

    from aldata.artifacts.conversion import to_atoms
    from aldata.potentials.export import contained, to_mace

    checkpoint, start = subject(arguments)
    with contained():
        torch.save(to_mace(checkpoint, 0, "float32"), folder / "member.model")
    write(folder / "start.xyz", to_atoms(start))
    (folder / "run.py").write_text(TORCH_SIM)
    files = [str(folder / name) for name in ("run.py", "member.model", "start.xyz")]
    counts = {"torch-sim": 1, "torch-sim, 8 in one graph": COPIES}
    return {
        way: [arguments.torch_sim, *files, str(arguments.steps), str(copies)]
        for way, copies in counts.items()
    }


def compared(arguments: argparse.Namespace) -> dict[str, Any]:
    """Least CPU time per step of every way, and the throughput of replicas."""
    costs: dict[str, list[float]] = {}
    pairs: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        commands = {way: command(arguments, way) for way in WAYS}
        commands |= torch_sim_commands(arguments, Path(folder))
        for number in range(arguments.rounds):
            for way, words in commands.items():
                (found,) = measured([words])
                costs.setdefault(way, []).append(1000 * found["least"])
                print(f"round {number}: {way}: {costs[way][-1]:.2f} ms of CPU per step", flush=True)
            (alone,) = measured([commands["monitored"]])
            both = measured([commands["monitored"]] * 2)
            pairs.append(
                {
                    "wall": sum(b["steps"] / b["wall"] for b in both)
                    / (alone["steps"] / alone["wall"]),
                    "cpu": 2 * alone["cpu"] / sum(b["cpu"] for b in both),
                }
            )
            print(f"round {number}: replicas: {pairs[-1]}", flush=True)
    found = {way: min(values) for way, values in costs.items()}
    return {"ms": found, "replicas": pairs, "sampler": sampler_times(arguments)}


def report(found: dict[str, Any]) -> str:
    """The table and the targets, in Markdown."""
    plain_cost = found["ms"]["one model"]
    lines = [
        "| way | CPU ms per step | steps per second and core | over one model |",
        "|---|---|---|---|",
    ]
    for way, cost in found["ms"].items():
        lines.append(f"| {way} | {cost:.2f} | {1000 / cost:.0f} | {cost / plain_cost:.2f} |")
    ratio = found["ms"]["monitored"] / plain_cost
    wall, cpu = (max(pair[key] for pair in found["replicas"]) for key in ("wall", "cpu"))
    marks = ["pass" if ok else "MISS" for ok in (ratio <= 1.3, wall >= 1.8)]
    lines += [
        "",
        f"* {marks[0]}  monitored over plain MD of one model: {ratio:.2f} (<= 1.3)",
        f"* {marks[1]}  two replicas over one, wall time: {wall:.2f} (>= 1.8); "
        f"by CPU time {cpu:.2f}",
        *(
            f"* {COPIES} replicas of the sampler on two workers, {way}: {min(times):.2f} s of wall time"
            for way, times in found["sampler"].items()
        ),
    ]
    return "\n".join(lines)


def bias_study(arguments: argparse.Namespace) -> None:
    """Plain and biased trajectories of the same seeds, and when they are where sigma is high."""
    import numpy as np
    from scipy.stats import t as student

    seen = {
        name: np.array([looks(arguments, seed, name) for seed in range(arguments.seeds)])
        for name in ("plain", "biased")
    }
    level, count = np.nanquantile(seen["plain"], 0.95), seen["plain"].shape[1]
    print(f"{arguments.seeds} seeds, {5 * count} steps, high: sigma above {level:.3f} eV/A")
    for name, sigmas in seen.items():
        above = sigmas > level
        steps = 5 * (np.where(above.any(axis=1), above.argmax(axis=1), count - 1) + 1)
        share = 100 * above.sum() / np.isfinite(sigmas).sum()
        print(
            f"{name}: high first after {np.median(steps):.0f} steps (median; mean {steps.mean():.0f}), "
            f"{above.any(axis=1).sum()} of {len(steps)} ever, {share:.1f} % of the frames high"
        )
    gain = np.nanmean(np.log(seen["biased"]) - np.log(seen["plain"]), axis=1)
    half = student.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / len(gain) ** 0.5
    middle, low, high = np.exp([gain.mean(), gain.mean() - half, gain.mean() + half])
    print(f"sigma, biased over plain, paired: {middle:.2f} (95 % interval {low:.2f} to {high:.2f})")


def looks(arguments: argparse.Namespace, seed: int, name: str) -> list[float]:
    """Sigma at every fifth step of one trajectory."""
    from aldata.artifacts.frames import Labels
    from aldata.explore import BiasedDynamics, MolecularDynamics, Trajectory, Watch, walk
    from aldata.explore.samplers.biased_dynamics import biased_mean
    from aldata.potentials.uncertainty import UncertaintySettings
    from aldata.store import read

    checkpoint, _ = subject(arguments)
    labels = read(
        Path(arguments.project) / "generations" / arguments.generation / "labels.zarr", Labels
    )
    starts, method = labels.take(labels.accepted), UncertaintySettings()
    plan: dict[str, Any] = {
        "steps": arguments.steps + 100, "equilibration": 100, "interval": 5, "decorrelate": False,
    }  # fmt: skip
    found = walk(
        Trajectory(
            start=starts[seed % len(starts)],
            temperature=300,
            random_seed=seed,
            settings=MolecularDynamics(**plan) if name == "plain" else BiasedDynamics(**plan),
            calculator=lambda: biased_mean(checkpoint, method.ridge),
            watch=Watch(
                checkpoint=checkpoint, uncertainty=method, alpha=1.0, every=5, sigma_lo=None,
                sigma_hi=1e9,
            ),
        )
    )  # fmt: skip
    print(
        f"seed {seed}, {name}: largest sigma {found.largest_sigma:.3f} eV/A, {found.ended}",
        flush=True,
    )
    return found.sigmas + [math.nan] * (arguments.steps // 5 - len(found.sigmas))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--project", required=True)
    parser.add_argument("--generation", default="g003")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch-sim", metavar="PYTHON")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--bias", action="store_true")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        child(arguments)
        return
    if arguments.bias:
        bias_study(arguments)
        return
    found = compared(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    print(report(found))


if __name__ == "__main__":
    main()
