"""`aldata why CONFIGURATION`: how it came to be asked for, and what became of it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from aldata import audit
from aldata.cli.project import Project


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata why`."""
    parser.add_argument("configuration", help="first digits of a configuration's or a call's id")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> int:
    """Print the life of a configuration."""
    from aldata.audit.life import found_configuration, life_of

    project = Project.here()
    with audit.Index(project.root) as index:
        graph = audit.Graph(index)
        found = life_of(graph, found_configuration(graph, options.configuration))
    print(json.dumps(found, indent=1) if options.json else _page(found))
    return 0


def _page(found: Mapping[str, Any]) -> str:
    lines = [f"configuration {found['configuration']}"]
    for judged in found["judged"]:
        lines += ["", f"a candidate of {judged['generation']}, one of {judged['candidates']}"]
        for name, item in judged["quantities"].items():
            lines.append(f"  {name} {item['value']:.6g}: number {item['place']} of {item['of']}")
    for pick in found["picks"]:
        lines += ["", *_picked(pick)]
    if not found["picks"] and not found["asked"]:
        lines += ["", "never asked for"]
    for asked in found["asked"]:
        lines += ["", *_asked(asked)]
    if found["missing"]:
        lines += ["", "MISSING: not on this machine", *(f"  {m}" for m in found["missing"])]
    return "\n".join(lines)


def _picked(pick: Mapping[str, Any]) -> list[str]:
    others = f" of {pick['candidates']} candidates" if pick["candidates"] else ""
    lines = [
        f"picked by {pick['generation']} ({', '.join(pick['versions'])}), strategy "
        f"{pick['strategy']}: rank {pick['rank']} of {pick['picks']} picks{others}, "
        f"score {pick['score']:.6g}",
        f"  {'drawn at random, as a probe' if pick['probe'] else pick['reason']}",
        f"  judged by checkpoint {pick['model']}",
    ]
    if pick.get("sampler"):
        lines.append(
            f"  proposed by {pick['sampler']}" + (_place(pick) if pick["trajectory"] >= 0 else "")
        )
        if (pick["started_from"] or {}).get("ended"):
            lines.append(f"  which ended: {pick['started_from']['ended']}")
        lines.append(f"  from configuration {pick['parent_configuration']}")
        if pick["trajectory"] >= 0:
            lines.append(f"  under checkpoint {pick['explored_with']}")
    return lines


def _place(pick: Mapping[str, Any]) -> str:
    """Where in what its sampler did the candidate was found."""
    parts = ["", f"trajectory {pick['trajectory']}", f"step {pick['step']}"]
    parts += [f"{name} {pick[name]}" for name in ("image", "bead") if name in pick]
    if pick["temperature"]:
        parts.append(f"{pick['temperature']:g} K")
    if "sigma" in pick:
        parts.append(f"sigma {pick['sigma']:.3g} eV/A")
    return ", ".join(parts)


def _asked(asked: Mapping[str, Any]) -> list[str]:
    lines = [
        f"in the data set of {asked['generation']} ({', '.join(asked['versions'])}): "
        f"{asked['status']}, purpose {asked['purpose']}, role {asked['role']}",
        f"  call {asked['call']}",
    ]
    if asked["host"]:
        lines.append(
            f"  computed {asked['start']} on {asked['host']} with {asked['version']}, "
            f"{asked['cpu_seconds']:.4g} CPU s"
        )
    if asked["duplicate_of"]:
        lines.append(f"  a copy of call {asked['duplicate_of']}")
    return lines
