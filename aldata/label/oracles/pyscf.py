"""PySCF: Kohn-Sham DFT for molecules, with analytic forces.

Sun et al., J. Chem. Phys. 153, 024109 (2020). PySCF's own ASE class is not used: it starts from the
last density, is bound to one composition, and its stress has the wrong factor.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from aldata.artifacts.calls import Geometry
from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles.dispersion import d3bj, require_d3bj
from aldata.label.oracles.protocol import Answer, OracleFailure
from aldata.records import Record
from aldata.units import (
    ANGSTROM_PER_BOHR,
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
)

INSTALL = "pip install pyscf"
UNIVERSAL_AUXILIARY_BASIS = "def2-universal-jkfit"
"""Fitting basis where PySCF has none for an orbital basis; it would build one per element."""

FINEST_GRID = 9
TIGHTEST_CONV_TOL = 1e-12
"""SCF energy tolerance (Hartree) below which rounding keeps large molecules from converging."""


class PyscfSettings(Record):
    """A level of theory of PySCF. RKS without unpaired electrons, UKS with them."""

    xc: str = Field(default="pbe", description="exchange-correlation functional, as PySCF names it")
    basis: str = Field(default="def2-svp", description="orbital basis, as PySCF names it")
    density_fit: bool = Field(
        default=True, description="resolution of the identity for Coulomb terms"
    )
    auxiliary_basis: str | None = Field(
        default=None,
        description="fitting basis; null: PySCF's choice, or else def2-universal-jkfit; either "
        "is written into the level of theory",
    )
    grid_level: int = Field(
        default=2, ge=0, le=9, description="integration grid, PySCF's level 0 to 9"
    )
    conv_tol: float = Field(
        default=1e-8, gt=0, le=1e-4, description="SCF energy tolerance (Hartree)"
    )
    max_cycle: int = Field(
        default=50, ge=1, description="SCF cycles before a call counts as failed"
    )
    initial_guess: Literal["minao", "atom", "huckel"] = Field(
        default="minao", description="density that the SCF starts from, as PySCF names it"
    )
    dispersion: Literal["d3bj"] | None = Field(
        default=None, description="Grimme's D3 with Becke-Johnson damping, or null"
    )


class Pyscf:
    """Molecules by PySCF; a fresh molecule and SCF start for every call."""

    SETTINGS: ClassVar[type[Record]] = PyscfSettings

    def __init__(self, settings: PyscfSettings) -> None:
        self.settings = settings

    def resolved(self) -> Self:
        """With PySCF's choice of the fitting basis spelled out. Raises OracleUnavailable."""
        self._require()
        if not self.settings.density_fit:
            return type(self)(self.settings.model_copy(update={"auxiliary_basis": None}))
        return type(self)(self.settings.model_copy(update={"auxiliary_basis": self._auxiliary}))

    def theory(self) -> dict[str, Any]:
        """Code, method, basis sets, grid, tolerances and dispersion."""
        s = self.settings
        return {
            "code": "pyscf",
            "method": "Kohn-Sham",
            "reference": "RKS; UKS with unpaired electrons",
            "xc": s.xc.lower(),
            "basis": s.basis.lower(),
            "effective_core_potential": "of the basis, for elements that it has one for",
            "density_fit": s.density_fit,
            "auxiliary_basis": self._auxiliary if s.density_fit else None,
            "grid_level": s.grid_level,
            "grid": "Treutler-Ahlrichs radial, Lebedev angular, NWChem pruning",
            "grid_response_in_forces": False,
            "conv_tol_hartree": s.conv_tol,
            "conv_tol_gradient_hartree": float(np.sqrt(s.conv_tol)),
            "max_cycle": s.max_cycle,
            "scf": f"DIIS from the {s.initial_guess} guess",
            "dispersion": s.dispersion,
        }

    def tighter(self) -> Self:
        """Two grid levels up and a hundredth of the SCF tolerance, with twice the cycles for it."""
        s = self.settings
        finer = {
            "grid_level": min(s.grid_level + 2, FINEST_GRID),
            "conv_tol": min(s.conv_tol, max(s.conv_tol / 100, TIGHTEST_CONV_TOL)),
        }
        if finer == {name: getattr(s, name) for name in finer}:
            raise OracleUnavailable(
                "PySCF has no finer grid, and its SCF no tighter tolerance that it can reach",
                where="oracle.settings",
                expected=f"grid_level below {FINEST_GRID} or conv_tol above {TIGHTEST_CONV_TOL:g}",
            )
        finer["max_cycle"] = 2 * s.max_cycle
        return type(self)(s.model_copy(update=finer))

    def restarted(self) -> Self:
        """From superposed atomic densities instead of the minimal basis, or the reverse."""
        other = "atom" if self.settings.initial_guess == "minao" else "minao"
        return type(self)(self.settings.model_copy(update={"initial_guess": other}))

    def version(self) -> str:
        """Versions of pyscf and, with dispersion, of dftd3."""
        names = ["pyscf", *(["dftd3"] if self.settings.dispersion else [])]
        return ", ".join(f"{name} {_version(name)}" for name in names)

    def preload(self) -> tuple[str, ...]:
        """PySCF takes one to two seconds to import, a part of it only when forces are asked for."""
        modules = ("pyscf.dft", "pyscf.df.grad.rks", "pyscf.df.grad.uks", "pyscf.__all__", "ase")
        return modules + (("dftd3.interface",) if self.settings.dispersion else ())

    def check(self, configurations: Sequence[Configuration]) -> list[str]:
        """Elements without a basis, periodic frames, and electron numbers that do not fit spins."""
        self._require()
        problems = {}
        for c in configurations:
            if np.any(c.pbc):
                problems["pbc"] = (
                    "the oracle pyscf computes molecules: a configuration is periodic "
                    "(espresso, cp2k, gpaw, abinit, or pyscf_cells for small cells)"
                )
            electrons = int(c.numbers.sum()) - c.charge
            if electrons < max(1, c.spin) or (electrons - c.spin) % 2:
                problems[f"{electrons} {c.spin}"] = (
                    f"{_formula(c)} with charge {c.charge} has {electrons} electrons: "
                    f"{c.spin} of them cannot be unpaired"
                )
        elements = sorted({int(n) for c in configurations for n in c.numbers})
        fitting = [self._auxiliary] if self.settings.density_fit else []
        for basis in (self.settings.basis, *fitting):
            missing = [symbol for symbol in _symbols(elements) if not _has(basis, symbol)]
            if missing:
                problems[basis] = f"the basis {basis} has no {', '.join(missing)}"
        return list(problems.values())

    def label(self, configuration: Configuration, directory: Path) -> Answer:
        """Energy and analytic forces; files `input.json` and `output.txt` (PySCF's log)."""
        _write_input(directory, self.settings, configuration)
        molecule = self._molecule(configuration, str(directory / "output.txt"))
        try:
            field = self._mean_field(molecule)
            energy = converged_energy(field)
            gradient = np.array(field.nuc_grad_method().kernel(), dtype=np.float64)
        finally:
            molecule.stdout.close()
        if self.settings.dispersion == "d3bj":
            more_energy, more_gradient = d3bj(configuration, self.settings.xc)
            energy, gradient = energy + more_energy, gradient + more_gradient
        return Answer(
            energy=energy * EV_PER_HARTREE,
            forces=-gradient * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
            converged=True,
            proof=proof_of(field),
            scf_steps=int(field.cycles),
        )

    def _molecule(self, configuration: Configuration, output: str) -> Any:
        from pyscf import gto

        atoms = zip(
            _symbols(configuration.numbers),
            (configuration.positions / ANGSTROM_PER_BOHR).tolist(),
            strict=True,
        )
        return gto.M(
            atom=list(atoms),
            unit="Bohr",
            basis=self.settings.basis,
            ecp=self._core_potentials(configuration),
            charge=configuration.charge,
            spin=configuration.spin,
            symmetry=False,
            verbose=4,
            output=output,
        )

    def _mean_field(self, molecule: Any) -> Any:
        from pyscf import dft

        field = (dft.RKS if molecule.spin == 0 else dft.UKS)(molecule, xc=self.settings.xc)
        if self.settings.density_fit:
            field = field.density_fit(auxbasis=self._auxiliary)
        field.grids.level = self.settings.grid_level
        field.conv_tol = self.settings.conv_tol
        field.max_cycle = self.settings.max_cycle
        field.init_guess = self.settings.initial_guess
        return field

    def _core_potentials(self, configuration: Configuration) -> dict[str, str]:
        """The basis set's own core potential for each element that it has one for."""
        from pyscf import gto
        from pyscf.lib.exceptions import BasisNotFoundError

        found = {}
        for symbol in sorted(set(_symbols(configuration.numbers))):
            try:
                if gto.basis.load_ecp(self.settings.basis, symbol):
                    found[symbol] = self.settings.basis
            except (BasisNotFoundError, KeyError, RuntimeError):
                continue  # an all-electron basis for this element
        return found

    @cached_property
    def _auxiliary(self) -> str:
        if self.settings.auxiliary_basis:
            return self.settings.auxiliary_basis.lower()
        from pyscf import gto
        from pyscf.df.addons import predefined_auxbasis

        hydrogen = gto.M(atom="H", spin=1, basis="sto-3g", verbose=0)
        chosen = predefined_auxbasis(hydrogen, self.settings.basis, self.settings.xc)
        return chosen.lower() if isinstance(chosen, str) else UNIVERSAL_AUXILIARY_BASIS

    def _require(self) -> None:
        """Raise OracleUnavailable unless PySCF is here and knows the functional and the basis."""
        try:
            from pyscf.dft import libxc
        except ImportError:
            raise OracleUnavailable(
                "PySCF is not installed", where="oracle: pyscf", next_step=INSTALL
            ) from None
        try:
            libxc.parse_xc(self.settings.xc)
        except (KeyError, ValueError):
            raise OracleUnavailable(
                f"PySCF knows no functional '{self.settings.xc}'",
                where="oracle.settings.xc",
                expected="a name of pyscf.dft.libxc, such as pbe, r2scan, b3lyp",
            ) from None
        if not any(_has(self.settings.basis, symbol) for symbol in ("H", "Si", "Cu")):
            raise OracleUnavailable(
                f"PySCF knows no basis '{self.settings.basis}'",
                where="oracle.settings.basis",
                expected="a name of pyscf.gto.basis, such as def2-svp, def2-tzvp, 6-31g*",
            )
        if self.settings.dispersion == "d3bj":
            require_d3bj(self.settings.xc)


