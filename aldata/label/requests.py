"""What is asked of the oracle, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from aldata.artifacts.frames import Configuration, Configurations, as_configurations
from aldata.artifacts.schema import PURPOSES
from aldata.errors import InvalidInput

Purpose = Literal["acquired", "probe", "imported", "isolated_atom", "test", "noise"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Requests:
    """Configurations to label, with what the labels will say about why they exist.

    purpose (frame,) index into `schema.PURPOSES`; trajectory (frame,) of the candidate, -1 without
    one. sigma_energy (eV per frame) and sigma_forces (eV/A per component) are the numerical noise
    of the level of theory. A configuration may occur more than once: it is one call.
    """

    configurations: Configurations
    purpose: npt.NDArray[np.uint8]
    trajectory: npt.NDArray[np.int32]
    sigma_energy: float = 0.0
    sigma_forces: float = 0.0

    def __post_init__(self) -> None:
        frames = (len(self.configurations),)
        for name in ("purpose", "trajectory"):
            if getattr(self, name).shape != frames:
                raise InvalidInput(
                    f"{name} has shape {getattr(self, name).shape}",
                    where="requests",
                    expected=f"one entry for each of the {frames[0]} configurations",
                )

    @classmethod
    def of(
        cls,
        configurations: Configurations,
        purpose: Purpose,
        sigma_energy: float = 0.0,
        sigma_forces: float = 0.0,
    ) -> Self:
        """Requests that all have one purpose and come from no trajectory."""
        n = len(configurations)
        return cls(
            configurations=configurations,
            purpose=np.full(n, PURPOSES.index(purpose), dtype=np.uint8),
            trajectory=np.full(n, -1, dtype=np.int32),
            sigma_energy=sigma_energy,
            sigma_forces=sigma_forces,
        )


def isolated_atoms(numbers: list[int]) -> Configurations:
    """One neutral atom per element in the spin of its ground state: their energies are the E0s."""
    from ase.data import ground_state_magnetic_moments

    return as_configurations(
        [
            Configuration(
                numbers=np.array([number], dtype=np.int32),
                positions=np.zeros((1, 3)),
                cell=np.zeros((3, 3)),
                pbc=np.zeros(3, dtype=bool),
                spin=round(float(ground_state_magnetic_moments[number])),
            )
            for number in sorted({int(number) for number in numbers})
        ]
    )
