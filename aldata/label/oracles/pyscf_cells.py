"""PySCF for cells: Gaussian orbitals and GTH pseudopotentials, Coulomb terms by FFT.

Sun et al., J. Chem. Phys. 153, 024109 (2020). Of PySCF's ways to the Coulomb terms only this one
has gradients for a list of k-points, and a stress. Its own ASE class multiplies that with a wrong factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles import cells
from aldata.label.oracles.kpoints import KPoints
from aldata.label.oracles.place import Place
from aldata.label.oracles.programs import write_input
from aldata.label.oracles.protocol import Answer, OracleFailure
from aldata.label.oracles.pseudopotentials import load
from aldata.label.oracles.pyscf import (
    INSTALL,
    TIGHTEST_CONV_TOL,
    converged_energy,
    proof_of,
)
from aldata.records import Record
from aldata.units import (
    ANGSTROM_PER_BOHR,
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
)


class PyscfCellsSettings(Record):
    """A level of theory of PySCF for cells with a gap: integer occupations, no smearing."""

    ke_cutoff: float = Field(gt=0, description="kinetic-energy cutoff of the FFT mesh (Hartree)")
    kpoints: KPoints = Field(description="k-points of periodic cells")
    xc: Literal["pbe", "lda,vwn", "blyp", "pbesol"] = Field(
        default="pbe", description="functional, as PySCF names it"
    )
    basis: str = Field(
        default="gth-dzvp-molopt-sr", description="orbital basis for GTH, as PySCF names it"
    )
    pseudo: Literal["gth-pbe", "gth-pade", "gth-blyp"] = Field(
        default="gth-pbe", description="pseudopotentials, as PySCF names them"
    )
    conv_tol: float = Field(
        default=1e-9, gt=0, le=1e-5, description="SCF energy tolerance (Hartree per cell)"
    )
    max_cycle: int = Field(
        default=50, ge=1, description="SCF cycles before a call counts as failed"
    )
    initial_guess: Literal["minao", "atom"] = Field(
        default="minao", description="density that the SCF starts from, as PySCF names it"
    )
    box: float = Field(
        default=9.0, gt=0, description="edge of the cube around molecules and isolated atoms (A)"
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        self.kpoints.of_equal_weight()
        return self


class PyscfCells:
    """Energy, forces and stress of cells by PySCF; a fresh cell and SCF start for every call."""

    SETTINGS: ClassVar[type[Record]] = PyscfCellsSettings

    def __init__(self, settings: PyscfCellsSettings) -> None:
        self.settings = settings

    def resolved(self) -> Self:
        """Itself. Raises OracleUnavailable where PySCF is not installed."""
        try:
            import pyscf.pbc.gto  # noqa: F401 (is it there?)
        except ImportError:
            raise OracleUnavailable(
                "PySCF is not installed", where="oracle: pyscf_cells", next_step=INSTALL
            ) from None
        return self

    def theory(self) -> dict[str, Any]:
        """Functional, basis, pseudopotentials, mesh, explicit k-points, tolerances."""
        s = self.settings
        return {
            "code": "pyscf",
            "method": "Kohn-Sham, periodic",
            "reference": "KRKS; KUKS with unpaired electrons",
            "xc": s.xc,
            "basis": s.basis,
            "pseudopotentials": s.pseudo,
            "coulomb": "FFT",
            "ke_cutoff_hartree": s.ke_cutoff,
            "kpoints": [list(point) for point in s.kpoints.explicit()],
            "conv_tol_hartree": s.conv_tol,
            "max_cycle": s.max_cycle,
            "scf": f"DIIS from the {s.initial_guess} guess",
            "symmetry": "none",
            "molecules": {"box_angstrom": s.box, "kpoints": "Gamma"},
        }

    def tighter(self) -> Self:
        """A hundredth of the SCF tolerance; the mesh stays. Raises OracleUnavailable."""
        s = self.settings
        if s.conv_tol <= TIGHTEST_CONV_TOL:
            raise OracleUnavailable(
                "PySCF reaches no tighter tolerance",
                where="oracle.settings.conv_tol",
                expected=f"more than {TIGHTEST_CONV_TOL:g}",
            )
        tight = max(s.conv_tol / 100, TIGHTEST_CONV_TOL)
        return self._with(conv_tol=tight, max_cycle=2 * s.max_cycle)

    def restarted(self) -> Self:
        """From superposed atomic densities instead of the minimal basis, or the reverse."""
        other = "atom" if self.settings.initial_guess == "minao" else "minao"
        return self._with(initial_guess=other)

    def _with(self, **changes: Any) -> Self:
        return type(self)(self.settings.model_copy(update=changes))

    def version(self) -> str:
        """Version of PySCF."""
        return f"pyscf {version('pyscf')}"

    def preload(self) -> tuple[str, ...]:
        """PySCF takes one to two seconds to import, a part of it only when forces are asked for."""
        return (
            "pyscf.pbc.dft",
            "pyscf.pbc.grad.krks",
            "pyscf.pbc.grad.kuks",
            "pyscf.__all__",
            "ase",
        )

    def check(self, configurations: Sequence[Configuration]) -> list[str]:
        """Shapes, elements without a pseudopotential, charged cells, electrons and spin."""
        problems = cells.shape_problems(configurations, self.settings.box)
        place, valence = Place.here(), {}
        for element in cells.elements(configurations):
            try:
                valence[element] = load(element, self.settings.pseudo, place).valence
            except OracleUnavailable as problem:
                problems.append(problem.what)
        if any(c.charge and c.pbc.all() for c in configurations):
            problems.append("a charged cell: pyscf_cells computes neutral cells only")
            configurations = [c for c in configurations if not (c.charge and c.pbc.all())]
        if any(c.spin and c.pbc.all() for c in configurations):
            problems.append("a cell with unpaired electrons: pyscf_cells computes none")
        return problems + cells.electron_problems(configurations, valence, False)

    def label(self, configuration: Configuration, directory: Path) -> Answer:
        """Energy, analytic forces and stress; files `input.json` and `output.txt` (PySCF's log)."""
        for problem in self.check([configuration]):
            raise OracleFailure("refused_input", problem)
        write_input(directory, self.settings, configuration)
        cell = self._cell(configuration, str(directory / "output.txt"))
        try:
            field = self._mean_field(cell, configuration)
            energy = converged_energy(field)
            gradients = field.nuc_grad_method()
            gradient = np.array(gradients.kernel(), dtype=np.float64)
            periodic = bool(configuration.pbc.all())
            tensor = np.array(gradients.get_stress(), dtype=np.float64) if periodic else None
        finally:
            cell.stdout.close()
        return Answer(
            energy=energy * EV_PER_HARTREE,
            forces=-gradient * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
            stress=None if tensor is None else _voigt(tensor),
            converged=True,
            proof=proof_of(field),
            scf_steps=int(field.cycles),
        )

    def _cell(self, configuration: Configuration, output: str) -> Any:
        from pyscf.pbc import gto

        s = self.settings
        positions = (configuration.positions / ANGSTROM_PER_BOHR).tolist()
        return gto.M(
            a=cells.cell_of(configuration, s.box) / ANGSTROM_PER_BOHR,
            atom=list(zip(cells.symbols(configuration.numbers), positions, strict=True)),
            unit="Bohr",
            basis=s.basis,
            pseudo=s.pseudo,
            ke_cutoff=s.ke_cutoff,
            charge=configuration.charge,
            spin=configuration.spin,
            verbose=4,
            output=output,
        )

    def _mean_field(self, cell: Any, configuration: Configuration) -> Any:
        from pyscf.pbc import dft

        s = self.settings
        points = cells.kpoints_of(configuration, s.kpoints).of_equal_weight()
        kind = dft.KUKS if configuration.spin else dft.KRKS
        field = kind(cell, cell.get_abs_kpts(np.array(points)))
        field.xc, field.conv_tol, field.max_cycle = s.xc, s.conv_tol, s.max_cycle
        field.init_guess = s.initial_guess
        return field


def _voigt(tensor: Any) -> Any:
    """Voigt stress (eV/A^3) of PySCF's, which is dE/dstrain / volume in Hartree/Bohr^3."""
    scaled = tensor * EV_PER_HARTREE / ANGSTROM_PER_BOHR**3
    return scaled[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
