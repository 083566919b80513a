"""Real spherical harmonics and their invariant products, as constant arrays.

Convention of e3nn 0.4: component normalisation (the squares of one degree sum to 2l + 1), the polar
axis is y. The tests compare with e3nn and with mace-torch.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations, product

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
    """Symmetric tensor (3, ... `degree` times, 2 degree + 1) that turns u (x) u ... into harmonics."""
    if degree == 0:
        return np.ones(1)
    if degree == 1:
        return 3**0.5 * np.eye(3)
    tensor = np.zeros((3,) * degree + (2 * degree + 1,))
    for column, terms in enumerate(_MONOMIALS[degree]):
        for monomial, value in terms.items():
            orders = list(permutations("xyz".index(axis) for axis in monomial))
            for index in orders:
                tensor[(*index, column)] += (2 * degree + 1) ** 0.5 * value / len(orders)
    return tensor


def degrees(max_ell: int) -> npt.NDArray[np.int64]:
    """Degree of each of the (max_ell + 1)^2 harmonics."""
    ell = np.arange(max_ell + 1)
    return np.repeat(ell, 2 * ell + 1)


def harmonics(unit: Float, max_ell: int) -> Float:
    """All harmonics up to `max_ell` of unit vectors (n, 3): shape (n, (max_ell + 1)^2)."""
    return np.concatenate([_applied(unit, k, k) for k in range(max_ell + 1)], axis=1)


def harmonics_slopes(unit: Float, max_ell: int) -> Float:
    """Derivatives of the harmonics of r / |r| with respect to r, at |r| = 1: (n, harmonic, 3)."""
    parts = [np.zeros((len(unit), 3, 1))]
    parts += [
        k * _applied(unit, k, k - 1).reshape(len(unit), 3, 2 * k + 1) for k in range(1, max_ell + 1)
    ]
    free = np.moveaxis(np.concatenate(parts, axis=2), 1, 2)
    # a harmonic does not change along r
    along = np.einsum("nsa,na->ns", free, unit)
    return np.asarray(free - along[:, :, None] * unit[:, None, :])


def _applied(unit: Float, degree: int, times: int) -> Float:
    """The polynomial of `degree` with `times` of its indices contracted with unit vectors."""
    rest = polynomial(degree).reshape(3**times, -1)
    power = np.ones((len(unit), 1))
    for _ in range(times):
        power = (power[:, :, None] * unit[:, None, :]).reshape(len(unit), 3 * power.shape[1])
    return np.asarray(power @ rest)


@cache
def _triple_integrals(max_ell: int) -> Float:
    """Mean over the sphere of Y_i Y_j Y_k, by a quadrature that is exact for these polynomials."""
    points = 2 * max_ell + 1
    height, weight = np.polynomial.legendre.leggauss(points)
    angle = np.pi * np.arange(2 * points) / points
    radius = np.sqrt(1 - height**2)[:, None]
    unit = np.stack(
        np.broadcast_arrays(radius * np.cos(angle), radius * np.sin(angle), height[:, None]),
        axis=-1,
    ).reshape(-1, 3)
    values = harmonics(unit, max_ell)
    weights = np.repeat(weight, 2 * points) / (4 * points)
    found: Float = np.einsum("n,ni,nj,nk->ijk", weights, values, values, values)
    return found


@cache
def invariants(max_ell: int, order: int) -> Float:
    """Couplings of `order` harmonics to a scalar: shape (path, (max_ell + 1)^2, ... `order` times).

    The coupling of degrees (l1, l2, l3) is the integral of their product, normalised to 1; two
    harmonics couple if they are of one degree. Paths and signs are mace-torch's `U_matrix_real`.
    """
    ell = degrees(max_ell)
    if order == 1:
        return np.eye(len(ell))[:1]
    if order == 2:
        blocks = [np.diag((ell == k) / (2 * k + 1) ** 0.5) for k in range(max_ell + 1)]
        return np.stack(blocks)
    integrals, paths = _triple_integrals(max_ell), []
    for third, first, second in product(range(max_ell + 1), repeat=3):
        if abs(first - second) > third or third > first + second or (first + second + third) % 2:
            continue
        own = np.ix_(ell == first, ell == second, ell == third)
        path = np.zeros_like(integrals)
        path[own] = integrals[own] / np.linalg.norm(integrals[own])
        paths.append(path)
    return np.stack(paths)


@cache
def monomials(max_ell: int, order: int) -> tuple[npt.NDArray[np.int64], Float]:
    """The same couplings as polynomials: harmonics of each monomial (monomial, order), ascending, and
    coefficients (path, monomial). Only those that occur: 23 of 729 for order 3 up to degree 2.
    """
    couplings = invariants(max_ell, order)
    sums: dict[tuple[int, ...], Float] = {}
    for index in map(tuple, np.argwhere(np.abs(couplings).max(axis=0) > 1e-12)):
        key = tuple(sorted(int(i) for i in index))
        sums[key] = sums.get(key, np.zeros(len(couplings))) + couplings[(slice(None), *index)]
    kept = {key: value for key, value in sorted(sums.items()) if np.abs(value).max() > 1e-12}
    return np.array(list(kept), dtype=np.int64), np.stack(list(kept.values()), axis=1)
