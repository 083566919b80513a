"""ASE calculators for the tests of the labelling: springs with bad habits, EMT with known noise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil
from ase.calculators.calculator import CalculationFailed, Calculator, all_changes
from ase.calculators.emt import EMT
from ase.neighborlist import neighbor_list

FAR = 50.0
"""A configuration whose first atom lies beyond this x (A) brings out the bad habit."""


class Springs(Calculator):
    """E = sum over pairs of (r^2 - 1)^2 / 2 in eV; each computation is noted in a file.

    `side`: file that gets one line per computation: pid, and the first coordinate. `seconds`: time
    that one takes. `habit`: what happens to configurations that lie far out.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, side: str, seconds: float = 0.0, habit: str = "none") -> None:
        super().__init__()
        self.side, self.seconds, self.habit = Path(side), seconds, habit

    def calculate(
        self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        far = atoms.positions[0, 0] > FAR
        with self.side.open("a") as stream:
            stream.write(f"{os.getpid()} {float(atoms.positions[0, 0])!r}\n")
        time.sleep(self.seconds)
        span = atoms.positions[:, None] - atoms.positions[None]
        stretch = (span**2).sum(axis=-1) - 1.0
        np.fill_diagonal(stretch, 0.0)
        self.results["energy"] = float((stretch**2).sum() / 4)
        self.results["forces"] = -2 * (stretch[:, :, None] * span).sum(axis=1)
        if far:
            getattr(self, self.habit)()

    def none(self) -> None:
        """No bad habit."""

    def segfault(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    def exit(self) -> None:
        os._exit(3)

    def hang(self) -> None:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        self.side.with_name("hung").write_text(f"{os.getpid()} {child.pid}")
        time.sleep(600)

    def raise_anything(self) -> None:
        raise KeyError("Ga")

    def crash_once(self) -> None:
        marker = self.side.with_name("crashed")
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def not_converge(self) -> None:
        raise CalculationFailed("SCF not converged in 2 cycles")

    def exhaust_memory(self) -> None:
        raise MemoryError("Unable to allocate 554 MiB")

    def kill_the_worker(self) -> None:
        """As a node that runs out of memory does: call, keeper and worker go at once."""
        keeper = psutil.Process().parent()
        assert keeper is not None
        os.kill(keeper.ppid(), signal.SIGKILL)
        time.sleep(600)

    def hoard(self) -> None:
        """Take more and more memory, in small pieces."""
        hoard = []
        while True:
            hoard.append(np.ones(2_000_000))
            time.sleep(0.01)

    def hoard_elsewhere(self) -> None:
        """A program that the calculator starts, and another one, take too much together."""
        script = "import time; a = bytearray(450_000_000); a[::4096] = a[1::4096]; time.sleep(600)"
        for _ in range(2):
            subprocess.Popen([sys.executable, "-c", script])
        time.sleep(600)

    def ask_for_too_much(self) -> None:
        np.zeros(400_000_000)

    def tell_threads(self) -> None:
        self.side.with_name("threads").write_text(os.environ["OMP_NUM_THREADS"])

    def fall_deep(self) -> None:
        self.results["energy"] -= 100.0

    def answer_nan(self) -> None:
        self.results["forces"][0, 0] = np.nan

    def pull_hard(self) -> None:
        self.results["forces"][:, 0] += [200.0, -200.0]

    def push_all(self) -> None:
        self.results["forces"] = self.results["forces"] + 1.0

    def print_and_warn(self) -> None:
        import warnings

        os.write(1, b"below python\n")
        warnings.warn("grid is coarse", stacklevel=2)


class Timid(EMT):
    """EMT that does not converge when two atoms of a cell are nearer than `closest` (A)."""

    def __init__(self, closest: float) -> None:
        super().__init__()
        self.closest = closest

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        if len(atoms) > 1 and neighbor_list("d", atoms, self.closest).size:
            raise CalculationFailed("SCF not converged in 60 cycles")


class Noisy(EMT):
    """EMT plus Gaussian noise of known size, drawn from the positions: same question, same answer.

    sigma_energy (eV per frame) and sigma_forces (eV/A per component); bias (eV per atom) shifts all
    energies alike. `side`: file that gets a line when a computation ends; `seconds`: time it takes;
    `failing`: share of the cells and molecules that do not converge.
    """

    def __init__(
        self,
        sigma_energy: float = 0.0,
        sigma_forces: float = 0.0,
        bias: float = 0.0,
        side: str | None = None,
        seconds: float = 0.0,
        failing: float = 0.0,
    ) -> None:
        super().__init__()
        self.failing = failing
        self.sigmas, self.bias = (sigma_energy, sigma_forces), bias
        self.side, self.seconds = side, seconds

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        time.sleep(self.seconds)
        rng = np.random.default_rng(list(atoms.positions.tobytes()))
        if len(atoms) > 1 and rng.random() < self.failing:
            raise CalculationFailed("SCF not converged in 60 cycles")
        self.results["energy"] += self.sigmas[0] * rng.normal() + self.bias * len(atoms)
        forces = self.results["forces"]
        self.results["forces"] = forces + self.sigmas[1] * rng.normal(size=forces.shape)
        if self.side:
            with Path(self.side).open("a") as stream:
                stream.write(f"{self.sigmas} {atoms.symbols} {atoms.positions.tobytes().hex()}\n")
