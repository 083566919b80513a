"""GFN-xTB by tblite: semi-empirical, milliseconds per molecule, for rehearsals and test trajectories.

Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019); Grimme et al., ibid. 13, 1989 (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles import cells
from aldata.label.oracles.programs import write_input
from aldata.label.oracles.protocol import Answer, OracleFailure
from aldata.records import Record
from aldata.units import (
    ANGSTROM_PER_BOHR,
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
)

INSTALL = "pip install tblite"
HARTREE_PER_KELVIN = 3.166811563e-6
LAST_ELEMENT = 86
LANTHANIDES = range(58, 72)
"""Treated with their f electrons in the core, as trivalent."""


class TbliteSettings(Record):
    """A GFN-xTB Hamiltonian and its iterations."""

    method: Literal["GFN2-xTB", "GFN1-xTB", "IPEA1-xTB"] = Field(
        default="GFN2-xTB", description="parametrisation"
    )
    accuracy: float = Field(
        default=0.1, gt=0, le=10, description="tblite's scale of all its tolerances"
    )
    electronic_temperature: float = Field(
        default=300.0, gt=0, description="of the electrons' Fermi distribution (K)"
    )
    max_iterations: int = Field(
        default=250, ge=1, description="iterations before a call counts as failed"
    )
    initial_guess: Literal["sad", "eeq"] = Field(
        default="sad", description="charges that the iterations start from"
    )
    allow_periodic: bool = Field(
        default=False,
        description="compute cells, at the Gamma point only: energies per atom of cells of different "
        "sizes do not compare",
    )


class Tblite:
    """Energy and forces of molecules, and of periodic cells where that is allowed by name."""

    SETTINGS: ClassVar[type[Record]] = TbliteSettings

    def __init__(self, settings: TbliteSettings) -> None:
        self.settings = settings

    def resolved(self) -> Self:
        """Itself. Raises OracleUnavailable where tblite is not installed."""
        try:
            import tblite.interface  # noqa: F401 (is it there?)
        except ImportError:
            raise OracleUnavailable(
                "tblite is not installed", where="oracle: tblite", next_step=INSTALL
            ) from None
        return self

    def theory(self) -> dict[str, Any]:
        """Hamiltonian, tolerances, electronic temperature; cells are sampled at Gamma."""
        s = self.settings
        return {
            "code": "tblite",
            "method": s.method,
            "accuracy": s.accuracy,
            "electronic_temperature_kelvin": s.electronic_temperature,
            "max_iterations": s.max_iterations,
            "initial_guess": s.initial_guess,
            "energy": "free energy, which the forces belong to",
            "cells": "Gamma point only" if s.allow_periodic else "refused",
        }

    def tighter(self) -> Self:
        """A hundredth of the tolerances."""
        return self._with(accuracy=self.settings.accuracy / 100)

    def restarted(self) -> Self:
        """From the other initial guess of the charges."""
        return self._with(initial_guess="eeq" if self.settings.initial_guess == "sad" else "sad")

    def _with(self, **changes: Any) -> Self:
        return type(self)(self.settings.model_copy(update=changes))

    def version(self) -> str:
        """Version of tblite."""
        return f"tblite {version('tblite')}"

    def preload(self) -> tuple[str, ...]:
        """The interface, and ASE's tables."""
        return ("tblite.interface", "ase.data")

    def check(self, configurations: Sequence[Configuration]) -> list[str]:
        """Cells unless allowed, elements without parameters, electrons that do not fit the spin."""
        problems = {}
        for c in configurations:
            if c.pbc.any() and not self.settings.allow_periodic:
                problems["cell"] = (
                    "tblite samples cells at the Gamma point only, so that their energy per atom "
                    "depends on their size (silicon: -41.8 eV in 2 atoms, -46.5 in 64). To compute them "
                    "all the same: oracle.settings.allow_periodic: true"
                )
            elif c.pbc.any() and not c.pbc.all():
                problems["partly"] = "tblite has no stress for frames periodic in part: use cells"
            if c.numbers.max() > LAST_ELEMENT or c.numbers.min() < 1:
                problems["element"] = (
                    f"{c.numbers.max()} is beyond xTB's last element, {LAST_ELEMENT}"
                )
            electrons = sum(3 if n in LANTHANIDES else int(n) for n in c.numbers) - c.charge
            if electrons < c.spin or (electrons - c.spin) % 2:
                problems[f"{electrons} {c.spin}"] = (
                    f"{cells.formula(c)} with charge {c.charge} and {c.spin} unpaired electrons: "
                    "the numbers do not fit"
                )
        return list(problems.values())

    def label(self, configuration: Configuration, directory: Path) -> Answer:
        """Energy, forces and, for cells, stress; files `input.json`, `output.txt` (tblite's log)."""
        from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError

        write_input(directory, self.settings, configuration)
        log: list[str] = []
        try:
            result = self._calculator(configuration, log).singlepoint()
        except TBLiteValueError as problem:
            raise OracleFailure("refused_input", str(problem)) from problem
        except TBLiteRuntimeError as problem:
            if "not converged" in str(problem):
                raise OracleFailure("not_converged", str(problem)) from problem
            if "too close" in str(problem) or "No support for" in str(problem):
                raise OracleFailure("refused_input", str(problem)) from problem
            raise
        finally:
            (directory / "output.txt").write_text("\n".join(log) + "\n")
        gradient = np.array(result["gradient"], dtype=np.float64)
        return Answer(
            energy=float(result["energy"]) * EV_PER_HARTREE,
            forces=-gradient * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
            stress=_stress(configuration, result["virial"]) if configuration.pbc.all() else None,
            converged=True,
            proof={
                "by": "tblite returned without 'SCF not converged'",
                "accuracy": self.settings.accuracy,
            },
            scf_steps=_cycles(log),
        )

    def _calculator(self, configuration: Configuration, log: list[str]) -> Any:
        from tblite.interface import Calculator

        periodic = bool(configuration.pbc.any())
        calculator = Calculator(
            self.settings.method,
            configuration.numbers,
            configuration.positions / ANGSTROM_PER_BOHR,
            float(configuration.charge),
            configuration.spin,
            configuration.cell / ANGSTROM_PER_BOHR if periodic else None,
            configuration.pbc if periodic else None,
            logger=log.append,
        )
        s = self.settings
        calculator.set("verbosity", 1)
        calculator.set("accuracy", s.accuracy)
        calculator.set("max-iter", s.max_iterations)
        calculator.set("temperature", s.electronic_temperature * HARTREE_PER_KELVIN)
        calculator.set("guess", {"sad": 0, "eeq": 1}[s.initial_guess])
        return calculator


def _stress(configuration: Configuration, virial: Any) -> Any:
    """Voigt stress (eV/A^3) of a virial (Hartree), which is dE/dstrain."""
    tensor = np.array(virial, dtype=np.float64) * EV_PER_HARTREE
    volume = abs(np.linalg.det(configuration.cell))
    return tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] / volume


def _cycles(log: list[str]) -> int | None:
    """The last number of a cycle in tblite's table of iterations."""
    first = [line.split()[0] for text in log for line in text.split("\n") if line.split()]
    numbers = [int(word) for word in first if word.isdigit()]
    return numbers[-1] if numbers else None
