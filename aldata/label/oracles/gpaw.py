"""GPAW: plane waves and the projector augmented-wave method, in a Python environment of its own.

Mortensen et al., J. Chem. Phys. 160, 092503 (2024).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, StringConstraints, model_validator

from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles import cells, gpaw_run
from aldata.label.oracles.kpoints import KPoints
from aldata.label.oracles.place import Place
from aldata.label.oracles.process import ProcessOracle
from aldata.label.oracles.programs import Ended, banner
from aldata.label.oracles.protocol import Answer, OracleFailure
from aldata.records import Record

RUN = Path(gpaw_run.__file__)
SMEARINGS = {"fd": "fermi-dirac", "mv": "marzari-vanderbilt"}
ATOM_WIDTH = 0.05
"""Width (eV) of the Fermi smearing of isolated atoms, whose degenerate orbitals would not converge
with fixed occupations. The energies of isolated atoms are references only."""

REFUSED = ("too close", "GridBoundsError", "GPAW cannot", "PAW dataset")
"""Parts of the messages with which GPAW refuses what it was given."""

ROUNDED = 1.03
"""The log has two digits of logarithms."""

Kind = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.+-]+$")]


class GpawSettings(Record):
    """A level of theory of GPAW in its plane-wave mode. Energies in eV, as GPAW has them."""

    cutoff: float = Field(gt=0, description="plane-wave cutoff (eV)")
    kpoints: KPoints = Field(description="k-points of periodic cells")
    setups: dict[str, Kind] = Field(
        min_length=1,
        description="per element the kind of PAW data set, as GPAW names it: paw for the usual one",
    )
    xc: Literal["PBE", "LDA", "RPBE", "revPBE", "PBEsol"] = Field(
        default="PBE", description="functional, as GPAW names it"
    )
    smearing: Literal["fd", "mv"] | None = Field(
        default=None,
        description="Fermi or Marzari-Vanderbilt, for metals; null: fixed occupations (GPAW itself "
        "would smear cells by 0.1 eV)",
    )
    width: float | None = Field(default=None, gt=0, description="width of the smearing (eV)")
    energy: float = Field(
        default=1e-6, gt=0, le=1e-3, description="SCF tolerance of the energy (eV per electron)"
    )
    density: float = Field(
        default=1e-6, gt=0, le=1e-3, description="SCF tolerance of the density (per electron)"
    )
    eigenstates: float = Field(
        default=1e-9,
        gt=0,
        le=1e-4,
        description="SCF tolerance of the orbitals' residuals (eV^2 per electron)",
    )
    max_steps: int = Field(
        default=100, ge=1, description="SCF steps before a call counts as failed"
    )
    mixing_beta: float = Field(default=0.25, gt=0, le=1, description="share of the new density")
    box: float = Field(
        default=10.0, gt=0, description="edge of the cube around molecules and isolated atoms (A)"
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.smearing is None) != (self.width is None):
            raise ValueError("smearing and width go together")
        self.kpoints.of_equal_weight()
        return self


class Gpaw(ProcessOracle):
    """Energy, forces and stress by GPAW; a fresh folder, process and density for every call."""

    SETTINGS: ClassVar[type[Record]] = GpawSettings
    NAME = "gpaw"
    PROGRAMS = ()
    INSTALL = (
        "aldata doctor --install gpaw, or name a Python that imports it: codes: {gpaw: PYTHON} in "
        ".aldata/config.yaml"
    )
    INPUT = "gpaw.in"
    OUTPUT = "gpaw.out"
    FILES_OF = "setups"
    TOLERANCE = ("density", 1e-9)

    settings: GpawSettings

    def theory(self) -> dict[str, Any]:
        """Functional, cutoff, explicit k-points, smearing, tolerances, hash of every data set."""
        s = self.settings
        return {
            "code": "gpaw",
            "method": "Kohn-Sham, projector augmented waves, plane waves",
            "xc": s.xc,
            "cutoff_ev": s.cutoff,
            "kpoints": [list(point) for point in s.kpoints.explicit()],
            "setups": {e: {k: f[k] for k in ("file", "sha256")} for e, f in self._setups.items()},
            "smearing": s.smearing,
            "width_ev": s.width,
            "energy_tolerance_ev_per_electron": s.energy,
            "density_tolerance_per_electron": s.density,
            "eigenstates_tolerance_ev2_per_electron": s.eigenstates,
            "max_steps": s.max_steps,
            "mixing_beta": s.mixing_beta,
            "symmetry": "time reversal only",
            "energy": "free energy, which the forces belong to",
            "molecules": {"box_angstrom": s.box, "kpoints": "Gamma"},
            "isolated_atoms": {} if s.smearing else {"fermi_ev": ATOM_WIDTH},
        }

    def tighter(self) -> Self:
        """A hundredth of the tolerances of density and energy, and of the squared residuals."""
        s = self.settings
        return (
            super()
            .tighter()
            .with_settings(
                energy=s.energy / 100, eigenstates=s.eigenstates / 100, max_steps=2 * s.max_steps
            )
        )

    def restarted(self) -> Self:
        """With another share of the new density in mixing: the SCF goes another way."""
        return self.with_settings(mixing_beta=0.1 if self.settings.mixing_beta > 0.15 else 0.25)

    def version(self) -> str:
        """Version of GPAW. Raises OracleUnavailable."""
        return f"gpaw {self._told['version']}"

    def resolved(self) -> Self:
        """Itself. Raises OracleUnavailable where GPAW or one of its data sets is missing."""
        self.version()
        missing = [f"{e} ({self.settings.setups[e]})" for e, f in self._setups.items() if f is None]
        if missing:
            raise OracleUnavailable(
                f"GPAW finds no data set for {', '.join(missing)}",
                where="oracle.settings.setups",
                next_step="pip install gpaw-data into GPAW's environment, or name the folder: "
                "codes: {gpaw_setups: FOLDER} in .aldata/config.yaml",
            )
        return self

    def preload(self) -> tuple[str, ...]:
        """What writing the input imports."""
        return ("ase.data",)

    def data(self) -> Mapping[str, bytes]:
        """None: GPAW reads its data sets from where they are."""
        return {}

    def valence(self) -> Mapping[str, float]:
        """As the data sets have it."""
        return {element: found["valence"] for element, found in self._setups.items() if found}

    @cached_property
    def _told(self) -> dict[str, Any]:
        """What GPAW's Python says of GPAW and its data sets. Raises OracleUnavailable."""
        s, command = self.settings, self.command()
        said = banner(command, "--tell", s.xc, json.dumps(s.setups), **self.environment())
        lines = said.strip().split("\n")
        try:
            found: dict[str, Any] = json.loads(lines[-1])
        except ValueError:
            raise OracleUnavailable(
                f"does not run GPAW: {lines[-1]}", where=command, next_step=self.INSTALL
            ) from None
        return found

    @property
    def _setups(self) -> dict[str, Any]:
        found: dict[str, Any] = self._told["setups"]
        return found

    def command(self) -> str:
        """GPAW's Python with the script that runs it; isolated from aldata's own packages."""
        return f"{super().command()} {shlex.quote(str(RUN))}"

    def environment(self) -> dict[str, str]:
        """Where the data sets are, if somebody says so."""
        folder = Place.here().codes.gpaw_setups
        return {} if folder is None else {"GPAW_SETUP_PATH": folder}

    def own_command(self, place: Place) -> str | None:
        """Python of the project's own environment."""
        python = place.python("gpaw")
        return None if python is None else shlex.quote(str(python))

    def input_text(self, configuration: Configuration) -> str:
        """The task: atoms, and every parameter of GPAW, as JSON."""
        s = self.settings
        atom = len(configuration) == 1 and not configuration.pbc.any()
        points = cells.kpoints_of(configuration, s.kpoints).of_equal_weight()
        task = {
            "numbers": configuration.numbers.tolist(),
            "positions": configuration.positions.tolist(),
            "cell": cells.cell_of(configuration, s.box).tolist(),
            "moments": [configuration.spin / len(configuration)] * len(configuration),
            "stress": bool(configuration.pbc.all()),
            "parameters": {
                "mode": {"name": "pw", "ecut": s.cutoff},
                "xc": s.xc,
                "kpts": [list(point) for point in points],
                "setups": s.setups,
                "charge": configuration.charge,
                "spinpol": configuration.spin > 0,
                "occupations": self._occupations(configuration, atom),
                "symmetry": {"point_group": False},
                "mixer": {"beta": s.mixing_beta},
                "maxiter": s.max_steps,
                "convergence": {
                    "energy": s.energy,
                    "density": s.density,
                    "eigenstates": s.eigenstates,
                },
            },
        }
        return json.dumps(task, indent=1)

    def _occupations(self, configuration: Configuration, atom: bool) -> dict[str, Any]:
        """Smearing, and the total moment of what has unpaired electrons."""
        s = self.settings
        width = s.width or (ATOM_WIDTH if atom else 0.0)
        occupations = {"name": SMEARINGS[s.smearing or "fd"], "width": width}
        return occupations | ({"fixmagmom": True} if configuration.spin else {})

    def answer_of(self, ended: Ended, directory: Path, configuration: Configuration) -> Answer:
        """From GPAW's own verdict and the last line of iterations in its log."""
        file = directory / "gpaw.json"
        log = directory / "gpaw.txt"
        text = log.read_text(errors="replace") if log.exists() else ""
        result = json.loads(file.read_text()) if file.exists() else None
        return answer_of(ended, result, text, configuration, self.settings)