def _has(basis: str, symbol: str) -> bool:
    """Whether PySCF has this basis for this element."""
    from pyscf import gto
    from pyscf.lib.exceptions import BasisNotFoundError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice to install another package, on every miss
        try:
            return bool(gto.basis.load(basis, symbol))
        except (BasisNotFoundError, KeyError, RuntimeError):
            return False


def converged_energy(field: Any) -> float:
    """Energy of a PySCF mean field in Hartree. Raises OracleFailure unless its SCF converged."""
    energy = float(field.kernel())
    if not field.converged:
        raise OracleFailure("not_converged", f"SCF not converged in {field.max_cycle} cycles")
    return energy


def proof_of(field: Any) -> dict[str, Any]:
    """What says that the SCF of a mean field converged."""
    return {
        "by": "mf.converged",
        "cycles": int(field.cycles),
        "conv_tol_hartree": float(field.conv_tol),
    }


def _write_input(directory: Path, settings: PyscfSettings, configuration: Configuration) -> None:
    content = {"settings": settings.content(), "geometry": Geometry.of(configuration).content()}
    (directory / "input.json").write_text(json.dumps(content, indent=1))


def _symbols(numbers: Any) -> list[str]:
    from ase.data import chemical_symbols

    return [chemical_symbols[int(number)] for number in numbers]


def _formula(configuration: Configuration) -> str:
    from ase.formula import Formula

    return str(Formula.from_list(_symbols(configuration.numbers)).format("hill"))


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "of unknown version"
