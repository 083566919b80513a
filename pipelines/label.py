"""label: ask the oracle for what was selected; every call goes through the ledger."""

import os
import sys

import numpy as np

from aldata import provenance
from aldata.artifacts.documents import Noise, Theory
from aldata.artifacts.frames import Candidates, Selection, rows_of
from aldata.artifacts.layout import SEED
from aldata.artifacts.schema import PURPOSES
from aldata.errors import CallsRefused, InvalidParameters
from aldata.label import (
    LabelSettings,
    Requests,
    expected_cost,
    expected_new,
    label,
    resolve,
)
from aldata.ledger import Ledger
from pipelines.stage import Stage, run

ALLOW = "ALDATA_ALLOW_CALLS"
"""Environment variable: names of recorded generations for which new calls may be made."""


def label_selection(stage: Stage) -> None:
    """Say how many calls are new before the first is made; refuse to buy history twice."""
    theory = _pinned_theory(stage)
    settings = stage.settings(LabelSettings)
    ledger = Ledger(stage.home / ".aldata" / "ledger")
    requests = _requests(stage)
    new = expected_new(requests, theory, ledger, settings)
    seconds = expected_cost(new, theory, ledger)
    cost = "" if seconds is None else f", about {seconds:.0f} CPU s"
    total = len(requests.configurations)
    print(f"{stage.generation}: {total} calls asked for, {new} of them new{cost}", file=sys.stderr)
    _refuse_buying_again(stage, new)
    labels, calls = label(requests, theory, ledger, settings, stage.runner("label"))
    stage.write(labels)
    stage.write_json("calls", calls)


def _pinned_theory(stage: Stage) -> Theory:
    """The level of theory that the seed pinned. Raises InvalidParameters for another one."""
    theory = stage.read(Theory, of=SEED)
    choice = stage.parameters.oracle
    asked = resolve(choice.name, choice.settings)
    if asked.id != theory.id:
        raise InvalidParameters(
            f"is another level of theory ({asked.id[:12]}) than the seed's ({theory.id[:12]})",
            where="params.yaml: oracle",
            next_step="undo the change, or begin a new project: a data set has one level of theory",
        )
    return theory


def _requests(stage: Stage) -> Requests:
    candidates, selection = stage.read(Candidates), stage.read(Selection)
    noise = stage.read(Noise, of=SEED)
    asked = candidates.take(rows_of(candidates, selection.ids))
    purposes = (PURPOSES.index("acquired"), PURPOSES.index("probe"))
    return Requests(
        configurations=asked,
        purpose=np.where(selection.probe, purposes[1], purposes[0]).astype(np.uint8),
        trajectory=asked.trajectory,
        sigma_energy=noise.sigma_energy,
        sigma_forces=noise.sigma_forces,
    )


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


if __name__ == "__main__":
    run("label", label_selection)
