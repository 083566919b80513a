"""Before oracle calls are made: say how many are new, and refuse to buy history twice."""

from __future__ import annotations

import os
import sys

from aldata import provenance
from aldata.artifacts.documents import Theory
from aldata.artifacts.layout import SEED
from aldata.artifacts.schema import FAILURES
from aldata.errors import CallsRefused, InvalidParameters
from aldata.execution import Needs
from aldata.label import LabelSettings, Requests, Tally, expected_cost, expected_new, resolve
from aldata.ledger import Ledger
from pipelines.stage import Runner, Stage

ALLOW = "ALDATA_ALLOW_CALLS"
"""Environment variable: names of recorded generations for which new calls may be made."""


def announce(
    stage: Stage, requests: Requests, theory: Theory, ledger: Ledger, settings: LabelSettings
) -> None:
    """Print what the calls will cost. Raises CallsRefused for new calls of what git already has."""
    new = expected_new(requests, theory, ledger, settings)
    seconds = expected_cost(new, theory, ledger)
    cost = "" if seconds is None or not new else f", about {seconds:.0f} CPU s"
    total = len(requests.configurations)
    print(f"{stage.generation}: {total} calls asked for, {new} of them new{cost}", file=sys.stderr)
    _refuse_buying_again(stage, new)


def counted_runner(
    stage: Stage, settings: LabelSettings, fallback: str | None = None
) -> tuple[Runner, Tally]:
    """Runs calls on their cluster; the tally counts how they end and stops what loses too many.

    A failure that a fallback asks again does not count, and neither do those of a fallback.
    """
    hopeful = {failure for f in settings.fallbacks.values() for failure in f.after}
    tally = Tally(settings, spared=FAILURES if fallback else hopeful)
    runner = stage.runner(
        "label",
        Needs(settings.cores, settings.memory),
        title=f"label {fallback}" if fallback else "label",
        on_result=tally.ended,
        remarks=tally.remarks,
    )
    return runner, tally


def pinned_theory(stage: Stage) -> Theory:
    """The level of theory that the seed pinned. Raises InvalidParameters for another one."""
    theory = stage.read(Theory, of=SEED)
    choice = stage.parameters.oracle
    asked = resolve(choice.name, choice.settings, choice.version_policy)
    if asked.id != theory.id:
        raise InvalidParameters(
            f"is another level of theory ({asked.id[:12]}) than the seed's ({theory.id[:12]})",
            where="params.yaml: oracle",
            next_step="undo the change, or begin a new project: a data set has one level of theory",
        )
    return theory


def _refuse_buying_again(stage: Stage, new: int) -> None:
    """Raise CallsRefused for new calls of a generation that git has, outside of experiments."""
    if not new or os.environ.get("DVC_EXP_NAME"):
        return
    if stage.generation in os.environ.get(ALLOW, "").replace(",", " ").split():
        return
    if stage.generation not in provenance.recorded_generations(stage.project):
        return
    raise CallsRefused(
        f"{new} new oracle calls were asked for, but git's history already holds this generation",
        where=f"generations/{stage.generation}",
        next_step="undo the change of params.yaml (aldata status shows what is stale), try it as an "
        f"experiment (dvc exp run), or allow it by name: {ALLOW}={stage.generation} dvc repro",
    )
