"""From a pool to a selection: the probe first, then the strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

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

ASKED = "asked for during exploration: sigma above sigma_hi"
"""Why a frame is selected that was asked for already."""

DIVERSE = "farthest_point"
"""What is done instead of a strategy that needs a committee, before there is one."""


def acquire(pool: Pool, settings: AcquireSettings, seed: int) -> Selection:
    """Choose `settings.batch` candidates that were never asked for, the random probe among them.

    Candidates near a failed call are left out first, see `aldata.acquire.avoidance`.

    What was asked for already while the pool was made (`pool.asked`) is selected in any case, and counts
    in the batch. The probe is drawn uniformly from all others first: with the same pool and seed it is the
    same for every strategy. Candidates are looked at in ascending order of id, so their order in the
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
    avoided = replace(avoided, rows=avoided.rows & ~_is_asked(fresh))
    fresh = _away_from_failed(fresh, avoided)
    fresh = fresh.take(np.union1d(chosen(fresh, settings.where), np.flatnonzero(_is_asked(fresh))))
    size, early = min(settings.batch, len(fresh)), np.flatnonzero(_is_asked(fresh))
    free = np.setdiff1d(np.arange(len(fresh)), early)
    probe = _probe(
        fresh.take(free), _probe_size(size, settings.probe, len(free)), _generator(seed, 0)
    )
    probe = replace(probe, rows=free[probe.rows])
    rest = np.setdiff1d(free, probe.rows)
    name = _effective(settings.strategy, pool)
    count = max(size - len(probe.rows) - len(early), 0)
    picks = _picks(name, fresh.take(rest), count, settings, seed)
    picks = replace(picks, rows=rest[picks.rows], reason=picks.reason + _why(name, settings, pool))
    asked = np.concatenate([probe.rows, early, picks.rows])
    attributes = {
        **_facts(pool, fresh, new, settings),
        "remaining": remaining(fresh, asked, picks.rows, settings),
        "avoided": avoided.facts,
        "strategy": name,
        "facts": dict(picks.facts),
        "random_seed": seed,
    }
    return _selection(fresh, [probe, _early(fresh, early), picks], attributes)


def _is_asked(pool: Pool) -> npt.NDArray[np.bool_]:
    """Which frames of a pool were asked for while it was made: shape (candidate,)."""
    if not pool.asked:
        return np.zeros(len(pool), dtype=bool)
    return np.array([identity in pool.asked for identity in pool.ids()], dtype=bool)


def _picks(name: str, pool: Pool, count: int, settings: AcquireSettings, seed: int) -> Picks:
    if len(pool) == 0 or count == 0:
        return Picks(rows=np.zeros(0, np.int64), scores=np.zeros(0), reason=name)
    way = STRATEGIES[name].way(pool)
    assert way is not None  # `_effective` has asked
    return way(pool, count, _generator(seed, 1), settings)


def _early(pool: Pool, rows: Integer) -> Picks:
    """What was asked for already; its score is the sigma that it was asked for, in eV/A."""
    sigma = np.zeros(len(rows)) if pool.frames is None else pool.frames.sigma[pool.index[rows]]
    scores = np.nan_to_num(np.asarray(sigma, dtype=np.float64))
    return Picks(rows=rows, scores=scores, reason=ASKED)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))


def _probe_size(size: int, share: float, free: int) -> int:
    """At least one unless the share is 0, but never the whole batch: something must be learned; and no more
    than are free to be drawn.
    """
    wanted = max(1, round(size * share)) if share > 0 else 0
    return min(wanted, size - 1, free)


def _probe(pool: Pool, count: int, rng: np.random.Generator) -> Picks:
    return replace(random.pick(pool, count, rng), reason="uniformly random probe")


def _effective(strategy: str, pool: Pool) -> str:
    return DIVERSE if STRATEGIES[strategy].way(pool) is None else strategy


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


def _selection(pool: Pool, parts: Sequence[Picks], attributes: dict[str, Any]) -> Selection:
    """Probe, what was asked for already, if anything was, and picks, one after the other."""
    probe, early, picks = parts
    kept = [probe, early, picks] if len(early.rows) else [probe, picks]
    rows: Integer = np.concatenate([part.rows for part in kept])
    reason = np.repeat(np.arange(len(kept)), [len(part.rows) for part in kept])
    return Selection(
        configuration_id=to_bytes(pool.ids(rows)),
        score=np.concatenate([part.scores for part in kept]),
        rank=np.arange(len(rows)),
        probe=reason == 0,
        reason=reason,
        attributes={**attributes, "reasons": [part.reason for part in kept]},
    )
