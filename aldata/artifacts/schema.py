"""The facts about every stored quantity, in one table.

Zarr attributes, checks, and the format's documentation are read from here. Dimensions:
`frame` (one configuration), `atom` (all atoms of all frames, one after the other: a CF contiguous
ragged array counted by `row_size`), `xyz`, `abc` (cell vectors or a second Cartesian index),
`voigt` (xx, yy, zz, yz, xz, xy), `hash` (32 bytes of a sha256).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 2
"""Version of the stores that this code writes. It reads this one and all older ones."""

CONVENTIONS = "CF-1.11"
"""Conventions that the attributes of a store follow (cfconventions.org)."""

SIZES = {"xyz": 3, "abc": 3, "voigt": 6, "hash": 32}
"""Dimensions whose size never changes."""

STATUSES = ("accepted", "rejected", "failed")
"""How a call ended. Only accepted calls are ever training data."""

FAILURES = (
    "none",
    "not_converged",
    "time_limit",
    "out_of_memory",
    "crashed",
    "refused_input",
    "not_finite",
    "atoms_too_close",
    "forces_too_large",
    "net_force_too_large",
    "inconsistent",
)
"""Why a call was rejected or failed. Stores hold the position in this list: it only grows."""

PURPOSES = ("acquired", "probe", "imported", "isolated_atom", "test", "noise")
"""Why a label exists. A probe was drawn uniformly; an isolated atom gives E0; what is asked to measure
noise is in no data set."""

SAMPLERS = (
    "given",
    "displacement",
    "strain",
    "dynamics",
    "imported",
    "volume",
    "vacancy",
    "swap",
    "reaction_path",
    "path_integral",
    "biased_dynamics",
)
"""What proposed a candidate. Stores hold the position in this list: it only grows."""


@dataclass(frozen=True)
class Variable:
    """One stored quantity: its dimensions, type, unit and meaning.

    `flags` are the meanings of the integers 0, 1, ... of an enumerated variable (CF `flag_meanings`).
    `since` is the schema version that introduced it, and `before` what each frame of an older store has.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    unit: str
    meaning: str
    flags: tuple[str, ...] = ()
    since: int = 1
    before: float = 0

    @property
    def cf_attributes(self) -> dict[str, Any]:
        """The attributes by which the CF conventions know what the quantity is."""
        attributes: dict[str, Any] = {"units": self.unit, "long_name": self.meaning}
        if self.name == "row_size":
            attributes["sample_dimension"] = "atom"
        if self.flags:
            attributes["flag_values"] = list(range(len(self.flags)))
            attributes["flag_meanings"] = " ".join(self.flags)
        return attributes


ROW_SIZE = Variable("row_size", ("frame",), "int64", "1", "number of atoms of this frame")
NUMBERS = Variable("numbers", ("atom",), "int32", "1", "atomic number")
CONFIGURATION_ID = Variable(
    "configuration_id", ("frame", "hash"), "uint8", "1", "sha256 of the canonical configuration"
)

CONFIGURATIONS = (
    ROW_SIZE,
    NUMBERS,
    Variable("positions", ("atom", "xyz"), "float64", "angstrom", "Cartesian position"),
    Variable("cell", ("frame", "abc", "xyz"), "float64", "angstrom", "cell vectors, one per row"),
    Variable("pbc", ("frame", "abc"), "bool", "1", "periodic along this cell vector"),
    Variable("charge", ("frame",), "int32", "elementary_charge", "total charge"),
    Variable("spin", ("frame",), "int32", "1", "number of unpaired electrons, 2S"),
    CONFIGURATION_ID,
)

