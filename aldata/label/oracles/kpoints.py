"""Points of the Brillouin zone, as an explicit list: `(2, 2, 2)` means other points in each code.

Monkhorst and Pack, Phys. Rev. B 13, 5188 (1976).
"""

from __future__ import annotations

from itertools import product
from typing import Self

from pydantic import Field, model_validator

from aldata.records import Record

Point = tuple[float, float, float, float]
DIGITS = 12


class KPoints(Record):
    """A grid and its shift, or an explicit list; in units of the reciprocal lattice vectors."""

    grid: tuple[int, int, int] | None = Field(
        default=None, description="points (n + shift) / grid with n = 0 ... grid - 1, per direction"
    )
    shift: tuple[float, float, float] = Field(
        default=(0.0, 0.0, 0.0),
        description="in steps of the grid: 0 contains Gamma, 0.5 is Monkhorst and Pack's for even grids",
    )
    points: list[Point] | None = Field(
        default=None, description="instead of a grid: kx, ky, kz, weight"
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.grid is None) == (self.points is None):
            raise ValueError("k-points: give either grid (and shift) or points")
        if self.grid is not None and min(self.grid) < 1:
            raise ValueError(f"k-points: a grid of {self.grid}")
        if self.points is not None and not all(p[3] > 0 for p in self.points):
            raise ValueError("k-points: every point needs a weight above zero")
        if self.points == []:
            raise ValueError("k-points: no points")
        return self

    def all_points(self) -> list[Point]:
        """Every point with its weight, not reduced; weights add up to one."""
        if self.points is not None:
            total = sum(p[3] for p in self.points)
            return [(*_wrapped(p[:3]), p[3] / total) for p in self.points]
        assert self.grid is not None
        weight = 1.0 / (self.grid[0] * self.grid[1] * self.grid[2])
        axes = [
            [(n + shift) / size for n in range(size)]
            for size, shift in zip(self.grid, self.shift, strict=True)
        ]
        return [(*_wrapped(point), weight) for point in product(*axes)]

    def explicit(self) -> list[Point]:
        """Points of which no two are each other's negative (time reversal makes these equal).

        No other symmetry is used: a list that depends on the geometry would make energies jump.
        """
        weights: dict[tuple[float, float, float], float] = {}
        for *point, weight in self.all_points():
            here = _wrapped(point)
            back = _wrapped([-x for x in point])
            kept = back if back in weights else here
            weights[kept] = weights.get(kept, 0.0) + weight
        return [(*point, round(weight, DIGITS)) for point, weight in sorted(weights.items())]

    def of_equal_weight(self) -> list[tuple[float, float, float]]:
        """Every point and its negative, each once, for codes that weight the points of a list alike.

        Raises ValueError where the weights differ: what such a code computes would be another list.
        """
        full: dict[tuple[float, float, float], float] = {}
        for *point, weight in self.explicit():
            pair = {_wrapped(point), _wrapped([-x for x in point])}
            full |= dict.fromkeys(pair, weight / len(pair))
        if max(full.values()) - min(full.values()) > 1e-9:
            raise ValueError(
                "k-points: this code weights all points alike, and these weights differ"
            )
        return sorted(full)


GAMMA = KPoints(grid=(1, 1, 1))
"""The one point of a box around a molecule."""


def _wrapped(point: list[float] | tuple[float, ...]) -> tuple[float, float, float]:
    """The same point in (-1/2, 1/2]."""
    x, y, z = (round(0.5 - (0.5 - round(k, DIGITS)) % 1.0, DIGITS) + 0.0 for k in point)
    return x, y, z
