"""Labels that somebody else computed: imported data and test files, in the form of our own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aldata import digest
from aldata.artifacts.documents import call_id
from aldata.artifacts.frames import Configurations, Float, Labels, result_digest
from aldata.artifacts.schema import PURPOSES, STATUSES


@dataclass(frozen=True, eq=False, kw_only=True)
class Given:
    """Labelled frames of a user's file.

    energy (frame,) in eV; forces (atom, 3) in eV/A; stress (frame, 6) in eV/A^3, order xx yy zz yz
    xz xy, tension positive, NaN for frames without one; source: sha256 of the file.
    """

    configurations: Configurations
    energy: Float
    forces: Float
    stress: Float
    source: str

    def labels(
        self,
        purpose: str,
        theory_id: str | None = None,
        sigma_energy: float = 0.0,
        sigma_forces: float = 0.0,
    ) -> Labels:
        """The frames as accepted labels.

        The file stands in the call ids in place of a level of theory, so that nobody takes them for
        calls of the ledger. `theory_id`: the level of theory that the user says they are at; the
        file's digest where nothing is known.
        """
        frames, n = self.configurations, len(self.configurations)
        stresses = [None if np.isnan(row).any() else row for row in self.stress]
        results = [
            result_digest(
                "accepted", float(self.energy[i]), self.forces[frames.atoms_of(i)], stresses[i]
            )
            for i in range(n)
        ]
        return Labels(
            **frames.arrays,
            call_id=digest.to_bytes([call_id(identity, self.source) for identity in frames.ids]),
            result_digest=digest.to_bytes(results),
            status=np.full(n, STATUSES.index("accepted")),
            failure=np.zeros(n),
            purpose=np.full(n, PURPOSES.index(purpose)),
            trajectory=np.full(n, -1),
            energy=self.energy,
            forces=self.forces,
            stress=self.stress,
            sigma_energy=np.full(n, sigma_energy),
            sigma_forces=np.full(n, sigma_forces),
            attributes={"theory_id": theory_id or self.source},
        )
