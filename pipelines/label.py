"""label: ask the oracle for what was selected; every call goes through the ledger."""

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import Noise
from aldata.artifacts.frames import Candidates, Selection, rows_of
from aldata.artifacts.layout import SEED
from aldata.artifacts.schema import PURPOSES
from aldata.label import (
    LabelSettings,
    Requests,
    failed_requests,
    fallback_theory,
    label,
    with_fallback,
)
from aldata.ledger import Ledger
from pipelines.purchases import announce, counted_runner, pinned_theory
from pipelines.stage import Stage, run


def label_selection(stage: Stage) -> None:
    """Say how many calls are new before the first is made; refuse to buy history twice.

    A call that failed is asked again at the fallbacks' levels of theory, if there are any.
    """
    theory = pinned_theory(stage)
    settings = stage.settings(LabelSettings)
    ledger = Ledger.of_project(stage.home)
    requests = _requests(stage)
    announce(stage, requests, theory, ledger, settings)
    runner, tally = counted_runner(stage, settings)
    atoms = stage.read(Checkpoint, of=SEED)
    isolated = dict(zip(atoms.numbers.tolist(), atoms.isolated_energies.tolist(), strict=True))
    labels, calls = label(
        requests, theory, ledger, settings, runner, isolated=isolated, tally=tally
    )
    choice = stage.parameters.oracle
    for name, fallback in settings.fallbacks.items():
        again = failed_requests(labels, fallback)
        if len(again.configurations) == 0:
            continue
        other = fallback_theory(name, fallback, theory, choice.settings, choice.version_policy)
        announce(stage, again, other, ledger, settings)
        runner, tally = counted_runner(stage, settings, name)
        answers, facts = label(again, other, ledger, settings, runner, tally=tally)
        labels, calls = with_fallback(labels, answers, name, other), calls + facts
        stage.facts.setdefault("fallbacks", {})[name] = other.content()
    stage.write(labels)
    stage.write_json("calls", calls)


def _requests(stage: Stage) -> Requests:
    candidates, selection = stage.read(Candidates), stage.read(Selection)
    noise = stage.read(Noise)
    asked = candidates.take(rows_of(candidates, selection.ids))
    purposes = (PURPOSES.index("acquired"), PURPOSES.index("probe"))
    return Requests(
        configurations=asked,
        purpose=np.where(selection.probe, purposes[1], purposes[0]).astype(np.uint8),
        trajectory=asked.trajectory,
        sigma_energy=noise.sigma_energy,
        sigma_forces=noise.sigma_forces,
    )


if __name__ == "__main__":
    run("label", label_selection)
