"""The door to i-PI: a ring polymer on an ASE calculator, one step at a time.

i-PI is asked from a process of its own and from within a folder of its own: it keeps its state in module
variables, takes over signals, and writes files where it is. (Kapil et al., Comput. Phys. Commun. 236, 214
(2019); Litman et al., J. Chem. Phys. 161, 062504 (2024).)
"""

from __future__ import annotations

from collections import OrderedDict
from copy import deepcopy
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aldata.errors import InvalidParameters

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

INSTALL = "pip install 'aldata[path_integrals]'"
START = "start.xyz"
LARGE = 1e4
"""Edge of the cell that i-PI is told of (A). It plays no part: the calculator has the real one."""

INPUT = """\
<simulation verbosity='quiet' threading='false' safe_stride='1000000000'>
  <output prefix='ring'></output>
  <prng><seed> {seed} </seed></prng>
  <ffdirect name='model'><pes> dummy </pes></ffdirect>
  <system>
    <initialize nbeads='{beads}'>
      <file mode='xyz' units='angstrom'> {start} </file>
      <velocities mode='thermal' units='kelvin'> {temperature!r} </velocities>
    </initialize>
    <forces><force forcefield='model'> </force></forces>
    <ensemble><temperature units='kelvin'> {temperature!r} </temperature></ensemble>
    <motion mode='dynamics'>
      <fixcom> False </fixcom>
      <dynamics mode='nvt'>
        <timestep units='femtosecond'> {timestep!r} </timestep>
        <thermostat mode='pile_l'><tau units='femtosecond'> {tau!r} </tau></thermostat>
      </dynamics>
    </motion>
  </system>
</simulation>
"""
"""Path-integral Langevin equation: Ceriotti et al., J. Chem. Phys. 133, 124104 (2010)."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Of a ring polymer: beads, temperature (K), time step (fs), friction of the centroid (1/fs)."""

    beads: int
    temperature: float
    timestep: float
    friction: float
    random_seed: int


def require_ipi(where: str) -> None:
    """Raise InvalidParameters unless i-PI is installed."""
    if find_spec("ipi") is None:
        raise InvalidParameters("i-PI is not installed", where=where, next_step=INSTALL)


class Ring:
    """A ring polymer of `atoms`, all beads in one place, with thermal velocities.

    Files are written in the current folder. Its random numbers depend on the seed only.
    """

    def __init__(self, atoms: Atoms, calculator: Calculator, conditions: Conditions) -> None:
        from ipi.scripting import InteractiveSimulation

        _write_start(atoms)
        text = INPUT.format(
            seed=conditions.random_seed % 2**31,
            beads=conditions.beads,
            start=START,
            temperature=float(conditions.temperature),
            timestep=float(conditions.timestep),
            tau=1.0 / conditions.friction,
        )
        self._simulation = InteractiveSimulation(text)
        self._driver = Driver(atoms, calculator, 2 * conditions.beads)
        self._simulation.fflist["model"].driver = self._driver
        self._system = self._simulation.syslist[0]
        self._steps = 0

    def step(self) -> None:
        """Move all beads by one time step."""
        self._simulation.run_step(self._steps)
        self._steps += 1

    def beads(self) -> list[Atoms]:
        """Every bead, with its results: its energy (eV), forces (eV/A) and what else the model gave."""
        places = np.asarray(self._system.beads.q)
        return [self._driver.at(place) for place in places]

    @property
    def temperature(self) -> float:
        """Kinetic temperature of all beads together, in K."""
        return float(self._simulation.properties("temperature"))

    @property
    def kinetic_energy(self) -> float:
        """Kinetic energy of the nuclei by the centroid virial, in eV: quantum mechanics' own.

        (Herman, Bruskin and Berne, J. Chem. Phys. 76, 5150 (1982).)
        """
        return float(self._simulation.properties("kinetic_cv"))


class Driver:
    """What i-PI asks for energy and forces. It remembers the last answers: nothing is computed twice."""

    def __init__(self, atoms: Atoms, calculator: Calculator, remembered: int) -> None:
        self._atoms = atoms.copy()
        self._calculator = calculator
        self._remembered = remembered
        self._answers: OrderedDict[bytes, dict[str, Any]] = OrderedDict()

    def __call__(self, _cell: Any, positions: Any) -> list[Any]:
        """Energy, forces and a virial of zero (at constant volume nobody asks), in atomic units."""
        from ase import units

        found = self._asked(positions)
        energy = found["energy"] / units.Hartree
        forces = np.asarray(found["forces"], dtype=float) * (units.Bohr / units.Hartree)
        return [float(energy), forces, np.zeros((3, 3)), ""]

    def at(self, positions: Any) -> Atoms:
        """The atoms at these positions (Bohr), with the results there."""
        from ase import units
        from ase.calculators.singlepoint import SinglePointCalculator

        atoms = self._atoms.copy()
        atoms.positions = np.reshape(positions, (-1, 3)) * units.Bohr
        atoms.calc = SinglePointCalculator(atoms)
        atoms.calc.results = self._asked(positions)
        return atoms

    def _asked(self, positions: Any) -> dict[str, Any]:
        from ase import units

        places = np.ascontiguousarray(np.reshape(positions, (-1, 3)), dtype=float)
        key = places.tobytes()
        if key not in self._answers:
            atoms = self._atoms.copy()
            atoms.positions = places * units.Bohr
            atoms.calc = self._calculator
            atoms.get_forces()
            # some calculators fill the same arrays again
            self._answers[key] = deepcopy(self._calculator.results)
            while len(self._answers) > self._remembered:
                self._answers.popitem(last=False)
        return self._answers[key]


def _write_start(atoms: Atoms) -> None:
    head = f"# CELL(abcABC): {LARGE} {LARGE} {LARGE} 90.0 90.0 90.0 positions{{angstrom}} cell{{angstrom}}"
    rows = [
        f"{symbol} {x!r} {y!r} {z!r}"
        for symbol, (x, y, z) in zip(atoms.symbols, atoms.positions.tolist(), strict=True)
    ]
    Path(START).write_text("\n".join([str(len(atoms)), head, *rows]) + "\n", encoding="utf-8")
