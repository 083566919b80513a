"""From a pool to a selection: the probe first, then the strategy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from aldata.acquire.avoidance import Avoided, near_failed
from aldata.acquire.picks import Picks
from aldata.acquire.pool import Integer, Pool
from aldata.acquire.questions import chosen
from aldata.acquire.remaining import remaining
from aldata.acquire.settings import AcquireSettings
from aldata.acquire.strategies import STRATEGIES, random
from aldata.artifacts.frames import Selection
from aldata.digest import to_bytes
from aldata.errors import InvalidInput

DIVERSE = "farthest_point"
"""What is done instead of a strategy that needs a committee, before there is one."""


def acquire(pool: Pool, settings: AcquireSettings, seed: int) -> Selection:
    """Choose `settings.batch` candidates that were never asked for, the random probe among them.

    Candidates near a failed call are left out first, see `aldata.acquire.avoidance`.

    The probe is drawn uniformly from all of them first: with the same pool and seed it is the same
    for every strategy. Candidates are looked at in ascending order of id, so their order in the
    pool does not matter. Ranks count the probe first. Attributes: `strategy` (what was done),
    `asked` (what the settings ask for), `reasons`, `settings`, `random_seed`, `pool` (sizes),
    `avoided` (near failed calls, and why), `remaining` (what the best batch left would tell),
    `aleatoric` (the labels' noise, and the force sigma that
    information is measured in), `warnings`, `facts`, `checkpoint`, `descriptor_id`.

    Raises InvalidInput if nothing new is in the pool that may be asked, or if a candidate's
    descriptors or predictions are not finite.
    """
    rows = pool.open_rows()
    if len(rows) == 0:
        raise InvalidInput(
            f"none of the {len(pool)} candidates is new",
            where="acquire",
            next_step="explore for longer or hotter: steps, temperatures of explore.samplers",
        )
    fresh = pool.take(rows)
    fresh.refuse_not_finite()
    new, avoided = len(fresh), near_failed(fresh, settings.avoid_failed)
    fresh = _away_from_failed(fresh, avoided)
    fresh = fresh.take(chosen(fresh, settings.where))
    size = min(settings.batch, len(fresh))
    probe = _probe(fresh, _probe_size(size, settings.probe), _generator(seed, 0))
    rest = np.setdiff1d(np.arange(len(fresh)), probe.rows)
    name = _effective(settings.strategy, pool)
    picks = STRATEGIES[name].pick(
        fresh.take(rest), size - len(probe.rows), _generator(seed, 1), settings
    )
    picks = replace(picks, rows=rest[picks.rows], reason=picks.reason + _why(name, settings, pool))
    asked = np.concatenate([probe.rows, picks.rows])
    attributes = {
        **_facts(pool, fresh, new, settings),
        "remaining": remaining(fresh, asked, picks.rows, settings),
        "avoided": avoided.facts,
        "strategy": name,
        "facts": dict(picks.facts),
        "random_seed": seed,
    }
    return _selection(fresh, probe, picks, attributes)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))


def _probe_size(size: int, share: float) -> int:
    """At least one unless the share is 0, but never the whole batch: something must be learned."""
    wanted = max(1, round(size * share)) if share > 0 else 0
    return min(wanted, size - 1)


def _probe(pool: Pool, count: int, rng: np.random.Generator) -> Picks:
    return replace(random.pick(pool, count, rng), reason="uniformly random probe")


def _effective(strategy: str, pool: Pool) -> str:
    return strategy if STRATEGIES[strategy].can_work(pool) else DIVERSE


def _why(effective: str, settings: AcquireSettings, pool: Pool) -> str:
    if effective == settings.strategy:
        return ""
    missing = "one member is no committee" if pool.has_predictions else "there is no model yet"
    return f" ({missing} for {settings.strategy})"


def _away_from_failed(fresh: Pool, avoided: Avoided) -> Pool:
    if not avoided.rows.any():
        return fresh
    if avoided.rows.all():
        raise InvalidInput(
            f"all {len(fresh)} new candidates lie near configurations whose calls failed",
            where="acquire",
            next_step="explore elsewhere (lower temperatures in explore.samplers), or "
            "acquire.avoid_failed: 0",
        )
    return fresh.take(np.flatnonzero(~avoided.rows))


def _facts(pool: Pool, fresh: Pool, new: int, settings: AcquireSettings) -> dict[str, Any]:
    known = pool.known_count
    warnings = []
    if len(fresh) < settings.batch:
        warnings.append(
            f"{settings.batch} were asked for, but only {len(fresh)} candidates are new"
            + (f" and satisfy {settings.where!r}" if settings.where else "")
            + (" and not near a failed call" if pool.failed is not None else "")
        )
    return {
        "asked": settings.strategy,
        "settings": settings.content(),
        "pool": {
            "candidates": len(pool),
            "known": known,
            "identical": len(pool) - known - new,
            "new": new,
            "satisfying": len(fresh),
        },
        "aleatoric": {
            "noise": None if pool.noise is None else pool.noise.content(),
            "sigma_forces": pool.aleatoric_forces,
        },
        "warnings": warnings,
        "checkpoint": pool.checkpoint,
        "descriptor_id": pool.descriptor_id,
    }


def _selection(pool: Pool, probe: Picks, picks: Picks, attributes: dict[str, Any]) -> Selection:
    rows: Integer = np.concatenate([probe.rows, picks.rows])
    random_part = np.arange(len(rows)) < len(probe.rows)
    return Selection(
        configuration_id=to_bytes(pool.ids(rows)),
        score=np.concatenate([probe.scores, picks.scores]),
        rank=np.arange(len(rows)),
        probe=random_part,
        reason=np.where(random_part, 0, 1),
        attributes={**attributes, "reasons": [probe.reason, picks.reason]},
    )