CANDIDATES = (
    *CONFIGURATIONS,
    Variable("sampler", ("frame",), "uint8", "1", "what proposed the frame", SAMPLERS),
    Variable("trajectory", ("frame",), "int32", "1", "index into the attribute `trajectories`"),
    Variable("step", ("frame",), "int64", "1", "step of the trajectory"),
    Variable("temperature", ("frame",), "float64", "K", "thermostat temperature, 0 without one"),
    Variable(
        "parent_configuration", ("frame", "hash"), "uint8", "1", "configuration it started from"
    ),
    Variable(
        "image",
        ("frame",),
        "int32",
        "1",
        "image of a band, 0 the start; of a neighbour the nearest; -1 without one",
        since=2,
        before=-1,
    ),
    Variable(
        "bead",
        ("frame",),
        "int32",
        "1",
        "bead of a ring polymer, -1 without one",
        since=2,
        before=-1,
    ),
    Variable(
        "sigma",
        ("frame",),
        "float64",
        "eV angstrom-1",
        "calibrated uncertainty of the force on its most uncertain atom when it was found; NaN "
        "where none was looked at",
        since=2,
        before=math.nan,
    ),
)

LABELS = (
    *CONFIGURATIONS,
    Variable("call_id", ("frame", "hash"), "uint8", "1", "sha256 of configuration and theory"),
    Variable("result_digest", ("frame", "hash"), "uint8", "1", "sha256 of status and results"),
    Variable("status", ("frame",), "uint8", "1", "how the call ended", STATUSES),
    Variable("failure", ("frame",), "uint8", "1", "why it was not accepted", FAILURES),
    Variable("purpose", ("frame",), "uint8", "1", "why it was asked for", PURPOSES),
    Variable("trajectory", ("frame",), "int32", "1", "trajectory of the candidate, -1 without one"),
    Variable("energy", ("frame",), "float64", "eV", "potential energy; NaN unless accepted"),
    Variable("forces", ("atom", "xyz"), "float64", "eV angstrom-1", "force; NaN unless accepted"),
    Variable(
        "stress",
        ("frame", "voigt"),
        "float64",
        "eV angstrom-3",
        "dE/dstrain / volume, tension positive, order xx yy zz yz xz xy; NaN where there is none",
    ),
    Variable("sigma_energy", ("frame",), "float64", "eV", "numerical noise of the energy"),
    Variable("sigma_forces", ("frame",), "float64", "eV angstrom-1", "noise per force component"),
)

DESCRIPTORS = (
    CONFIGURATION_ID,
    ROW_SIZE,
    NUMBERS,
    Variable("descriptor", ("atom", "feature"), "float32", "1", "invariant vector of the atom"),
)

PREDICTIONS = (
    CONFIGURATION_ID,
    ROW_SIZE,
    Variable("energy", ("frame",), "float64", "eV", "committee mean"),
    Variable("energy_variance", ("frame",), "float64", "eV2", "sample variance (ddof 1)"),
    Variable("forces", ("atom", "xyz"), "float64", "eV angstrom-1", "committee mean"),
    Variable(
        "force_covariance",
        ("atom", "abc", "xyz"),
        "float64",
        "eV2 angstrom-2",
        "sample covariance of this atom's force (ddof 1)",
    ),
)

SELECTION = (
    CONFIGURATION_ID,
    Variable("score", ("frame",), "float64", "1", "score when picked; higher is asked earlier"),
    Variable("rank", ("frame",), "int32", "1", "0 is the first pick"),
    Variable("probe", ("frame",), "bool", "1", "drawn uniformly from the pool, never trained on"),
    Variable("reason", ("frame",), "uint8", "1", "index into the attribute `reasons`"),
)

CHECKPOINT = (
    Variable("weights", ("member", "parameter"), "float32", "1", "flat parameters and buffers"),
    Variable(
        "information",
        ("member", "feature", "feature"),
        "float64",
        "1",
        "information matrix of the last layer, sum of A^T R^-1 A over the training rows",
    ),
    Variable("numbers", ("element",), "int32", "1", "atomic numbers the model knows, ascending"),
    Variable("isolated_energies", ("element",), "float64", "eV", "energy of the isolated atom, E0"),
)

KINDS: dict[str, tuple[Variable, ...]] = {
    "configurations": CONFIGURATIONS,
    "candidates": CANDIDATES,
    "labels": LABELS,
    "descriptors": DESCRIPTORS,
    "predictions": PREDICTIONS,
    "selection": SELECTION,
    "checkpoint": CHECKPOINT,
}
"""Every kind of store and its variables, in the order in which they are written."""
