"""Any ASE calculator, by import path and keywords."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from aldata.artifacts.calls import Geometry
from aldata.artifacts.conversion import to_atoms
from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles.protocol import Answer, OracleFailure
from aldata.records import Record, merged

NOT_CONVERGED = ("not converge", "unconverged", "convergence not achieved", "no convergence")
"""Texts by which calculators say that their iterations did not converge."""


class AseSettings(Record):
    """An ASE calculator and its keywords."""

    calculator: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$",
        description="import path of a calculator class, such as ase.calculators.emt.EMT",
    )
    keywords: dict[str, Any] = Field(default_factory=dict, description="its keyword arguments")
    tighter: dict[str, Any] | None = Field(
        default=None,
        description="keywords with less numerical noise, laid over `keywords` by `aldata noise`; {} "
        "for a calculator that is exact but for rounding",
    )
    other_start: dict[str, Any] = Field(
        default_factory=dict,
        description="keywords that start its iterations elsewhere, laid over `keywords` by "
        "`aldata noise`",
    )
    reads_charge_and_spin: bool = Field(
        default=False,
        description="whether it takes charge and unpaired electrons from atoms.info; otherwise "
        "charged configurations and molecules with unpaired electrons are refused",
    )


class Ase:
    """Energy, forces and, for periodic cells, stress of an ASE calculator, new for every call."""

    SETTINGS: ClassVar[type[Record]] = AseSettings

    def __init__(self, settings: AseSettings) -> None:
        self.settings = settings

    def resolved(self) -> Self:
        """Itself: the keywords are the level of theory. Raises OracleUnavailable."""
        self._class()
        return self

    def theory(self) -> dict[str, Any]:
        """Calculator, its keywords, and the package that it comes from."""
        return {
            "code": self.settings.calculator,
            "package": self._package()[0],
            "keywords": self.settings.keywords,
            "reads_charge_and_spin": self.settings.reads_charge_and_spin,
        }

    def tighter(self) -> Self:
        """With the keywords that the user calls tighter. Raises OracleUnavailable without them."""
        if self.settings.tighter is None:
            raise OracleUnavailable(
                f"nobody said which keywords make {self.settings.calculator} tighter",
                where="oracle.settings.tighter",
                expected="keywords with smaller tolerances or finer grids, such as {accuracy: 0.01}, "
                "or {} for a calculator that is exact but for rounding",
                next_step="add oracle.settings.tighter to params.yaml (no call is repeated for it)",
            )
        return self._with(self.settings.tighter)

    def restarted(self) -> Self:
        """With the keywords that the user calls another start."""
        return self._with(self.settings.other_start)

    def _with(self, keywords: dict[str, Any]) -> Self:
        changed = {"keywords": merged(self.settings.keywords, keywords)}
        return type(self)(self.settings.model_copy(update=changed))

    def version(self) -> str:
        """Versions of the calculator's package and of ASE."""
        package, exact = self._package()
        own = f"{package} {exact}"
        return own if package == "ase" else f"{own}, ase {version('ase')}"

    def preload(self) -> tuple[str, ...]:
        """The module of the calculator."""
        return ("ase", self.settings.calculator.rpartition(".")[0])

    def check(self, configurations: Sequence[Configuration]) -> list[str]:
        """Charge and spin that the calculator would ignore without a word."""
        self._class()
        if self.settings.reads_charge_and_spin:
            return []
        charged = sum(c.charge != 0 for c in configurations)
        unpaired = sum(c.spin != 0 and len(c) > 1 for c in configurations)
        ending = f"which {self.settings.calculator} is not told (reads_charge_and_spin)"
        problems = []
        if charged:
            problems.append(f"{charged} configurations are charged, {ending}")
        if unpaired:
            problems.append(f"{unpaired} configurations have unpaired electrons, {ending}")
        return problems

    def label(self, configuration: Configuration, directory: Path) -> Answer:
        """What the calculator says; file `input.json`, and whatever the calculator writes."""
        from ase.calculators.calculator import CalculatorSetupError

        content = {"settings": self.settings.content(), "geometry": Geometry.of(configuration)}
        text = json.dumps(content, indent=1, default=lambda record: record.content())
        (directory / "input.json").write_text(text)
        atoms = to_atoms(configuration)
        try:
            atoms.calc = self._class()(**self.settings.keywords)
            if hasattr(atoms.calc, "directory"):
                atoms.calc.directory = str(directory)
            energy = float(atoms.get_potential_energy())
            forces = np.array(atoms.get_forces(), dtype=np.float64)
            stress = _stress(atoms) if configuration.pbc.all() else None
        except CalculatorSetupError as problem:
            raise OracleFailure("refused_input", str(problem)) from problem
        except (RuntimeError, ArithmeticError) as problem:
            if _says_not_converged(problem):
                raise OracleFailure("not_converged", str(problem)) from problem
            raise
        proof = {"by": "the calculator ended without an error; it shows no other proof"}
        return Answer(energy=energy, forces=forces, stress=stress, converged=True, proof=proof)

    def _class(self) -> Any:
        module, _, name = self.settings.calculator.rpartition(".")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as problem:
            raise OracleUnavailable(
                f"the calculator cannot be imported: {problem}",
                where=f"oracle.settings.calculator: {self.settings.calculator}",
                next_step=f"pip install {module.split('.')[0]}, or correct the import path",
            ) from None

    def _package(self) -> tuple[str, str]:
        """Name and version of the distribution that the calculator comes from."""
        return _package_of(self.settings.calculator.split(".")[0])


@lru_cache(maxsize=8)
def _package_of(top: str) -> tuple[str, str]:
    """Distribution and version of a top-level module; one look at all installed ones takes 0.2 s."""
    for name in packages_distributions().get(top, [top]):
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return top, str(getattr(importlib.import_module(top), "__version__", "0"))


def _stress(atoms: Any) -> Any:
    """Voigt stress in eV/A^3, or None where the calculator has none."""
    from ase.calculators.calculator import PropertyNotImplementedError

    try:
        return np.array(atoms.get_stress(voigt=True), dtype=np.float64)
    except PropertyNotImplementedError:
        return None


def _says_not_converged(problem: BaseException) -> bool:
    text = f"{type(problem).__name__} {problem}".lower()
    return any(phrase in text for phrase in (*NOT_CONVERGED, "convergenceerror"))
