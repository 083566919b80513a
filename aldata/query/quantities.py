"""The quantities that frames can be asked about, in one table: unit, meaning, and how each is computed.

The command line, error messages and docs/query.md are read from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aldata.artifacts.schema import FAILURES, PURPOSES, SAMPLERS, STATUSES
from aldata.query.recipes import (
    Recipe,
    asked,
    beside,
    column,
    elements,
    flag,
    hexadecimal,
    max_force,
    own,
    per_atom,
    sigma_energy,
    uncertain,
    variance_forces,
)

Type = Literal["number", "word", "flag", "elements"]

GEOMETRIES = ("candidates", "labels", "configurations")
NUMBERED = (*GEOMETRIES, "descriptors")
SIZED = (*NUMBERED, "predictions")
ALL = (*SIZED, "selections")
ANSWERS = ("labels", "predictions")
CANDIDATES, LABELS = ("candidates",), ("labels",)


@dataclass(frozen=True)
class Quantity:
    """One quantity. recipes : by kind of frames. Where a frame has none, a number is NaN, a word
    'none', a flag False.
    """

    name: str
    unit: str
    type: Type
    meaning: str
    recipes: Mapping[str, Recipe]

    def cost(self, kind: str) -> int:
        """0: own columns; 1: columns of another artifact; 2: distances of vectors."""
        of = self.recipes[kind].of
        return {"own": 0, "descriptors": 2}.get(of, 1)


_TABLE = (
    Quantity(
        "id",
        "",
        "word",
        "configuration id, hexadecimal",
        own(ALL, hexadecimal("configuration_id"), "configuration_id"),
    ),
    Quantity(
        "call", "", "word", "call id, hexadecimal", own(LABELS, hexadecimal("call_id"), "call_id")
    ),
    Quantity(
        "generation",
        "",
        "word",
        "generation that the frame is from",
        own(ALL, column("generation"), "generation"),
    ),
    Quantity(
        "n_atoms", "1", "number", "number of atoms", own(SIZED, column("row_size"), "row_size")
    ),
    Quantity(
        "species", "", "elements", "elements: 'O' in species", own(NUMBERED, elements, "numbers")
    ),
    Quantity(
        "formula",
        "",
        "word",
        "Hill formula: formula == 'C2H6O'",
        own(NUMBERED, lambda c: elements(c).formulas(), "numbers"),
    ),
    Quantity("charge", "e", "number", "total charge", own(GEOMETRIES, column("charge"), "charge")),
    Quantity(
        "spin",
        "1",
        "number",
        "number of unpaired electrons",
        own(GEOMETRIES, column("spin"), "spin"),
    ),
    Quantity(
        "n_periodic",
        "1",
        "number",
        "number of periodic directions",
        own(GEOMETRIES, lambda c: c["pbc"].sum(axis=1), "pbc"),
    ),
    Quantity(
        "energy",
        "eV",
        "number",
        "of labels the oracle's energy; of candidates and predictions the parent model's",
        own(ANSWERS, column("energy"), "energy") | beside("predictions", CANDIDATES, "energy"),
    ),
    Quantity(
        "energy_per_atom",
        "eV",
        "number",
        "the same, divided by the number of atoms",
        own(ANSWERS, per_atom, "energy") | beside("predictions", CANDIDATES, "energy", per_atom),
    ),
    Quantity(
        "max_force",
        "eV/A",
        "number",
        "largest length of the force on an atom; of labels the oracle's, else the parent model's",
        own(ANSWERS, max_force, "forces") | beside("predictions", CANDIDATES, "forces", max_force),
    ),
    Quantity(
        "sigma_energy",
        "eV",
        "number",
        "calibrated uncertainty of the parent model's energy",
        uncertain(sigma_energy, "energy_variance", "energy"),
    ),
    Quantity(
        "sigma_forces",
        "eV/A",
        "number",
        "calibrated uncertainty of the parent model's force on an atom (of the vector), the largest "
        "of the frame",
        uncertain(lambda c: np.sqrt(variance_forces(c)), "force_covariance", "forces"),
    ),
    Quantity(
        "variance_forces",
        "eV^2/A^2",
        "number",
        "the square of sigma_forces",
        uncertain(variance_forces, "force_covariance", "forces"),
    ),
    Quantity(
        "noise_energy",
        "eV",
        "number",
        "numerical noise of the label's energy",
        own(LABELS, column("sigma_energy"), "sigma_energy"),
    ),
    Quantity(
        "noise_forces",
        "eV/A",
        "number",
        "numerical noise of a component of the label's forces",
        own(LABELS, column("sigma_forces"), "sigma_forces"),
    ),
    Quantity(
        "distance",
        "spacings",
        "number",
        "how new the frame was: the largest over its atoms of the distance to the nearest environment "
        "of the same element in the training set of its generation's parent, in units of that set's "
        "typical spacing (of the descriptor itself where the set is too small to have one)",
        beside("descriptors", ("candidates", "labels"), "distance"),
    ),
    Quantity(
        "temperature",
        "K",
        "number",
        "of the thermostat, 0 without one",
        own(CANDIDATES, column("temperature"), "temperature")
        | beside("candidates", LABELS, "temperature"),
    ),
    Quantity(
        "step",
        "1",
        "number",
        "step of the trajectory",
        own(CANDIDATES, column("step"), "step") | beside("candidates", LABELS, "step"),
    ),
    Quantity(
        "trajectory",
        "1",
        "number",
        "number of the trajectory in its generation",
        own(("candidates", "labels"), column("trajectory"), "trajectory"),
    ),
    Quantity(
        "image",
        "1",
        "number",
        "image of the band that it is or lies near, 0 the start; -1 without one",
        own(CANDIDATES, column("image"), "image") | beside("candidates", LABELS, "image"),
    ),
    Quantity(
        "bead",
        "1",
        "number",
        "bead of the ring polymer, -1 without one",
        own(CANDIDATES, column("bead"), "bead") | beside("candidates", LABELS, "bead"),
    ),
    Quantity(
        "sigma_found",
        "eV/A",
        "number",
        "calibrated uncertainty of the force on its most uncertain atom when its sampler found it",
        own(CANDIDATES, column("sigma"), "sigma") | beside("candidates", LABELS, "sigma"),
    ),
    Quantity(
        "origin",
        "",
        "word",
        f"what proposed it: {', '.join(SAMPLERS)}",
        own(CANDIDATES, flag("sampler", SAMPLERS), "sampler")
        | beside("candidates", LABELS, "sampler", flag("sampler", SAMPLERS)),
    ),
    Quantity(
        "score",
        "the strategy's",
        "number",
        "score when it was picked",
        own(("selections",), column("score"), "score")
        | beside("selection", ("candidates", "labels"), "score"),
    ),
    Quantity(
        "rank",
        "1",
        "number",
        "place in the batch it was picked in, 0 the first",
        own(("selections",), column("rank"), "rank")
        | beside("selection", ("candidates", "labels"), "rank"),
    ),
    Quantity(
        "status",
        "",
        "word",
        f"how its call ended: {', '.join(STATUSES)}",
        asked("status", STATUSES),
    ),
    Quantity(
        "failure",
        "",
        "word",
        f"why its call was not accepted: {', '.join(FAILURES)}",
        asked("failure", FAILURES),
    ),
    Quantity(
        "purpose",
        "",
        "word",
        f"why it was asked for: {', '.join(PURPOSES)}",
        asked("purpose", PURPOSES),
    ),
    Quantity("role", "", "word", "role in the data set: train, valid, probe, none", asked("role")),
    Quantity("retracted", "", "flag", "whether its label was retracted", asked("retracted")),
)

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _TABLE}
"""Every quantity, by name."""


def known(kind: str) -> dict[str, Quantity]:
    """The quantities that frames of a kind have."""
    return {name: q for name, q in QUANTITIES.items() if kind in q.recipes}
