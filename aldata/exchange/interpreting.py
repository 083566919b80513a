"""Frame by frame: from a file's values to a configuration and its label, or what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from aldata.artifacts.frames import Configuration, Float, result_digest
from aldata.artifacts.geometry_files import problems as geometry_problems
from aldata.exchange.conventions import Conventions
from aldata.exchange.frames import RESULTS, Frame
from aldata.exchange.request import Request

UNIT_OF = {"energy": "energy", "forces": "force", "stress": "stress"}
SHAPES: dict[str, list[tuple[int, ...]]] = {
    "energy": [()],
    "forces": [],
    "stress": [(6,), (9,), (3, 3)],
}
OPTIONS = {
    **{
        name: f"no unit of {name} is stated: --{name}-unit"
        for name in ("length", "energy", "force", "stress")
    },
    "stress_sign": "no sign of the stress is stated: --stress-sign tension|compression",
    "voigt": 'no order of the stress components is stated: --voigt "xx yy zz yz xz xy"',
    "spin": "frames state a spin: --spin-is unpaired|multiplicity",
}
"""What to say of a convention that nobody has stated, and the option that states it."""
SHOWN = 5
"""How many frames with problems an error spells out."""
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

    @cached_property
    def results(self) -> str:
        """Digest of energy, forces and stress."""
        stress = None if np.isnan(self.stress).any() else self.stress
        return result_digest("accepted", self.energy, self.forces, stress)


class Interpreter:
    """Converts frames under stated conventions and collects problems, duplicates and odd things.

    It keeps a few hundred bytes per frame, not the frames: of `problems` the first, and their `count`.
    """

    def __init__(self, conventions: Conventions, request: Request) -> None:
        self.conventions = conventions
        self.request = request
        self.problems: list[str] = []
        self.count = 0
        self.repeated = 0
        self.failed = 0
        self.changed = 0
        self.unused: set[str] = set()
        self._kept: dict[bytes, tuple[int, bytes]] = {}
        self._needed: set[str] = set()
        self._first_changed = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def unstated(self) -> list[str]:
        """What the frames needed that nobody has stated, with the option that states it."""
        missing = [name for name in self._needed if not getattr(self.conventions, name)]
        return [text for name, text in OPTIONS.items() if name in missing]

    def take(self, row: int, frame: Frame) -> Understood | None:
        """A frame in aldata's units; None for one that is not kept, of which the counts tell why.

        As long as something is `unstated`, only what else is missing is looked for.
        """
        self._needed |= self._needs(frame)
        if self.unstated:
            return None
        if self.request.labelled and frame.values.get("status", "accepted") != "accepted":
            self.failed += 1
            return None
        wrong, one = self._understood(row, frame)
        self._report(wrong)
        return one if one is not None and not wrong and self._is_first(one) else None

    def _report(self, problems: list[str]) -> None:
        self.count += len(problems)
        self.problems += problems[: SHOWN - len(self.problems)]

    def _needs(self, frame: Frame) -> set[str]:
        """The conventions that the frame's numbers need."""
        needed = {"length"}
        if self.request.labelled:
            needed |= {UNIT_OF[name] for name in RESULTS if self._has(frame, name)}
        if "stress" in needed:
            six = np.size(self._raw(frame, "stress")) == 6
            needed |= {"stress_sign", "voigt"} if six else {"stress_sign"}
        return needed | {"spin"} if _nonzero(frame.values.get("spin")) else needed

    def _is_first(self, one: Understood) -> bool:
        """Whether the configuration is a new one; the same with another label is a problem."""
        results = bytes.fromhex(one.results) if self.request.labelled else b""
        first = self._kept.setdefault(bytes.fromhex(one.configuration.id), (one.row, results))
        if first[0] == one.row:
            return True
        self.repeated += 1
        if first[1] != results:
            self._report([f"frames {first[0]} and {one.row} are one configuration with two labels"])
        return False

    def notes(self) -> list[str]:
        """What a user should know about what was read."""
        counts = (
            (self.repeated, "frames occur more than once in the file and were kept once"),
            (self.failed, "frames are marked as failed or rejected calls and were left out"),
            (self.changed, "frames are not the configurations whose ids they carry, and have new "
                           f"ids now (first: frame {self._first_changed})"),
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
        if is_id(stated) and stated != one.results and not self.request.accept_changed_ids:
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
        if not is_id(carried) or carried == configuration.id:
            return frame.values
        self._first_changed = self._first_changed if self.changed else row
        self.changed += 1
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


def is_id(value: Any) -> bool:
    """Whether this is a sha256, hexadecimal."""
    return isinstance(value, str) and ID.fullmatch(value) is not None


def _whole(value: Any) -> int | None:
    try:
        return int(value) if int(value) == float(value) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _nonzero(value: Any) -> bool:
    return value is not None and _whole(value) != 0
