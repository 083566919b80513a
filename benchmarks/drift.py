"""Drift of the total energy of microcanonical dynamics on a trained committee.

    python benchmarks/drift.py --project demo [--generation g003] [--timesteps 0.25 0.5]
        [--starts 4] [--picoseconds 3] [--json FILE]

The committee's mean in float32, as explore runs it; labelled frames to start from, each equilibrated by
Langevin dynamics at 300 K, then velocity Verlet (`ensemble: nve`). Of each start the straight line through
the total energy is the drift, and what is left the fluctuation. The standard error is that of the mean
over the starts: one trajectory's own says nothing, since its energies are correlated.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from exploration_parts.subjects import subjects

TEMPERATURE = 300.0


def energies(arguments: argparse.Namespace, timestep: float) -> list[Any]:
    """Total energy per atom (eV) of every step of every start, which advance side by side."""
    from aldata.explore.lockstep import together
    from aldata.potentials import Committee

    checkpoint, starts = subjects(arguments)
    shared = Committee.from_checkpoint(checkpoint).calculator()
    rows = range(arguments.starts)
    return together(
        [partial(moved, arguments, timestep, shared, starts[k % len(starts)], k) for k in rows]
    )


def moved(
    arguments: argparse.Namespace, timestep: float, shared: Any, start: Any, seed: int, ask: Any
) -> Any:
    """One start, whose questions are asked by `ask`."""
    import numpy as np

    from aldata.artifacts.conversion import to_atoms
    from aldata.explore import MolecularDynamics
    from aldata.explore.integrators import advance, equilibrating, sampling

    atoms = to_atoms(start)
    atoms.calc = shared.asking(ask)
    settings = MolecularDynamics(ensemble="nve", timestep=timestep)
    motion = equilibrating(atoms, settings, TEMPERATURE, np.random.default_rng(seed))
    for _ in range(round(arguments.equilibration * 1000 / timestep)):
        advance(motion)
    verlet, found = sampling(atoms, settings, TEMPERATURE, 0.0, motion.rng), []
    for _ in range(round(arguments.picoseconds * 1000 / timestep)):
        advance(verlet)
        found.append(atoms.calc.results["energy"] + atoms.get_kinetic_energy())
    return np.array(found) / len(atoms)


def drifts(arguments: argparse.Namespace, timestep: float) -> dict[str, float]:
    """Drift (eV per atom and ns) with its standard error, and the fluctuation (meV per atom)."""
    import numpy as np

    slopes, rest = [], []
    for seed, found in enumerate(energies(arguments, timestep)):
        nanoseconds = np.arange(len(found)) * timestep * 1e-6
        line = np.polyfit(nanoseconds, found, 1)
        slopes.append(line[0])
        rest.append((found - np.polyval(line, nanoseconds)).std())
        print(
            f"{timestep:g} fs, start {seed}: {slopes[-1]:+.5f} eV per atom and ns, "
            f"fluctuation {1e3 * rest[-1]:.4f} meV per atom",
            flush=True,
        )
    return {
        "timestep_fs": timestep,
        "drift": float(np.mean(slopes)),
        "standard_error": float(np.std(slopes, ddof=1) / len(slopes) ** 0.5),
        "fluctuation_meV": 1e3 * float(np.mean(rest)),
    }


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--project", required=True)
    parser.add_argument("--generation", default="g003")
    parser.add_argument("--timesteps", type=float, nargs="+", default=[0.25, 0.5])
    parser.add_argument("--starts", type=int, default=4)
    parser.add_argument("--picoseconds", type=float, default=3.0)
    parser.add_argument("--equilibration", type=float, default=0.25, help="picoseconds")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    if arguments.starts < 2:
        parser.error("--starts: at least 2, or there is no standard error")
    return arguments


def main() -> None:
    """Measure, and print a table in Markdown."""
    import torch

    torch.set_num_threads(1)
    arguments = parsed()
    found = [drifts(arguments, timestep) for timestep in arguments.timesteps]
    print("| time step (fs) | drift (eV per atom and ns) | fluctuation (meV per atom) |")
    print("|---|---|---|")
    for row in found:
        drift, error = row["drift"], row["standard_error"]
        print(
            f"| {row['timestep_fs']:g} | {drift:+.5f} ± {error:.5f} | {row['fluctuation_meV']:.4f} |"
        )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
