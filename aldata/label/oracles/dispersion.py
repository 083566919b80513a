"""Grimme's D3 dispersion correction with Becke-Johnson damping, by the package dftd3.

Grimme et al., J. Chem. Phys. 132, 154104 (2010); J. Comput. Chem. 32, 1456 (2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.units import ANGSTROM_PER_BOHR

INSTALL = "pip install dftd3"


def require_d3bj(xc: str) -> None:
    """Raise OracleUnavailable unless dftd3 is installed and has parameters for the functional."""
    try:
        import dftd3.interface  # noqa: F401 (is it there?)
    except ImportError:
        raise OracleUnavailable(
            "the package dftd3 is not installed",
            where="oracle.settings.dispersion",
            next_step=INSTALL,
        ) from None
    try:
        _damping(xc)
    except RuntimeError:
        raise OracleUnavailable(
            f"dftd3 has no D3(BJ) parameters for the functional '{xc}'",
            where="oracle.settings.dispersion",
            next_step="set dispersion: null, or choose another functional",
        ) from None


def d3bj(configuration: Configuration, xc: str) -> tuple[float, npt.NDArray[np.float64]]:
    """Energy (Hartree) and gradient (n, 3) (Hartree/Bohr) of the correction."""
    from dftd3.interface import DispersionModel

    model = DispersionModel(configuration.numbers, configuration.positions / ANGSTROM_PER_BOHR)
    result = model.get_dispersion(_damping(xc), grad=True)
    return float(result["energy"]), np.asarray(result["gradient"], dtype=np.float64)


def _damping(xc: str) -> Any:
    from dftd3.interface import RationalDampingParam

    return RationalDampingParam(method=xc.lower())
