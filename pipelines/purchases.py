"""Before oracle calls are made: say how many are new, and refuse to buy history twice."""

from __future__ import annotations

import os
import sys

from aldata import provenance
from aldata.artifacts.documents import Theory
from aldata.errors import CallsRefused
from aldata.label import LabelSettings, Requests, expected_cost, expected_new
from aldata.ledger import Ledger
from pipelines.stage import Stage

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
