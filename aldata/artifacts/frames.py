"""The nouns that have frames: configurations, candidates, labels, descriptors, predictions, selections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from aldata import digest
from aldata.artifacts.columns import Array, Frames
from aldata.artifacts.schema import STATUSES

Float = npt.NDArray[np.float64]
Integer = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Configuration:
    """One configuration: atoms, cell, periodicity, charge and spin, before any label.

    numbers (n,) atomic numbers; positions (n, 3) in Angstrom; cell (3, 3) in Angstrom, one vector
    per row; pbc (3,); charge in elementary charges; spin the number of unpaired electrons.
    """

    numbers: Array
    positions: Float
    cell: Float
    pbc: Array
    charge: int = 0
    spin: int = 0

    @property
    def id(self) -> str:
        """sha256 of the canonical content: exact, so a moved atom is another configuration."""
        return digest.of_arrays(
            {
                "numbers": np.asarray(self.numbers, dtype=np.int32),
                "positions": np.asarray(self.positions, dtype=np.float64),
                "cell": np.asarray(self.cell, dtype=np.float64),
                "pbc": np.asarray(self.pbc, dtype=bool),
            },
            {"charge": int(self.charge), "spin": int(self.spin)},
        )

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, eq=False, kw_only=True)
class Configurations(Frames):
    """Configurations as columns; see `schema.CONFIGURATIONS` for shapes and units."""

    KIND: ClassVar[str] = "configurations"

    row_size: Array
    numbers: Array
    positions: Float
    cell: Float
    pbc: Array
    charge: Array
    spin: Array
    configuration_id: Array

    def __getitem__(self, frame: int) -> Configuration:
        atoms = self.atoms_of(frame)
        return Configuration(
            numbers=self.numbers[atoms],
            positions=self.positions[atoms],
            cell=self.cell[frame],
            pbc=self.pbc[frame],
            charge=int(self.charge[frame]),
            spin=int(self.spin[frame]),
        )

    def __iter__(self) -> Iterator[Configuration]:
        return (self[frame] for frame in range(len(self)))


def geometry_columns(configurations: list[Configuration]) -> dict[str, Array]:
    """The columns of `schema.CONFIGURATIONS` for a list of configurations, ids computed."""
    n = len(configurations)
    return {
        "row_size": np.array([len(c) for c in configurations], dtype=np.int64),
        "numbers": np.concatenate([np.zeros(0, np.int32), *(c.numbers for c in configurations)]),
        "positions": np.concatenate([np.zeros((0, 3)), *(c.positions for c in configurations)]),
        "cell": np.array([c.cell for c in configurations], dtype=np.float64).reshape(n, 3, 3),
        "pbc": np.array([c.pbc for c in configurations], dtype=bool).reshape(n, 3),
        "charge": np.array([c.charge for c in configurations], dtype=np.int32),
        "spin": np.array([c.spin for c in configurations], dtype=np.int32),
        "configuration_id": digest.to_bytes([c.id for c in configurations]),
    }


def as_configurations(configurations: list[Configuration]) -> Configurations:
    """A list of configurations as columns."""
    return Configurations.from_arrays(geometry_columns(configurations), {})


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidates(Configurations):
    """Proposed configurations and their lineage.

    Attributes: `checkpoint` (digest of the model that drove them), `random_seed`, and
    `trajectories`: a list of records with `temperature`, `random_seed`, `steps`, `ended` (why).
    """

    KIND: ClassVar[str] = "candidates"

    sampler: Array
    trajectory: Array
    step: Array
    temperature: Float
    parent_configuration: Array
    image: Array
    bead: Array
    sigma: Float


@dataclass(frozen=True, eq=False, kw_only=True)
class Labels(Configurations):
    """What the oracle answered: results of accepted calls, NaN and a reason for the others.

    Attributes: `theory_id`; and where calls were asked again at another level of theory,
    `fallbacks`: a list of records with `name`, `theory_id`, `theory` (the whole level of theory;
    older stores lack it) and `calls`. All other calls are at `theory_id`.
    """

    KIND: ClassVar[str] = "labels"

    call_id: Array
    result_digest: Array
    status: Array
    failure: Array
    purpose: Array
    trajectory: Array
    energy: Float
    forces: Float
    stress: Float
    sigma_energy: Float
    sigma_forces: Float

    @property
    def accepted(self) -> npt.NDArray[np.bool_]:
        """Which frames may be used: shape (frame,)."""
        return np.asarray(self.status == STATUSES.index("accepted"))

    @property
    def call_ids(self) -> list[str]:
        """Call ids of the frames, hexadecimal."""
        return digest.to_hex(self.call_id)

    @property
    def fallback_of_call(self) -> dict[str, str]:
        """The fallback, by name, of every call that is not at the level of theory `theory_id`."""
        items = self.attributes.get("fallbacks", [])
        return {call: item["name"] for item in items for call in item["calls"]}

    @property
    def theory_ids(self) -> list[str]:
        """Level of theory of every frame."""
        items = self.attributes.get("fallbacks", [])
        other = {call: str(item["theory_id"]) for item in items for call in item["calls"]}
        usual = str(self.attributes.get("theory_id", ""))
        return [other.get(call, usual) for call in self.call_ids]


def result_digest(
    status: str, energy: float | None, forces: Float | None, stress: Float | None
) -> str:
    """Digest of what a call answered; part of the manifest, so that a changed value re-trains."""
    return digest.of_arrays(
        {
            "energy": np.array([] if energy is None else [energy], dtype=np.float64),
            "forces": np.asarray(np.zeros((0, 3)) if forces is None else forces, dtype=np.float64),
            "stress": np.asarray(np.zeros(0) if stress is None else stress, dtype=np.float64),
        },
        {"status": status},
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Descriptors(Frames):
    """Invariant vectors per atom. Attributes: `descriptor_id`, `settings`, `checkpoint` or null."""

    KIND: ClassVar[str] = "descriptors"

    configuration_id: Array
    row_size: Array
    numbers: Array
    descriptor: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions(Frames):
    """Mean and epistemic covariance of a model's energies and forces, uncalibrated.

    Attributes: `checkpoint` (digest), `method` (see `potentials.predict`), and `members` that the
    covariances were sampled from, None where they were computed. Empty for the null checkpoint.
    """

    KIND: ClassVar[str] = "predictions"

    configuration_id: Array
    row_size: Array
    energy: Float
    energy_variance: Float
    forces: Float
    force_covariance: Float


@dataclass(frozen=True, eq=False, kw_only=True)
class Selection(Frames):
    """What to ask the oracle next, and why. Attributes: `strategy`, `reasons`, `settings`."""

    KIND: ClassVar[str] = "selection"

    configuration_id: Array
    score: Float
    rank: Array
    probe: Array
    reason: Array


def rows_of(frames: Frames, ids: list[str]) -> Integer:
    """Row of each id in `frames`. Raises KeyError for an id that is not there."""
    where: Mapping[str, int] = {identity: row for row, identity in enumerate(frames.ids)}
    return np.array([where[identity] for identity in ids], dtype=np.int64)
