"""`aldata`: make a project, advance it, look at it."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Any

from aldata.errors import AldataError

COMMANDS = {
    "init": "make a new project: a git and DVC repository with the cycle in it",
    "advance": "add the next generation to params.yaml and run dvc repro",
    "status": "generations, calls, costs, errors, and what is stale",
    "ledger": "the oracle's calls: stats, show, verify, rebuild, push, pull",
    "audit": "which calls made a model, and everything that a call has reached",
    "why": "the life of a configuration: proposed, judged, picked, labelled, used",
    "verify": "recompute every hash of the chain and name each link that does not hold",
    "retract": "take calls back: what they have reached, and a retraction that is obeyed",
    "reproduce": "compute a call or a model again, and compare",
    "noise": "measure the numerical noise of the labels by asking a few of them again",
    "import": "take in data of others: units and level of theory stated, ids checked",
    "doctor": "is everything there that the next call needs? what is missing is named",
    "export": "write labels, configurations or candidates as a file for other programs",
    "query": "which frames satisfy a condition, and which come first",
    "diff": "what two generations, revisions or experiments differ in",
    "compare": "run strategies as experiments, and what their learning curves allow to say",
    "report": "the project as one page: curves, calibration, map with structures, picks, chain",
    "upgrade": "bring the project's stages to this version of aldata",
}
"""Every subcommand and what it does. Each is a module of `aldata.cli` with `configure` and `run`."""

MODULES = {"import": "importing"}
"""Modules that cannot have the name of their subcommand: Python keeps it for itself."""


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """The command-line parser with all subcommands, or with the options of one of them only.

    A command starts faster when the modules of the others are not imported.
    """
    top = argparse.ArgumentParser(
        prog="aldata",
        description="Datasets, provenance and active learning for machine-learned potentials.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in COMMANDS.items():
        sub = commands.add_parser(name, help=help_text, description=help_text)
        if command in (None, name):
            _module(name).configure(sub)
    return top


def _module(name: str) -> Any:
    return importlib.import_module(f"aldata.cli.{MODULES.get(name, name)}")


def _joined(arguments: list[str]) -> list[str]:
    """`--sort -energy` as one argument: argparse would take `-energy` for an option."""
    found: list[str] = []
    for argument in arguments:
        if found and found[-1] == "--sort":
            found[-1] = f"--sort={argument}"
        else:
            found.append(argument)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; an error that a user can act on is one message and exit code 1."""
    given = _joined(sys.argv[1:] if arguments is None else arguments)
    command = given[0] if given and given[0] in COMMANDS else None
    options = parser(command).parse_args(given)
    try:
        code: int = _module(options.command).run(options)
    except AldataError as problem:
        print(f"aldata {options.command}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head` has read enough; Python would complain again at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


if __name__ == "__main__":
    sys.exit(main())