def answer_of(
    ended: Ended,
    result: dict[str, Any] | None,
    log: str,
    configuration: Configuration,
    s: GpawSettings,
) -> Answer:
    """The answer with its proof. Raises OracleFailure for anything less than a converged SCF.

    Proof: GPAW raised nothing and says that it converged, marks every quantity in the last line of
    its iterations as converged, and the change of the density there is within `density`.
    """
    if result is None or ended.exit_code != 0:
        raise _failure(ended)
    if not result["converged"]:
        raise OracleFailure("not_converged", f"SCF not converged in {s.max_steps} steps")
    said = re.findall(r"^Converged (?:in|after) (\d+) (?:steps|iterations)", log, re.MULTILINE)
    lines = re.findall(r"^\|?iter:\s*\d+\|?\s+[\d:]+(.*)$", log, re.MULTILINE)
    columns = re.findall(r"(-?\d+\.\d+)(c?)", lines[-1]) if lines else []
    if not said or len(columns) < 3 or not all(mark for _, mark in columns[:3]):
        raise OracleFailure(
            "not_converged", "GPAW does not say of every quantity that it converged"
        )
    eigenstates, density = (10 ** float(value) for value, _ in columns[1:3])
    if density > ROUNDED * s.density or eigenstates > ROUNDED * s.eigenstates:
        raise OracleFailure(
            "not_converged", f"last change of the density {density:.2g}, allowed is {s.density:g}"
        )
    stress = result["stress"]
    return Answer(
        energy=float(result["energy"]),
        forces=np.array(result["forces"], dtype=np.float64).reshape(len(configuration), 3),
        stress=None if stress is None else np.array(stress, dtype=np.float64),
        converged=True,
        proof={
            "by": "no error, 'Converged', all quantities marked converged, last changes in bounds",
            "density_per_electron": density,
            "density_tolerance_per_electron": s.density,
            "eigenstates_ev2_per_electron": eigenstates,
        },
        scf_steps=int(said[-1]),
        warnings=re.findall(r"^\S*Warning: .*$", ended.errors, re.MULTILINE),
    )


def _failure(ended: Ended) -> OracleFailure:
    """By the last line of Python's traceback."""
    lines = [line.strip() for line in ended.errors.split("\n") if line.strip()]
    said = lines[-1] if lines else f"exit code {ended.exit_code}"
    refused = any(text in said for text in REFUSED)
    return OracleFailure("refused_input" if refused else "crashed", f"GPAW: {said}")
