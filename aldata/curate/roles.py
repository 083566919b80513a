"""Which role each frame plays, for good."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from aldata import digest
from aldata.artifacts.documents import Role

FEWEST_WITH_VALID = 5
"""From this many frames on at least one validates, however small the share."""

LARGEST_OVERSHOOT = 2.0
"""A trajectory that would make more than this times the wanted share is not taken whole."""

CAUTION: dict[Role, int] = {"train": 0, "valid": 1, "probe": 2, "none": 3}
"""Where copies have several roles the most cautious wins: least is ever trained on."""


@dataclass(frozen=True)
class Unit:
    """Frames that must share a role (near-copies, or one alone), and where they come from.

    calls : their call ids. lineage : the trajectory of the first of them. content : what ranks
    them.
    """

    calls: tuple[str, ...]
    lineage: str
    content: str


def most_cautious(roles: Sequence[Role]) -> Role:
    """The role that wins among copies."""
    return max(roles, key=CAUTION.__getitem__)


def split(units: Sequence[Unit], share: float, random_seed: int) -> dict[str, Role]:
    """Role train or valid of every call of `units`, independent of their order.

    Frames of one trajectory are alike, so whole trajectories validate: they are ranked by a hash of
    lineage and seed, and taken until `share` of the frames is reached. Fallback: where no
    trajectory fits (there is one only, or each holds more than twice the wanted frames), units are
    ranked by their content instead, and a trajectory is divided. At least one frame validates where
    there are five, and never all.
    """
    total = sum(len(unit.calls) for unit in units)
    wanted = round(share * total) if total >= FEWEST_WITH_VALID else int(share * total)
    if total >= FEWEST_WITH_VALID:
        wanted = max(1, wanted)
    trajectories: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        trajectories[unit.lineage].append(unit)
    most = min(LARGEST_OVERSHOOT * wanted, total - 1)
    valid = _first_that_fit(trajectories, wanted, most, random_seed)
    if not valid:
        contents = {unit.content: [unit] for unit in units}
        valid = _first_that_fit(contents, wanted, total - 1, random_seed)
    return {call: "valid" if call in valid else "train" for unit in units for call in unit.calls}


def _first_that_fit(
    groups: dict[str, list[Unit]], wanted: int, most: float, random_seed: int
) -> set[str]:
    ranked = sorted(groups, key=lambda name: digest.of_json([random_seed, name]))
    taken: set[str] = set()
    for name in ranked:
        calls = {call for unit in groups[name] for call in unit.calls}
        if len(taken) >= wanted:
            break
        if len(taken) + len(calls) <= most:
            taken |= calls
    return taken
