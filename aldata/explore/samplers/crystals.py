"""Volume scans, vacancies and swaps: what can be done to a crystal without asking a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from aldata.artifacts.contacts import closest_contact
from aldata.artifacts.displacing import ATTEMPTS, displaced
from aldata.artifacts.frames import Configuration
from aldata.errors import InvalidInput, InvalidParameters
from aldata.explore.samplers.finding import Context, Finding, spawned
from aldata.explore.settings import Displacements, VolumeScan

WHERE = "explore.samplers: displacements"
SCANS, VACANCIES, SWAPS = (1 << 21) + 0, (1 << 21) + 1, (1 << 21) + 2
"""Where the random seeds of each begin: beyond those of the displaced frames."""

Chosen = list[Any]
"""Which atoms, or pairs of atoms, were chosen."""


@dataclass(frozen=True)
class Defect:
    """A way to spoil a crystal.

    needs : what a crystal must have. most : how many atoms or pairs of a crystal can be chosen. make :
    a changed crystal and what was chosen, from a crystal, a count and a generator.
    """

    kind: str
    setting: str
    chosen: str
    needs: str
    most: Callable[[Configuration], int]
    make: Callable[[Configuration, int, np.random.Generator], tuple[Configuration, Chosen]]


def scans(scan: VolumeScan, context: Context, seed: int) -> list[Finding]:
    """Each scanned crystal at `points` volumes: one finding each, `step` the place in the scan.

    Cell vectors that are periodic, and all positions, are scaled together. Frames with atoms closer than
    the checks allow are left out, and counted in the record.
    """
    crystals = crystals_of(context, "volume_scan")
    rng = np.random.default_rng(spawned(seed, SCANS))
    drawn = rng.permutation(len(crystals))[: scan.starts]
    return [_scan(crystals[row], scan, context) for row in drawn]


def _scan(start: Configuration, scan: VolumeScan, context: Context) -> Finding:
    strains = np.linspace(*scan.strain, scan.points)
    frames = [scaled(start, float(strain)) for strain in strains]
    least = context.checks.min_distance_factor
    good = [k for k, frame in enumerate(frames) if closest_contact(frame) >= least]
    record = {
        "sampler": "displacements",
        "kind": "volume",
        "start": start.id,
        "strains": strains.tolist(),
        "left_out": len(frames) - len(good),
        "ended": "completed",
    }
    return Finding(
        record=record,
        frames=[frames[k] for k in good],
        steps=good,
        temperatures=[0.0] * len(good),
        kinds=["volume"] * len(good),
        parents=[start.id] * len(good),
    )


def scaled(start: Configuration, strain: float) -> Configuration:
    """The configuration under an isotropic strain of its periodic directions: of all three, its volume
    is (1 + strain)^3 of what it was. A slab or a chain is not stretched into its vacuum.
    """
    periodic = start.cell[start.pbc]
    deformation = np.eye(3) + strain * np.linalg.pinv(periodic) @ periodic
    return replace(start, positions=start.positions @ deformation, cell=start.cell @ deformation)


def defects(defect: Defect, settings: Displacements, context: Context, seed: int) -> Finding:
    """Crystals in turn, each spoilt, then displaced and strained as `settings` says.

    Frame k depends on (`seed`, k) only; its place in the record's list says which atoms were chosen. Raises
    InvalidParameters when that keeps pushing atoms closer than the checks allow.
    """
    asked = getattr(settings, defect.setting)
    count = getattr(asked, "atoms" if defect is VACANCY else "pairs")
    crystals = fit_for(defect, count, context)
    own = spawned(seed, VACANCIES if defect is VACANCY else SWAPS)
    chosen: list[Chosen] = []
    record = {
        "sampler": settings.name,
        "kind": defect.kind,
        "random_seed": own,
        defect.chosen: chosen,
        "ended": "completed",
    }
    found = Finding(record=record)
    for k in range(asked.frames):
        start = crystals[k % len(crystals)]
        rng = np.random.default_rng(spawned(own, k))
        deviation = settings.displacement[(k // len(crystals)) % len(settings.displacement)]
        frame, atoms = _drawn(defect, start, count, deviation, settings, context, rng)
        chosen.append(atoms)
        found.frames.append(frame)
        found.steps.append(k)
        found.temperatures.append(0.0)
        found.kinds.append(defect.kind)
        found.parents.append(start.id)
    return found


def _drawn(
    defect: Defect,
    start: Configuration,
    count: int,
    deviation: float,
    settings: Displacements,
    context: Context,
    rng: np.random.Generator,
) -> tuple[Configuration, Chosen]:
    least = context.checks.min_distance_factor
    for _ in range(ATTEMPTS):
        changed, atoms = defect.make(start, count, rng)
        frame = displaced(changed, deviation, settings.strain, least, rng)
        if frame is not None:
            return frame, atoms
    raise InvalidParameters(
        f"{defect.setting} displaced by {deviation} A leave atoms too close in all of {ATTEMPTS} draws",
        where=f"{WHERE}.{defect.setting}, from {start.id[:8]}",
        expected=f"contacts above {least} sums of covalent radii",
        next_step="lower its displacement or strain",
    )


def crystals_of(context: Context, setting: str) -> list[Configuration]:
    """The starting points that are periodic. Raises InvalidInput if there are none."""
    found = [start for start in context.starts if start.pbc.any()]
    if not found:
        raise InvalidInput(
            "only molecules are there to start from",
            where=f"{WHERE}.{setting}",
            expected="at least one periodic starting point",
            next_step=f"set {setting} to null, or give a crystal in seed.structures",
        )
    return found


def fit_for(defect: Defect, count: int, context: Context) -> list[Configuration]:
    """The crystals in which so many atoms or pairs can be chosen. Raises InvalidInput if none is fit."""
    crystals = crystals_of(context, defect.setting)
    fit = [crystal for crystal in crystals if defect.most(crystal) >= count]
    if not fit:
        most = max(defect.most(crystal) for crystal in crystals)
        raise InvalidInput(
            f"{count} asked for, but the crystals to start from allow {most} at most",
            where=f"{WHERE}.{defect.setting}",
            expected=defect.needs.format(count=count),
            next_step=f"lower it, set {defect.setting} to null, or give a larger cell in "
            "seed.structures",
        )
    return fit


def _without(
    start: Configuration, count: int, rng: np.random.Generator
) -> tuple[Configuration, Chosen]:
    missing = np.sort(rng.choice(len(start), count, replace=False))
    kept = np.delete(np.arange(len(start)), missing)
    changed = replace(start, numbers=start.numbers[kept], positions=start.positions[kept])
    return changed, missing.tolist()


def _swapped(
    start: Configuration, count: int, rng: np.random.Generator
) -> tuple[Configuration, Chosen]:
    free, numbers, pairs = np.arange(len(start)), start.numbers.copy(), []
    for left in range(count, 0, -1):
        first = _first_of_pair(start.numbers[free], left, rng)
        others = np.flatnonzero(start.numbers[free] != start.numbers[free[first]])
        pair = free[[first, int(rng.choice(others))]]
        numbers[pair] = numbers[pair[::-1]]
        free = np.setdiff1d(free, pair)
        pairs.append(np.sort(pair).tolist())
    return replace(start, numbers=numbers), pairs


def _first_of_pair(numbers: np.ndarray[Any, Any], left: int, rng: np.random.Generator) -> int:
    """Any atom; one of the commonest element where the others are needed for the pairs to come."""
    elements, counts = np.unique(numbers, return_counts=True)
    if len(numbers) - counts.max() > left:
        return int(rng.integers(len(numbers)))
    return int(rng.choice(np.flatnonzero(numbers == elements[counts.argmax()])))


def _pairs(start: Configuration) -> int:
    """How many pairs of unlike atoms there are at once."""
    commonest = int(np.unique(start.numbers, return_counts=True)[1].max())
    return min(len(start) // 2, len(start) - commonest)


VACANCY = Defect(
    kind="vacancy",
    setting="vacancies",
    chosen="missing",
    needs="more than {count} atoms in a cell",
    most=lambda crystal: len(crystal) - 1,
    make=_without,
)
SWAP = Defect(
    kind="swap",
    setting="swaps",
    chosen="swapped",
    needs="{count} disjoint pairs of atoms of different elements",
    most=_pairs,
    make=_swapped,
)
