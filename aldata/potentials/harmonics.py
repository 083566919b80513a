"""Real spherical harmonics and their invariant products, as constant arrays.

Convention of e3nn 0.4: component normalisation (the squares of one degree sum to 2l + 1), the polar
axis is y. The tests compare with e3nn and with mace-torch.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]

_MONOMIALS: dict[int, list[dict[str, float]]] = {
    2: [
        {"xz": 3**0.5},
        {"xy": 3**0.5},
        {"yy": 1.0, "xx": -0.5, "zz": -0.5},
        {"yz": 3**0.5},
        {"zz": 3**0.5 / 2, "xx": -(3**0.5) / 2},
    ],
    3: [
        {"xzz": 3 * 10**0.5 / 4, "xxx": -(10**0.5) / 4},
        {"xyz": 15**0.5},
        {"xyy": 4 * 6**0.5 / 4, "xxx": -(6**0.5) / 4, "xzz": -(6**0.5) / 4},
        {"yyy": 1.0, "xxy": -1.5, "yzz": -1.5},
        {"yyz": 4 * 6**0.5 / 4, "xxz": -(6**0.5) / 4, "zzz": -(6**0.5) / 4},
        {"yzz": 15**0.5 / 2, "xxy": -(15**0.5) / 2},
        {"zzz": 10**0.5 / 4, "xxz": -3 * 10**0.5 / 4},
    ],
}
"""Solid harmonics of degree 2 and 3 on the unit sphere, before the factor sqrt(2l + 1)."""


@cache
def polynomial(degree: int) -> Float:
    """Matrix (3^degree, 2 degree + 1) that turns the powers u (x) u (x) ... into harmonics."""
    if degree == 1:
        return 3**0.5 * np.eye(3)
    matrix = np.zeros((3**degree, 2 * degree + 1))
    for column, terms in enumerate(_MONOMIALS[degree]):
        for monomial, value in terms.items():
            row = int("".join(str("xyz".index(axis)) for axis in monomial), 3)
            matrix[row, column] = (2 * degree + 1) ** 0.5 * value
    return matrix


def degrees(max_ell: int) -> npt.NDArray[np.int64]:
    """Degree of each of the (max_ell + 1)^2 harmonics."""
    ell = np.arange(max_ell + 1)
    return np.repeat(ell, 2 * ell + 1)


@cache
def invariants(max_ell: int, order: int) -> Float:
    """Couplings of `order` harmonics to a scalar: shape (path, (max_ell + 1)^2, ... `order` times).

    Order 1 and 2 have closed forms (the l = 0 component; the dot product of one degree over
    sqrt(2l + 1)); order 3 comes from mace-torch's generalised Clebsch-Gordan coefficients.
    """
    size = (max_ell + 1) ** 2
    if order == 1:
        return np.eye(size)[:1]
    if order == 2:
        ell = degrees(max_ell)
        blocks = [np.diag((ell == k) / (2 * k + 1) ** 0.5) for k in range(max_ell + 1)]
        return np.stack(blocks)
    from aldata.potentials.export import coupling_matrix

    return coupling_matrix(max_ell, order)
