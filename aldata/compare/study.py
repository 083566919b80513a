"""A study: one experiment per strategy and seed, by names that say which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aldata.errors import InvalidInput

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
EXPERIMENT = re.compile(rf"({NAME.pattern})-{NAME.pattern}-[0-9]+")

MOST = 10_000
"""Experiments that a study may have: more are a slip of the keyboard."""

SEEDS = 2**31
"""Random seeds are below it, see `Parameters.random_seed`."""


@dataclass(frozen=True)
class Planned:
    """One experiment of a study: its name, and what it sets."""

    name: str
    strategy: str
    seed: int

    @property
    def changes(self) -> list[str]:
        """Arguments of `dvc exp run`."""
        sets = {"acquire.strategy": self.strategy, "random_seed": self.seed}
        return [part for key, value in sets.items() for part in ("-S", f"{key}={value}")]


def planned(study: str, strategies: Sequence[str], seeds: int, first_seed: int) -> list[Planned]:
    """The experiments of a study, seed by seed, so that what is interrupted is still paired.

    Raises InvalidInput for a study's name that git cannot take, for a strategy that does not exist or is
    named twice, and for less than one seed or far too many.
    """
    from aldata.acquire import STRATEGIES

    if not NAME.fullmatch(study):
        raise InvalidInput(
            f"'{study}' cannot be the name of a study",
            where="--study",
            expected="lower-case letters, digits and underscores, a letter first, 64 at most",
        )
    unknown = [name for name in strategies if name not in STRATEGIES]
    if unknown or len(set(strategies)) != len(strategies) or not strategies:
        problem = "name each strategy once" if strategies else "name at least one strategy"
        raise InvalidInput(
            f"there is no strategy {', '.join(unknown)}" if unknown else problem,
            where="--strategies",
            expected=f"some of: {', '.join(STRATEGIES)}",
        )
    if seeds < 1:
        raise InvalidInput("a study has at least one seed", where="--seeds", expected="5, say")
    if seeds * len(strategies) > MOST or first_seed + seeds > SEEDS:
        raise InvalidInput(
            f"{seeds} seeds from {first_seed} on are {seeds * len(strategies)} experiments",
            where="--seeds",
            expected=f"at most {MOST} experiments, and seeds below {SEEDS}",
        )
    return [
        Planned(f"{study}-{strategy}-{seed}", strategy, seed)
        for seed in range(first_seed, first_seed + seeds)
        for strategy in strategies
    ]


def study_of(experiment: str) -> str | None:
    """The study of an experiment that is called `STUDY-STRATEGY-SEED`; None for other names."""
    found = EXPERIMENT.fullmatch(experiment)
    return found[1] if found else None
