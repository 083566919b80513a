"""Train the same potential with aldata and with mace-torch, and compare wall time and test errors.

    python benchmarks/training.py [--data FILE] [--test FILE] [--epochs 40 150 400] [--json FILE]

Three ways, alternating, each in a process of its own with one thread:

* `aldata`: one member of an ensemble, as `aldata.train` trains it, with the closed-form last layer;
* `mace`: `mace_run_train` as it comes;
* `mace, no profiling`: the same with TorchScript's profiling executor off.

Equal: the frames (100 to train on, the next 10 to validate with), isolated-atom energies, architecture,
float32, batch size 5, number of epochs. The time is that of the whole process, from start to the
finished model; `ratio` is over aldata's, once of wall seconds and once of CPU seconds, which other
programs on the machine hardly change; errors are those on the test file, computed afterwards.

Different: each has the optimiser settings that suit it. aldata: its defaults (high learning rate with
a cosine decay over the given number of steps, last layer by ridge regression), early stop off so that
the number of epochs is the same. mace_run_train: its defaults (Adam with amsgrad at learning rate
0.01, loss weights 1 and 100), with what its README recommends: exponential moving average of 0.99 and
stage two (energies weighted up in the last quarter). Its plot is switched off.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read, write

from aldata import digest
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Labels, geometry_columns
from aldata.train.settings import TrainSettings

DATA = Path(__file__).parents[2] / "shared/data/acetylacetone"
BATCH = 5
MACE = "from mace.cli.run_train import main; main()"
WAYS = {
    "aldata": None,
    "mace": MACE,
    "mace, no profiling": f"import torch; torch._C._jit_set_profiling_executor(False); {MACE}",
}


def labels_of(frames: Sequence[Atoms]) -> Labels:
    """Labels from frames that `ase.io.read` gave energies and forces (no stress)."""
    n, geometry = len(frames), geometry_columns([from_atoms(atoms) for atoms in frames])
    zero, ids = np.zeros(n), geometry["configuration_id"]
    return Labels(
        **geometry,
        call_id=ids,
        result_digest=ids,
        status=zero,
        failure=zero,
        purpose=zero,
        trajectory=zero - 1,
        energy=np.array([atoms.get_potential_energy() for atoms in frames]),
        forces=np.concatenate([atoms.get_forces() for atoms in frames]),
        stress=np.full((n, 6), np.nan),
        sigma_energy=zero,
        sigma_forces=zero,
        attributes={"theory_id": digest.of_json("benchmark")},
    )


def isolated_energies(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Atomic numbers, ascending, and E0 in eV from a file of single atoms."""
    found = {int(a.numbers[0]): float(a.get_potential_energy()) for a in read(file, ":")}
    numbers = sorted(found)
    return np.array(numbers), np.array([found[z] for z in numbers])


