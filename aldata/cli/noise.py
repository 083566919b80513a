"""`aldata noise`: how noisy the labels are, measured by asking a few of them again."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import numpy as np

from aldata import execution, params, provenance, store
from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Labels
from aldata.artifacts.layout import path_of
from aldata.cli.noise_plan import CHOSEN_BY, Plan, plan
from aldata.cli.project import Project
from aldata.errors import InvalidInput
from aldata.label import expected_cost, expected_new, label
from aldata.ledger import Ledger
from aldata.noise import (
    FEWEST,
    Ended,
    Estimate,
    FrameNoise,
    Measurement,
    NoiseFile,
    measure,
    path_of_noise,
)
from aldata.params import Parameters

MILLI = 1000.0
"""Energies and forces are printed in meV."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata noise`."""
    parser.add_argument(
        "--frames", type=int, default=8, help="accepted calls to ask again (default 8)"
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=2,
        help="moved copies of each, from another start (default 2)",
    )
    parser.add_argument(
        "--generation", metavar="G", help="calls of this generation only, or of the seed"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what it would cost")


def run(options: argparse.Namespace) -> int:
    """Say what it costs, ask, estimate, and keep the record; print the table."""
    project = Project.here()
    parameters = params.load(project.params)
    if options.frames < FEWEST or options.repeats < 1:
        raise InvalidInput(
            f"--frames {options.frames} --repeats {options.repeats} is too little to measure noise",
            where="aldata noise",
            expected=f"at least {FEWEST} frames and 1 repeat",
        )
    planned = plan(project, parameters, options.frames, options.repeats, options.generation)
    ledger = project.ledger
    print(_announcement(planned, ledger, parameters), flush=True)
    if options.dry_run:
        return 0
    answers, ended = _ask(project, planned, ledger, parameters)
    measured = _measurement(planned, answers, _made_before(project, parameters))
    is_new = _keep(project, planned.theory, measured, ended)
    print(_report(measured))
    print(_what_follows(planned.theory, measured, is_new))
    return 0


def _announcement(planned: Plan, ledger: Ledger, parameters: Parameters) -> str:
    """How many calls at which level of theory, how many of them new, and what they will cost."""
    lines = [
        f"{len(planned.frames)} accepted calls at level of theory {planned.theory.id[:12]} "
        f"({planned.theory.oracle}), chosen by {CHOSEN_BY}"
    ]
    if planned.is_exact:
        lines.append(f"{planned.theory.oracle} has nothing tighter: it is exact but for rounding")
    for name, (requests, theory) in planned.questions().items():
        new = expected_new(requests, theory, ledger, parameters.label)
        lines.append(
            f"{name}: {len(requests.configurations)} calls asked for, {new} of them new"
            f"{_cost(new, theory, planned.theory, ledger)} ({_changes(planned.theory, theory)})"
        )
    return "\n".join(lines)


def _cost(new: int, theory: Theory, usual: Theory, ledger: Ledger) -> str:
    if not new:
        return ""
    seconds = expected_cost(new, theory, ledger)
    if seconds is not None:
        return f", about {seconds:.3g} CPU s"
    seconds = expected_cost(new, usual, ledger)
    return "" if seconds is None else f", {seconds:.3g} CPU s at the usual cost of a call"


def _changes(usual: Theory, other: Theory) -> str:
    changed = [k for k in other.record if other.record[k] != usual.record.get(k)]
    return ", ".join(f"{k}: {other.record[k]}" for k in changed) or "the same settings"


def _ask(
    project: Project, planned: Plan, ledger: Ledger, parameters: Parameters
) -> tuple[dict[str, Labels], list[Ended]]:
    """Labels of everything that is asked, and how each call ended; all go through the ledger."""
    answers, ended = {}, []
    with execution.open_cluster(execution.ClusterSettings.load(project.root, "label")) as cluster:
        for name, (requests, theory) in planned.questions().items():
            runner = partial(cluster, title=f"noise: {name}")
            answers[name], facts = label(requests, theory, ledger, parameters.label, runner)
            ended += [Ended.of(fact) for fact in facts]
            for fact in facts:
                if fact["status"] != "accepted":
                    print(
                        f"{name}: call {fact['call_id'][:12]} {fact['status']}: {fact['message']}"
                    )
    return answers, ended


def _measurement(planned: Plan, answers: dict[str, Labels], earlier: list[str]) -> Measurement:
    tight = answers.get("tighter")
    fields = measure(planned.frames, tight, answers["repeats"], planned.moved)
    views = fields.pop("views")
    count, frames = planned.moved.repeats, planned.frames
    rows = [
        FrameNoise(
            configuration=frames.ids[row],
            generation=planned.generations[row],
            atoms=int(frames.row_size[row]),
            call=frames.call_ids[row],
            tighter_call=None if tight is None else tight.call_ids[row],
            repeat_calls=answers["repeats"].call_ids[row * count : (row + 1) * count],
            net_force=float(np.abs(frames.forces[frames.atoms_of(row)].sum(axis=0)).max()),
            **{name: _or_none(values[row]) for name, values in vars(views).items()},
        )
        for row in range(len(frames))
    ]
    return Measurement(
        **fields,
        tighter_theory=planned.tight,
        repeats_theory=planned.restart,
        frames_chosen_by=CHOSEN_BY,
        frames=rows,
        earlier_generations=earlier,
    )


def _or_none(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _made_before(project: Project, parameters: Parameters) -> list[str]:
    """Generations that have chosen their frames already, here or in git's history."""
    recorded = provenance.recorded_generations(project.root)
    return [
        name
        for name in parameters.in_order()
        if name in recorded or (project.root / path_of(name, "selection")).exists()
    ]


def _keep(project: Project, theory: Theory, measured: Measurement, ended: list[Ended]) -> bool:
    """Add the measurement to its level of theory's file, unless the last one says the same."""
    path = project.root / path_of_noise(theory.id)
    file = store.read_document(path, NoiseFile) if path.exists() else None
    known = file.measurements if file else []
    nobody: dict[str, list[str]] = {"earlier_generations": []}
    if known and known[-1].model_copy(update=nobody) == measured.model_copy(update=nobody):
        return False
    calls = {item.call_id: item for item in [*(file.calls if file else []), *ended]}
    store.write_document(
        path,
        NoiseFile(theory_id=theory.id, measurements=[*known, measured], calls=list(calls.values())),
    )
    return True


def _report(measured: Measurement) -> str:
    from tabulate import tabulate

    heads = ["frame", "generation", "atoms", "net force", "E - E(tighter)", "F - F(tighter)"]
    heads += ["E of repeats", "F of repeats"]
    body = [
        [
            row.configuration[:8],
            row.generation,
            row.atoms,
            *(
                None if value is None else MILLI * value
                for value in (
                    row.net_force,
                    row.energy_difference,
                    row.forces_difference,
                    row.energy_spread,
                    row.forces_spread,
                )
            ),
        ]
        for row in measured.frames
    ]
    table = tabulate(body, headers=heads, floatfmt=".3g", missingval="-", disable_numparse=[0])
    lines = [
        f"\nmeV and meV/A; differences: RMS of forces; repeats: standard deviations\n{table}\n"
    ]
    if measured.tighter is not None and measured.offset_energy_per_atom is not None:
        offset = MILLI * measured.offset_energy_per_atom
        error = MILLI * (measured.offset_energy_per_atom_error or 0.0)
        lines.append(f"offset E - E(tighter): {offset:.3g} +- {error:.2g} meV/atom (no noise)")
        lines.append(f"against tighter settings: {_sigmas(measured.tighter)}")
    lines.append(f"among repeats: {_sigmas(measured.repeats)}")
    lines.append(
        f"sigma_E = {MILLI * measured.sigma_energy:.3g} meV per frame "
        f"({MILLI * measured.sigma_energy_per_atom:.3g} meV/atom, from {measured.sigma_energy_from}),"
        f" sigma_F = {MILLI * measured.sigma_forces:.3g} meV/A (from {measured.sigma_forces_from})"
    )
    return "\n".join(lines)


def _sigmas(estimate: Estimate) -> str:
    return (
        f"sigma_E {MILLI * estimate.sigma_energy:.3g} +- {MILLI * estimate.sigma_energy_error:.2g} "
        f"meV, sigma_F {MILLI * estimate.sigma_forces:.3g} +- "
        f"{MILLI * estimate.sigma_forces_error:.2g} meV/A ({estimate.frames} frames)"
    )


def _what_follows(theory: Theory, measured: Measurement, is_new: bool) -> str:
    path = path_of_noise(theory.id)
    if not is_new:
        return f"{path} holds this measurement already"
    kept = ", ".join(measured.earlier_generations)
    old = f"; {kept} keep the noise they were made with" if kept else ""
    return (
        f"Kept in {path}. It holds for generations made from now on{old}.\n"
        f"Next:\n  git add {path} && git commit -m 'measured noise'\n  dvc repro, or aldata advance"
    )
