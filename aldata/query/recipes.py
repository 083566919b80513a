"""How quantities follow from stored columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aldata.query.elements import Elements

Array = npt.NDArray[Any]
Columns = Mapping[str, Array]
Compute = Callable[[Columns], Any]
Beside = Literal["own", "candidates", "predictions", "selection", "labels", "descriptors"]
Factor = Literal["energy", "forces"]
Recipes = dict[str, "Recipe"]
"""By kind of frames."""


@dataclass(frozen=True)
class Recipe:
    """How a quantity follows from stored columns.

    of : whose columns: the frames' own, or those of another artifact about the same configurations
        (`labels`: of the whole lineage; the others: of the frame's generation). columns : which;
        `row_size` comes along. compute : from these to one value per frame. factor : the calibration
        factor alpha of the energy or forces, which comes along as `alpha` (frame,).
    """

    of: Beside
    columns: tuple[str, ...]
    compute: Compute
    factor: Factor | None = None


def own(kinds: tuple[str, ...], compute: Compute, *columns: str) -> Recipes:
    """From the frames' own columns."""
    return dict.fromkeys(kinds, Recipe("own", columns, compute))


def beside(
    artifact: Beside, kinds: tuple[str, ...], name: str, compute: Compute | None = None
) -> Recipes:
    """From a column of another artifact; the column itself unless there is something to compute."""
    return dict.fromkeys(kinds, Recipe(artifact, (name,), compute or column(name)))


def asked(name: str, meanings: tuple[str, ...] | None = None) -> Recipes:
    """A fact about a call: of labels their own, of candidates that of the call about them."""
    compute = flag(name, meanings) if meanings else column(name)
    return own(("labels",), compute, name) | beside("labels", ("candidates",), name, compute)


def uncertain(compute: Compute, name: str, factor: Factor) -> Recipes:
    """From a column of the predictions and the calibration factor of the model that made them."""
    there = Recipe("predictions", (name,), compute, factor)
    return {
        "candidates": there,
        "labels": there,
        "predictions": Recipe("own", (name,), compute, factor),
    }


def column(name: str) -> Compute:
    """The column as it is."""
    return lambda columns: columns[name]


def flag(name: str, meanings: tuple[str, ...]) -> Compute:
    """The word that an enumerated column stands for."""
    return lambda columns: np.array(meanings, dtype=np.str_)[np.asarray(columns[name], np.int64)]


def hexadecimal(name: str) -> Compute:
    """A hash as a word."""
    return lambda columns: np.array([bytes(row).hex() for row in columns[name]], dtype="<U64")


def elements(columns: Columns) -> Elements:
    """The elements of each frame."""
    return Elements(columns["numbers"], columns["row_size"])


def largest_per_frame(values: Array, row_size: Array) -> npt.NDArray[np.float64]:
    """Largest value among the atoms of each frame: shape (frame,)."""
    if len(row_size) == 0:
        return np.zeros(0)
    begins = np.cumsum(row_size) - row_size
    return np.asarray(np.maximum.reduceat(values, begins), dtype=np.float64)


def variance_forces(columns: Columns) -> npt.NDArray[np.float64]:
    """Largest calibrated force variance of an atom, in (eV/A)^2: shape (frame,).

    The trace of the covariance of an atom's force, which no rotation changes, times alpha^2.
    """
    trace = np.trace(columns["force_covariance"], axis1=1, axis2=2)
    return np.asarray(columns["alpha"] ** 2 * largest_per_frame(trace, columns["row_size"]))


def sigma_energy(columns: Columns) -> Array:
    """Calibrated standard deviation of the energy, in eV: shape (frame,)."""
    return np.asarray(columns["alpha"] * np.sqrt(columns["energy_variance"]))


def max_force(columns: Columns) -> Array:
    """Largest length of a force, in eV/A: shape (frame,)."""
    return largest_per_frame(np.linalg.norm(columns["forces"], axis=1), columns["row_size"])


def per_atom(columns: Columns) -> Array:
    """Energy per atom, in eV: shape (frame,)."""
    return np.asarray(columns["energy"] / columns["row_size"])
