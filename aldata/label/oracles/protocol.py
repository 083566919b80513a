"""What every oracle is: settings in, energy, forces and a proof of convergence out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from aldata.artifacts.frames import Configuration
from aldata.records import Record

Float = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """What an oracle answered: energy (eV), forces (n, 3) (eV/A), stress (6,) (eV/A^3) or None.

    Stress is dE/dstrain / volume, tension positive, Voigt order xx yy zz yz xz xy. `converged` is
    the code's own verdict on its iterations, and `proof` what that verdict rests on: numbers alone
    prove nothing. `scf_steps` counts the iterations, where the code has and tells them.
    """

    energy: float
    forces: Float
    stress: Float | None = None
    converged: bool
    proof: dict[str, Any]
    scf_steps: int | None = None
    warnings: list[str] = field(default_factory=list)


class OracleFailure(Exception):
    """A call failed for a known reason: `failure` is one of `schema.FAILURES`."""

    def __init__(self, failure: str, message: str) -> None:
        super().__init__(failure, message)
        self.failure = failure
        self.message = message


class Oracle(Protocol):
    """One electronic-structure code (or anything else with an energy) at one level of theory."""

    SETTINGS: ClassVar[type[Record]]

    settings: Any

    def __init__(self, settings: Any) -> None: ...

    def resolved(self) -> Self:
        """The same oracle with every choice that the code would make spelled out.

        Raises OracleUnavailable when the code is not installed or does not know the method.
        """

    def theory(self) -> dict[str, Any]:
        """The record of the level of theory: whatever may change a result, except versions."""

    def version(self) -> str:
        """Exact versions of the code and the libraries that matter: "pyscf 2.8.0, dftd3 1.2.1".

        How much of them belongs to the level of theory is the project's policy (`label.versions`).
        """

    def tighter(self) -> Self:
        """The same method with less numerical noise, to measure that noise against.

        Tighter tolerances and finer integration grids only: another basis, cutoff or k-point mesh
        shifts the answers smoothly, which is a bias and no noise. Itself where the answers are exact
        but for rounding. Raises OracleUnavailable where nothing tighter is known.
        """

    def restarted(self) -> Self:
        """The same method from another initial density or mixing; itself where there is no choice."""

    def preload(self) -> tuple[str, ...]:
        """Modules that every call needs, worth importing once."""

    def check(self, configurations: Sequence[Configuration]) -> list[str]:
        """Why calls on these configurations cannot succeed: one sentence per problem."""

    def label(self, configuration: Configuration, directory: Path) -> Answer:
        """Compute one configuration from scratch; input and output files go to `directory`.

        The answer depends on the configuration alone, never on earlier calls. Raises OracleFailure
        for a failure that has a class; any other exception counts as a crash.
        """
