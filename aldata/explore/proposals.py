"""The candidates of a generation: what all samplers find, joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Candidates, geometry_columns
from aldata.artifacts.schema import SAMPLERS as KINDS
from aldata.digest import to_bytes
from aldata.errors import InvalidInput
from aldata.explore.samplers import CHECKS, SAMPLERS, WITHOUT_MODEL, Context, Finding
from aldata.explore.samplers.finding import spawned
from aldata.explore.settings import ExploreSettings, Sampler

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

OTHERS = 1 << 20
"""Where the random seeds of the samplers after the first begin: beyond those of its trajectories."""


def propose(
    first: Candidates, settings: ExploreSettings, seed: int, context: Context
) -> Candidates:
    """Candidates of a generation: what `explore` finds; `first` where no sampler can do without a model.

    Before there is a model only samplers that need none look.
    """
    if not context.checkpoint.is_null:
        return explore(settings, seed, context)
    check(settings, context)  # of those that wait for a model, too
    able = [sampler for sampler in settings.samplers if sampler.name in WITHOUT_MODEL]
    if able:
        return explore(settings.model_copy(update={"samplers": able}), seed, context)
    checkpoint = context.checkpoint.digest
    return Candidates.from_arrays(first.arrays, {**first.attributes, "checkpoint": checkpoint})


def check(settings: ExploreSettings, context: Context) -> None:
    """Raise the error of the first sampler that is known to be unable to work (`CHECKS`)."""
    for sampler in settings.samplers:
        if sampler.name in CHECKS:
            CHECKS[sampler.name](sampler, context)


def committee_mean(checkpoint: Checkpoint) -> Calculator:
    """The ASE calculator of a checkpoint's committee mean."""
    from aldata.potentials import Committee

    return Committee.from_checkpoint(checkpoint).calculator()


def explore(settings: ExploreSettings, seed: int, context: Context) -> Candidates:
    """What the samplers find, one after the other, thinned to `settings.candidates`.

    Attributes: `checkpoint`, `random_seed`, and `trajectories`: one record per trajectory, file or
    series of draws, with `sampler`, `ended` and what else the sampler knows. The same arguments give the
    same candidates, however `context.run` spreads the jobs.

    What can be known to be wrong with a sampler is looked at before any of them works: see `check`.

    Raises InvalidInput if there are no starting points, or if nothing at all was found, with why: a
    sampler that finds nothing does not stop the others.
    """
    if len(context.starts) == 0:
        raise InvalidInput("there is no configuration to start from", where="explore")
    check(settings, context)
    findings: list[Finding] = []
    for place, sampler in enumerate(settings.samplers):
        own = seed if place == 0 else spawned(seed, OTHERS + place)
        found = SAMPLERS[sampler.name](sampler, context, own)
        findings += _thinned(found, _most(settings, sampler))
    if not any(finding.frames for finding in findings):
        raise _nothing(findings)
    attributes = {"checkpoint": context.checkpoint.digest, "random_seed": seed}
    return _candidates(findings, attributes)


def _nothing(findings: Sequence[Finding]) -> InvalidInput:
    reasons = "; ".join(
        f"{f.record['sampler']} {i}: {f.record['ended']}" for i, f in enumerate(findings)
    )
    return InvalidInput(
        f"no sampler found a candidate ({reasons})",
        where="explore",
        next_step="lower the temperatures or the timestep in explore.samplers, set sigma_lo to null, "
        "look in another way, or train the parent for longer",
    )


def _most(settings: ExploreSettings, sampler: Sampler) -> int | None:
    """How many candidates a sampler may give."""
    if settings.candidates is None:
        return None
    whole = sum(one.share for one in settings.samplers)
    return max(1, round(settings.candidates * sampler.share / whole))


def _thinned(findings: Sequence[Finding], most: int | None) -> list[Finding]:
    """At most so many frames of all findings together, spread evenly; of ranked ones the first."""
    counts = [0 if finding.whole else len(finding.frames) for finding in findings]
    if most is None or sum(counts) <= most:
        return list(findings)
    kept = np.unique(np.linspace(0, sum(counts) - 1, most).round().astype(int))
    ends = np.cumsum(counts)
    return [
        finding
        if finding.whole
        else _fewer(finding, [int(k - end + count) for k in kept if end - count <= k < end])
        for finding, count, end in zip(findings, counts, ends.tolist(), strict=True)
    ]


def _fewer(finding: Finding, spread: list[int]) -> Finding:
    """The rows that an even thinning keeps, or as many of the first where these are wanted most."""
    return finding.take(list(range(len(spread))) if finding.ranked else spread)


def _candidates(findings: Sequence[Finding], attributes: dict[str, object]) -> Candidates:
    kinds = [KINDS.index(kind) for finding in findings for kind in finding.kinds]
    counts = [len(finding.frames) for finding in findings]
    return Candidates(
        **geometry_columns([frame for finding in findings for frame in finding.frames]),
        sampler=np.array(kinds),
        trajectory=np.repeat(np.arange(len(findings)), counts),
        step=np.array([step for finding in findings for step in finding.steps]),
        temperature=np.array([t for finding in findings for t in finding.temperatures]),
        parent_configuration=to_bytes([p for finding in findings for p in finding.parents]),
        image=np.array([k for finding in findings for k in finding.column("images", -1)]),
        bead=np.array([k for finding in findings for k in finding.column("beads", -1)]),
        sigma=np.array([s for finding in findings for s in finding.column("sigmas", np.nan)]),
        attributes={**attributes, "trajectories": [finding.record for finding in findings]},
    )
