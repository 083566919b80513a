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
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from exploration_parts.subjects import subject
from exploration_parts.ways import COPIES, WAYS

ROOT = Path(__file__).parents[1]
PARTS = 5
"""Parts of a run: the least of them is what a core can do."""


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


def compared(arguments: argparse.Namespace) -> dict[str, Any]:
    """Least CPU time per step of every way, and the throughput of replicas."""
    costs: dict[str, list[float]] = {}
    pairs: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        commands = {way: command(arguments, way) for way in WAYS}
        if arguments.torch_sim is not None:
            from exploration_parts.torch_sim import torch_sim_commands

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
    wall, cpu = (
        statistics.median(pair[key] for pair in found["replicas"]) for key in ("wall", "cpu")
    )
    marks = ["pass" if ok else "MISS" for ok in (ratio <= 1.3, wall >= 1.8)]
    lines += [
        "",
        f"* {marks[0]}  monitored over plain MD of one model: {ratio:.2f} (<= 1.3)",
        f"* {marks[1]}  two replicas over one, wall time, median of the rounds: {wall:.2f} (>= 1.8); "
        f"by CPU time {cpu:.2f}",
        *(
            f"* {COPIES} replicas of the sampler on two workers, {way}: {min(times):.2f} s of wall time"
            for way, times in found["sampler"].items()
        ),
    ]
    return "\n".join(lines)


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
    if arguments.steps < 10 * PARTS:
        parser.error(f"--steps: at least {10 * PARTS}, a candidate in each of {PARTS} parts")
    if arguments.way:
        child(arguments)
        return
    if arguments.bias:
        from exploration_parts.bias import bias_study

        bias_study(arguments)
        return
    found = compared(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    print(report(found))


if __name__ == "__main__":
    main()
