"""`aldata upgrade`: bring a project's stages to this version of aldata."""

from __future__ import annotations

import argparse

from aldata import params
from aldata.cli.init import copy_plan, copy_plots, copy_stages
from aldata.cli.project import Project
from aldata.errors import InvalidParameters
from aldata.params import reading


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata upgrade`."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")


def run(options: argparse.Namespace) -> int:
    """Say which verbs behave differently, then copy the stages and set the behaviour versions."""
    project = Project.here()
    document = reading.parsed(project.params)
    if not isinstance(document, dict):
        raise InvalidParameters("holds no parameters", where=str(project.params))
    found = document.get("behaviour") or {}
    for verb, version in params.BEHAVIOUR.items():
        if found.get(verb) != version:
            print(f"{verb}: behaviour {found.get(verb, 'missing')} -> {version}; it will run again")
    if options.dry_run:
        return 0
    params.set_behaviour(project.params)
    copy_plan(project.root)
    copy_stages(project.root)
    copy_plots(project.root)
    print("Upgraded. See what would run and what it would cost: aldata status")
    return 0
