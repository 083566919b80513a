"""Frame by frame: from a file's values to a configuration and its label, or what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from aldata import digest
from aldata.artifacts.documents import call_id
from aldata.artifacts.frames import (
    Configuration,
    Float,
    Labels,
    as_configurations,
    result_digest,
)
from aldata.artifacts.geometry_files import problems as geometry_problems
from aldata.artifacts.labelled_files import Given
from aldata.artifacts.schema import PURPOSES
from aldata.exchange.conventions import Conventions
from aldata.exchange.frames import RESULTS, Frame, Statement
from aldata.exchange.request import Request

UNIT_OF = {"energy": "energy", "forces": "force", "stress": "stress"}
SHAPES: dict[str, list[tuple[int, ...]]] = {
    "energy": [()],
    "forces": [],
    "stress": [(6,), (9,), (3, 3)],
}
ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, eq=False)
class Understood:
    """A frame in aldata's units. stress is NaN where there is none; facts are the file's own."""

    row: int
    configuration: Configuration
    energy: float
    forces: Float
    stress: Float
    facts: dict[str, Any]

    @property
    def results(self) -> str:
        """Digest of energy, forces and stress."""
        stress = None if np.isnan(self.stress).any() else self.stress
        return result_digest("accepted", self.energy, self.forces, stress)


class Interpreter:
    """Converts frames under stated conventions and collects problems, duplicates and odd things."""

    def __init__(self, conventions: Conventions, request: Request) -> None:
        self.conventions = conventions
        self.request = request
        self.kept: dict[str, Understood] = {}
        self.problems: list[str] = []
        self.repeated = 0
        self.failed = 0
        self.changed: list[int] = []
        self.unused: set[str] = set()

    def unstated(self, frames: Iterable[Frame]) -> list[str]:
        """What the frames need that nobody has stated, with the option that states it."""
        said = self.conventions
        listed = list(frames)
        wanted = RESULTS if self.request.labelled else ()
        needed = ["length", *(UNIT_OF[q] for q in wanted if any(self._has(f, q) for f in listed))]
        wrong = [f"no unit of {q} is stated: --{q}-unit" for q in needed if not getattr(said, q)]
        if "stress" in needed and not said.stress_sign:
            wrong.append("no sign of the stress is stated: --stress-sign tension|compression")
        six = any(np.size(self._raw(f, "stress")) == 6 for f in listed if self._has(f, "stress"))
        if "stress" in needed and six and not said.voigt:
            wrong.append('no order of the stress components is stated: --voigt "xx yy zz yz xz xy"')
        if not said.spin and any(_nonzero(f.values.get("spin")) for f in listed):
            wrong.append("frames state a spin: --spin-is unpaired|multiplicity")
        return wrong

    def take(self, frames: Iterable[Frame]) -> None:
        """Convert every frame; `kept`, `problems` and the counts tell the outcome."""
        for row, frame in enumerate(frames):
            if self.request.labelled and frame.values.get("status", "accepted") != "accepted":
                self.failed += 1
                continue
            wrong, one = self._understood(row, frame)
            self.problems += wrong
            if one is not None and not wrong:
                self._keep(one)

    def _keep(self, one: Understood) -> None:
        first = self.kept.setdefault(one.configuration.id, one)
        if first is one:
            return
        if self.request.labelled and first.results != one.results:
            self.problems.append(
                f"frames {first.row} and {one.row} are one configuration with two labels"
            )
        self.repeated += 1

    def notes(self) -> list[str]:
        """What a user should know about what was read."""
        counts = (
            (self.repeated, "frames occur more than once in the file and were kept once"),
            (self.failed, "frames are marked as failed or rejected calls and were left out"),
            (len(self.changed), f"frames are not the configurations whose ids they carry, and have new "
                                f"ids now (first: frame {min(self.changed, default=0)})"),
        )  # fmt: skip
        found = [f"{count} {text}" for count, text in counts if count]
        if self.unused:
            found.append(
                f"{', '.join(sorted(self.unused))}: looks like a stress or virial and was not used; "
                "to use it, name it with --stress-key and state its unit, sign and order"
            )
        return found

    def _understood(self, row: int, frame: Frame) -> tuple[list[str], Understood | None]:
        wrong, configuration = self._configuration(row, frame)
        if configuration is None:
            return wrong, None
        wrong += geometry_problems(row, configuration)
        energy, forces = np.nan, np.full((len(configuration), 3), np.nan)
        stress = np.full(6, np.nan)
        if self.request.labelled:
            wrong += self._label_problems(row, frame)
        if wrong or not self.request.labelled:
            facts = self._checked_id(row, frame, configuration, wrong)
            return wrong, Understood(row, configuration, energy, forces, stress, facts)
        energy = self.conventions.energies(self._raw(frame, "energy"))
        forces = self.conventions.forces(self._raw(frame, "forces"))
        if self._has(frame, "stress"):
            stress = self.conventions.stresses(self._raw(frame, "stress"), configuration.cell)
        self._notice(frame)
        facts = self._checked_id(row, frame, configuration, wrong)
        one = Understood(row, configuration, energy, forces, stress, facts)
        stated = facts.get("result_digest")
        if _is_id(stated) and stated != one.results and not self.request.accept_changed_ids:
            wrong.append(f"frame {row}: its label is not the one whose digest it carries")
        return wrong, one

    def _configuration(self, row: int, frame: Frame) -> tuple[list[str], Configuration | None]:
        n = len(frame.numbers)
        cell, pbc = np.asarray(frame.cell), np.asarray(frame.pbc, dtype=bool)
        wrong = []
        if np.shape(frame.positions) != (n, 3):
            wrong.append(f"frame {row}: {n} atoms, but positions {np.shape(frame.positions)}")
        if cell.shape != (3, 3) or pbc.shape != (3,):
            wrong.append(f"frame {row}: cell {cell.shape} and pbc {pbc.shape}")
        charge = _whole(frame.values.get("charge", self.request.charge))
        spin = _whole(frame.values.get("spin"))
        if charge is None or ("spin" in frame.values and spin is None):
            wrong.append(f"frame {row}: charge or spin is not a whole number")
        if wrong or charge is None:
            return wrong, None
        unpaired = self.request.spin if spin is None else self.conventions.unpaired(spin)
        scaled = self.conventions.lengths(cell)
        return wrong, Configuration(
            numbers=np.asarray(frame.numbers, dtype=np.int32),
            positions=self.conventions.lengths(frame.positions),
            cell=np.where(pbc[:, None], scaled, 0.0),
            pbc=pbc,
            charge=charge,
            spin=unpaired,
        )

    def _checked_id(
        self, row: int, frame: Frame, configuration: Configuration, wrong: list[str]
    ) -> dict[str, Any]:
        """The facts of the file that still hold: none where the content is not what the id says."""
        carried = frame.values.get("configuration_id")
        if not _is_id(carried) or carried == configuration.id:
            return frame.values
        self.changed.append(row)
        if not self.request.accept_changed_ids:
            wrong.append(
                f"frame {row}: is not the configuration {str(carried)[:12]} whose id it carries "
                "(rounded or edited? --accept-changed-ids takes it as a new one)"
            )
        return {}

    def _label_problems(self, row: int, frame: Frame) -> list[str]:
        wrong = []
        for quantity in RESULTS:
            shapes = SHAPES[quantity] or [(len(frame.numbers), 3)]
            if not self._has(frame, quantity):
                wrong += [f"frame {row} has no {quantity}"] if quantity != "stress" else []
                continue
            value = self._raw(frame, quantity)
            try:
                numbers = np.asarray(value, dtype=np.float64)
            except (TypeError, ValueError):
                wrong.append(f"frame {row}: {quantity} is {value!r:.40}, not numbers")
                continue
            if numbers.shape not in shapes:
                wrong.append(f"frame {row}: {quantity} has shape {numbers.shape}")
            elif not np.isfinite(numbers).all():
                wrong.append(f"frame {row}: {quantity} is not finite")
            elif quantity == "stress":
                wrong += self._stress_problems(row, numbers, frame)
        return wrong

    def _stress_problems(self, row: int, stress: Float, frame: Frame) -> list[str]:
        if stress.size == 9:
            full = stress.reshape(3, 3)
            if not np.allclose(full, full.T, rtol=1e-6, atol=1e-8 + 1e-6 * np.abs(full).max()):
                return [f"frame {row}: its stress tensor is not symmetric"]
        if np.linalg.matrix_rank(np.asarray(frame.cell)) < 3:
            return [f"frame {row}: has a stress but no volume"]
        return []

    def _raw(self, frame: Frame, quantity: str) -> Any:
        key = self.request.keys.get(quantity)
        if key is not None:
            return frame.values.get(key)
        reference = frame.values.get(f"REF_{quantity}")
        return frame.values.get(quantity) if reference is None else reference

    def _has(self, frame: Frame, quantity: str) -> bool:
        return self._raw(frame, quantity) is not None

    def _notice(self, frame: Frame) -> None:
        used = {"stress", "REF_stress", self.request.keys.get("stress")}
        self.unused |= {
            name
            for name in frame.values
            if re.search("stress|virial", name, re.IGNORECASE) and name not in used
        } - {"cauchy_stress_volume_normalized"}


def as_labels(frames: list[Understood], statement: Statement, source: str) -> Labels:
    """The frames as labels: call ids, purposes and noise of the file's own, where it has them."""
    theory_id = statement.theory_id or source
    given = Given(
        configurations=as_configurations([one.configuration for one in frames]),
        energy=np.array([one.energy for one in frames]),
        forces=np.concatenate([np.zeros((0, 3)), *(one.forces for one in frames)]),
        stress=np.array([one.stress for one in frames]).reshape(-1, 6),
        source=source,
    )
    labels = given.labels("imported", theory_id)
    calls = [
        str(one.facts["call_id"])
        if _is_id(one.facts.get("call_id"))
        else call_id(one.configuration.id, source)
        for one in frames
    ]
    purposes = [
        PURPOSES.index(one.facts["purpose"]) if one.facts.get("purpose") in PURPOSES
        else PURPOSES.index("imported")
        for one in frames
    ]  # fmt: skip
    attributes: dict[str, Any] = {"theory_id": theory_id, "source": source}
    if statement.theory is not None:
        attributes["theory"] = statement.theory.content()
    attributes["source_conventions"] = statement.conventions.content()
    return replace(
        labels,
        call_id=digest.to_bytes(calls),
        purpose=np.array(purposes),
        trajectory=np.array([int(one.facts.get("trajectory", -1)) for one in frames]),
        sigma_energy=np.array([float(one.facts.get("sigma_energy", 0.0)) for one in frames]),
        sigma_forces=np.array([float(one.facts.get("sigma_forces", 0.0)) for one in frames]),
        attributes=attributes,
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and ID.fullmatch(value) is not None


def _whole(value: Any) -> int | None:
    try:
        return int(value) if int(value) == float(value) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _nonzero(value: Any) -> bool:
    return value is not None and _whole(value) != 0
