"""Atom-centred symmetry functions (Behler, J. Chem. Phys. 134, 074106, 2011)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aldata.artifacts.frames import Configurations
from aldata.describe.settings import DescribeSettings
from aldata.describe.systems import created


def acsf(
    configurations: Configurations, settings: DescribeSettings, species: list[int]
) -> npt.NDArray[np.float64]:
    """Radial functions G1, G2 and angular ones G4: shape (atom, feature), not normalised.

    G2 = sum_j exp(-eta (r_ij - R_s)^2) f_c, with centres R_s spread evenly from `nearest` to the cutoff
    and eta = 1/(2 step^2), as wide as their distance (Gastegger et al., J. Chem. Phys. 148, 241709,
    2018). G4 = 2^(1-zeta) sum_jk (1 + lambda cos theta)^zeta exp(-eta (r_ij^2 + r_ik^2 + r_jk^2)) f_c^3
    for lambda = 1 and -1 and every zeta. One set per element, and per pair of elements.
    """
    from dscribe.descriptors import ACSF

    own = settings.acsf
    centres = np.linspace(own.nearest, settings.cutoff, own.radial, endpoint=False)
    step = (settings.cutoff - own.nearest) / own.radial
    radial = np.column_stack([np.full(own.radial, 0.5 / step**2), centres])
    eta = 0.5 / (own.spread * settings.cutoff) ** 2
    angular = np.array([[eta, zeta, sign] for zeta in own.zeta for sign in (1.0, -1.0)])

    def made(periodic: bool) -> ACSF:
        return ACSF(
            species=species,
            r_cut=settings.cutoff,
            g2_params=radial,
            g4_params=angular if len(angular) else None,
            periodic=periodic,
        )

    return created(made, configurations)
