"""Whether runs are alike where they should be, and differ where their names say so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from aldata.compare.curves import Curve, by_strategy


@dataclass(frozen=True)
class Unlike:
    """What differs between experiments although no one compares it: value -> names.

    parameter : its dotted name; or what else the experiments were computed from, such as
    `files of structures`, with hashes for values.
    """

    parameter: str
    values: dict[str, list[str]]


def unlike(curves: Sequence[Curve]) -> list[Unlike]:
    """Parameters beside strategy and seed, and inputs, that are not the same in all: no fair comparison.

    An input that a run has not come to (it was cut short) does not differ.
    """
    found = []
    for name in sorted({name for curve in curves for name in (*curve.settings, *curve.inputs)}):
        values: dict[str, list[str]] = defaultdict(list)
        is_input = any(name in curve.inputs for curve in curves)
        for curve in curves:
            if not is_input:
                values[curve.settings.get(name, "(none)")].append(curve.experiment)
            elif name in curve.inputs:
                values[curve.inputs[name]].append(curve.experiment)
        if len(values) > 1:
            found.append(Unlike(name, dict(values)))
    return found


@dataclass(frozen=True)
class Acted:
    """A strategy that did not act in a generation of some runs, and what did in its place."""

    strategy: str
    generation: str
    instead: str
    seeds: tuple[int, ...]
    of: int


def acted(curves: Sequence[Curve]) -> list[Acted]:
    """Where another strategy acted than the one that a run is named after, as its history tells.

    Before there is a committee the model's strategies cannot act; and a generation may have a strategy
    of its own in the plan (`generations.g001.acquire.strategy`). of : runs of that strategy which have
    the generation.
    """
    found = []
    for strategy, members in by_strategy(curves).items():
        seeds: dict[tuple[str, str], list[int]] = defaultdict(list)
        there: dict[str, int] = defaultdict(int)
        for curve in members:
            for point in curve.points:
                generation, instead = point.get("generation", ""), point.get("strategy")
                there[generation] += 1
                if instead not in (None, strategy):
                    seeds[generation, instead].append(curve.seed)
        found += [
            Acted(strategy, generation, instead, tuple(some), there[generation])
            for (generation, instead), some in seeds.items()
        ]
    return found


def acted_alike(curves: Sequence[Curve]) -> list[tuple[str, str]]:
    """Pairs of strategies that did the same in all generations of all seeds that they have in common."""
    deeds = {
        strategy: {c.seed: tuple(point.get("strategy") for point in c.points) for c in members}
        for strategy, members in by_strategy(curves).items()
    }
    found = []
    for one, other in combinations(deeds, 2):
        pairs = [(deeds[one][s], deeds[other][s]) for s in deeds[one] if s in deeds[other]]
        whole = [(a, b) for a, b in pairs if len(a) == len(b) > 0 and None not in (*a, *b)]
        if whole and all(a == b for a, b in whole):
            found.append((one, other))
    return found