def train_with_aldata(folder: Path, epochs: int) -> None:
    """The whole job of one aldata process."""
    from aldata.store import write as save
    from aldata.train import TrainingFrames, train

    frames = read(folder / "train.xyz", ":")
    valid = read(folder / "valid.xyz", ":")
    numbers, isolated = isolated_energies(folder / "isolated.xyz")
    roles = ["train"] * len(frames) + ["valid"] * len(valid)
    data = TrainingFrames(labels_of([*frames, *valid]), roles, numbers, isolated, "00" * 32)
    steps = epochs * -(-len(frames) // BATCH)
    settings = TrainSettings(members=1, steps=steps, batch_size=BATCH, patience=1.0)
    trained = train(data, settings, [0], lambda function, jobs: [function(job) for job in jobs])
    save(folder / "checkpoint.zarr", trained.checkpoint)


def mace_arguments(folder: Path, epochs: int) -> list[str]:
    """The command line of `mace_run_train` for aldata's architecture."""
    a = TrainSettings().architecture
    numbers, isolated = isolated_energies(folder / "isolated.xyz")
    energies = {int(z): float(e) for z, e in zip(numbers, isolated, strict=True)}
    options = {
        "name": "mace",
        "work_dir": folder,
        "train_file": folder / "train.xyz",
        "valid_file": folder / "valid.xyz",
        "E0s": energies,
        "energy_key": "REF_energy",
        "forces_key": "REF_forces",
        "model": "ScaleShiftMACE",
        "interaction": "RealAgnosticResidualInteractionBlock",
        "interaction_first": "RealAgnosticResidualInteractionBlock",
        "hidden_irreps": f"{a.channels}x0e",
        "MLP_irreps": f"{a.readout}x0e",
        "radial_MLP": a.radial_mlp,
        "num_radial_basis": a.bessel,
        "num_cutoff_basis": a.cutoff_power,
        "num_interactions": a.interactions,
        "max_ell": a.max_ell,
        "correlation": a.correlation,
        "r_max": a.cutoff,
        "batch_size": BATCH,
        "valid_batch_size": BATCH,
        "max_num_epochs": epochs,
        "ema_decay": 0.99,
        "default_dtype": "float32",
        "device": "cpu",
        "seed": 0,
        "plot": False,
    }
    return [f"--{key}={value}" for key, value in options.items()] + ["--ema", "--swa"]


def timed(way: str, folder: Path, epochs: int) -> tuple[float, float]:
    """Wall and CPU seconds of one training in its own process."""
    code = WAYS[way]
    if code is None:
        command = [__file__, "--train-here", str(folder), "--epochs", str(epochs)]
    else:
        command = ["-c", code, *mace_arguments(folder, epochs)]
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with (folder / "output.txt").open("w") as output:
        subprocess.run(
            [sys.executable, *command],
            check=True,
            cwd=folder,
            env={**os.environ, **threads},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def prediction(way: str, folder: Path, test: Sequence[Atoms]) -> tuple[np.ndarray, np.ndarray]:
    """Energies (frame,) in eV and forces (atom, 3) in eV/A of the trained model."""
    if way == "aldata":
        from aldata.artifacts.checkpoints import Checkpoint
        from aldata.potentials import Committee
        from aldata.store import read as load

        committee = Committee.from_checkpoint(load(folder / "checkpoint.zarr", Checkpoint))
        found = committee.predict(labels_of(test))
        return found.energy, found.forces
    from mace.calculators import MACECalculator

    models = [folder / "mace_stagetwo.model", folder / "mace.model"]
    model = next(path for path in models if path.exists())
    calculator = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float32")
    energies, forces = [], []
    for atoms in test:
        calculator.calculate(atoms)
        energies.append(calculator.results["energy"])
        forces.append(calculator.results["forces"])
    return np.array(energies), np.concatenate(forces)


def errors(way: str, folder: Path, test: Sequence[Atoms]) -> dict[str, float]:
    """RMSE of the energy in meV per atom and of the force components in meV/A."""
    energy, forces = prediction(way, folder, test)
    wanted = labels_of(test)
    per_atom = (energy - wanted.energy) / wanted.row_size
    return {
        "energy_rmse": 1e3 * float(np.sqrt((per_atom**2).mean())),
        "force_rmse": 1e3 * float(np.sqrt(((forces - wanted.forces) ** 2).mean())),
    }


def prepare(folder: Path, arguments: argparse.Namespace) -> None:
    """Write the files that every way reads."""
    frames = read(arguments.data, f":{arguments.frames + 10}")
    for atoms in frames:
        atoms.info = {"REF_energy": atoms.get_potential_energy()}
        atoms.arrays["REF_forces"] = atoms.get_forces()
    folder.mkdir()
    write(folder / "train.xyz", frames[: arguments.frames])
    write(folder / "valid.xyz", frames[arguments.frames :])
    write(folder / "isolated.xyz", read(arguments.isolated, ":"))


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All ways at all lengths, alternating; prints each as it ends."""
    test, rows = read(arguments.test, ":100"), []
    print(
        f"{'epochs':>6} {'way':18}{'wall s':>9}{'CPU s':>8}{'meV/atom':>10}{'meV/A':>7}"
        f"{'ratio':>7}{'of CPU':>8}"
    )
    for epochs in arguments.epochs:
        for way in WAYS:
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / "run"
                prepare(folder, arguments)
                seconds, cpu = timed(way, folder, epochs)
                found = errors(way, folder, test)
            if way == "aldata":
                own, own_cpu = seconds, cpu
            ratios = {"ratio": seconds / own, "cpu_ratio": cpu / own_cpu}
            row = {"epochs": epochs, "way": way, "seconds": seconds, "cpu_seconds": cpu}
            rows.append({**row, **found, **ratios})
            print(
                f"{epochs:6d} {way:18}{seconds:9.1f}{cpu:8.1f}{found['energy_rmse']:10.2f}"
                f"{found['force_rmse']:7.1f}{ratios['ratio']:7.2f}{ratios['cpu_ratio']:8.2f}",
                flush=True,
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA / "train_300K.xyz")
    parser.add_argument("--test", type=Path, default=DATA / "test_MD_300K.xyz")
    parser.add_argument("--isolated", type=Path, default=DATA / "isolated_atoms.xyz")
    parser.add_argument("--frames", type=int, default=100, help="frames to train on")
    parser.add_argument("--epochs", type=int, nargs="+", default=[40, 150, 400])
    parser.add_argument("--json", type=Path, help="write the table to this file")
    parser.add_argument("--train-here", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.train_here:
        train_with_aldata(arguments.train_here, arguments.epochs[0])
        return
    missing = [p for p in (arguments.data, arguments.test, arguments.isolated) if not p.exists()]
    if missing:
        sys.exit(f"no such file: {', '.join(map(str, missing))}. Give --data, --test, --isolated.")
    rows = measure(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
