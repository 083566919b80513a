"""`aldata advance`: one more generation."""

from __future__ import annotations

import argparse
import sys

from aldata import params
from aldata.artifacts.layout import SEED
from aldata.audit.retractions import due
from aldata.cli.project import Project, repro
from aldata.cli.staleness import Forecast, forecast_of_new, forecasts
from aldata.errors import CallsRefused


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata advance`."""
    parser.add_argument("--parent", help="generation to start from (default: the last one)")
    parser.add_argument("--name", help="name of the new generation (default: the next number)")
    parser.add_argument(
        "--allow-calls",
        default="",
        metavar="G,G",
        help="generations of git's history for which new oracle calls may be made",
    )


def run(options: argparse.Namespace) -> int:
    """Add the entry, say what will run and what it may cost, and run `dvc repro`."""
    project = Project.here()
    parameters = params.load(project.params)
    allowed = options.allow_calls.replace(",", " ").split()
    for name in set(allowed) - {SEED}:
        parameters.plan_of(name)
    # DVC's status takes half a minute at fifty generations: it is asked once.
    ahead = forecasts(project, parameters)
    _refuse_buying_again(ahead, allowed)
    name = options.name or params.next_name(parameters)
    parent = options.parent or next(reversed(parameters.generations), SEED)
    retractions = due(project.root, parameters, parent)
    changes = {"curate": retractions} if retractions else {}
    params.add_generation(project.params, parameters, name, parent, changes)
    print(f"Added {name} (parent {parent}) to params.yaml.")
    for verb, items in retractions.items():
        print(f"  {name} will {verb} retraction {', '.join(items)}")
    for item in [*ahead, forecast_of_new(project, params.load(project.params), name)]:
        print("  " + sentence(item), flush=True)
    code = repro(project.root, ALDATA_ALLOW_CALLS=" ".join(allowed))
    if code != 0:
        print(f"{name} stays in the plan: to go on with it, run dvc repro", file=sys.stderr)
    return code


def sentence(item: Forecast) -> str:
    """What a forecast means, in words."""
    action = "runs again" if item.computed else "runs"
    cost = "" if item.oracle_seconds is None else f", about {item.oracle_seconds:.0f} CPU s"
    calls = f"at most {item.new_calls_at_most} new calls{cost}"
    if item.new_calls_at_most == 0:
        calls = "no new calls"
    history = "  (already in git's history)" if item.recorded else ""
    return f"{item.generation} {action} from {item.first_stage}: {calls}{history}"


def _refuse_buying_again(items: list[Forecast], allowed: list[str]) -> None:
    again = [item for item in items if item.buys_again and item.generation not in allowed]
    if not again:
        return
    names = ",".join(item.generation for item in again)
    listing = "".join(f"\n    {sentence(item)}" for item in again)
    raise CallsRefused(
        f"a changed setting would run recorded generations again:{listing}",
        where="params.yaml",
        expected="history that stays as it is: change the new generation's own entry instead",
        next_step=f"undo the change (git diff params.yaml), try it as an experiment (dvc exp run), "
        f"or allow it by name: aldata advance --allow-calls {names}",
    )
