"""Smooth overlap of atomic positions (Bartok, Kondor and Csanyi, Phys. Rev. B 87, 184115, 2013)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aldata.artifacts.frames import Configurations
from aldata.describe.settings import DescribeSettings
from aldata.describe.systems import created


def soap(
    configurations: Configurations, settings: DescribeSettings, species: list[int]
) -> npt.NDArray[np.float64]:
    """SOAP power spectra: shape (atom, feature), not normalised.

    Gaussian-type radial functions, all pairs of species: S n_max (S n_max + 1) / 2 (l_max + 1)
    features for S species. Molecules and periodic cells have the same features.
    """
    from dscribe.descriptors import SOAP

    def made(periodic: bool) -> SOAP:
        return SOAP(
            species=species,
            r_cut=settings.cutoff,
            n_max=settings.soap.n_max,
            l_max=settings.soap.l_max,
            sigma=settings.soap.sigma,
            periodic=periodic,
        )

    return created(made, configurations)
