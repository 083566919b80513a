"""`aldata export`: what a lineage holds, as a file for other programs; or its provenance."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aldata import archive, exchange
from aldata.archive import StoredFrames
from aldata.artifacts.columns import Array
from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Configurations, Labels
from aldata.artifacts.layout import SEED, path_of
from aldata.artifacts.schema import PURPOSES, STATUSES
from aldata.audit.publication import FORMATS
from aldata.cli.project import Project
from aldata.errors import DamagedArtifact, InvalidInput

ROLES = ("train", "valid", "probe", "none")
BLOCK = 1000
"""Frames in memory at a time."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata export`."""
    parser.add_argument(
        "kind",
        nargs="?",
        default="labels",
        choices=["labels", "configurations", "candidates", "provenance"],
        help="what to write (default: labels)",
    )
    parser.add_argument(
        "--generation", required=True, metavar="G", help="and all its ancestors, e.g. g003"
    )
    parser.add_argument("--rev", help="git revision, tag or DVC experiment (default: now)")
    parser.add_argument(
        "--roles",
        metavar="R,R",
        help=f"of labels, only these: {', '.join(ROLES)} (default: all, retracted ones left out)",
    )
    parser.add_argument(
        "--where", metavar="CONDITION", help="only these, a condition as in `aldata query`"
    )
    parser.add_argument(
        "--failed",
        action="store_true",
        help="failed and rejected calls as well, marked by their status, without results",
    )
    parser.add_argument(
        "--format",
        choices=[*exchange.FORMATS, *FORMATS],
        help=f"default: by the ending; {', '.join(FORMATS)} are of provenance",
    )
    parser.add_argument(
        "--licence", metavar="URL", help="of provenance as ro-crate or eln: under which licence"
    )
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE")


def run(options: argparse.Namespace) -> int:
    """Write the file, whole or not at all, and say what is in it."""
    project = Project.here()
    if options.kind == "provenance":
        from aldata.cli.publishing import export_provenance

        return export_provenance(project, options)
    if options.format in FORMATS:
        raise InvalidInput(
            f"{options.format} is a format of provenance",
            where="aldata export --format",
            next_step=f"aldata export provenance --generation {options.generation} "
            f"--format {options.format} -o {options.output}",
        )
    exchange.format_of(options.output, options.format)
    roles = _roles(options)
    stored = archive.open(options.kind, options.generation, rev=options.rev, root=project.root)
    chosen = stored[_wanted(stored, roles, options.failed)]
    if options.where:
        chosen = chosen.query(options.where)
    if len(chosen) == 0:
        raise InvalidInput(
            f"none of {len(stored)} {options.kind} are wanted",
            where=repr(stored),
            next_step="ask for other --roles, another --where, or for --failed calls",
        )
    statement = exchange.own_statement(_theory(stored, options.kind), None, _source(stored))
    written = exchange.write(options.output, statement, _frames(chosen), options.format)
    print(f"{written} {options.kind} of {', '.join(chosen.generations)} -> {options.output}")
    return 0


def _roles(options: argparse.Namespace) -> list[str]:
    roles = [] if options.roles is None else options.roles.replace(",", " ").split()
    unknown = [role for role in roles if role not in ROLES]
    if unknown or (options.kind != "labels" and (roles or options.failed)):
        raise InvalidInput(
            f"no role {', '.join(unknown)}" if unknown else f"{options.kind} have no roles",
            where="--roles" if roles else "--failed",
            expected=f"of labels: {', '.join(ROLES)}",
        )
    return roles


def _wanted(stored: StoredFrames, roles: list[str], failed: bool) -> Array:
    """Which frames: shape (frame,). A failed call has no role, so it is not asked for one."""
    if stored.name != "labels":
        return np.ones(len(stored), dtype=bool)
    columns = stored.take(None, ["status", "role", "retracted"])
    accepted = columns["status"] == STATUSES.index("accepted")
    of_role = np.isin(columns["role"], roles) if roles else np.ones(len(stored), dtype=bool)
    wanted: Array = accepted & of_role & ~columns["retracted"]
    return wanted | (~accepted if failed else False)


def _theory(stored: StoredFrames, kind: str) -> Theory | None:
    """The level of theory that the seed of this version pinned."""
    if kind != "labels":
        return None
    path = path_of(SEED, "theory")
    return Theory.checked(stored.lineage.tree.json(path), str(path), error=DamagedArtifact)


def _source(stored: StoredFrames) -> dict[str, str]:
    lineage = stored.lineage
    found = {"kind": stored.name, "generation": lineage.name, "revision": lineage.tree.version}
    if lineage.manifests:
        found["dataset"] = lineage.manifests[-1].digest
    return {name: text for name, text in found.items() if text}


def _frames(chosen: StoredFrames) -> Iterator[exchange.Frame]:
    """The frames, a block in memory at a time, each with role and level of theory of its own."""
    stores = chosen.attributes
    foreign = stores.get(SEED, {}).get("labels_theory_id")
    fallbacks = [item for one in stores.values() for item in one.get("fallbacks", [])]
    attributes = {**chosen.parts[-1].attributes, "fallbacks": fallbacks}
    for begin in range(0, len(chosen), BLOCK):
        block = chosen[begin : begin + BLOCK]
        artifact = block.artifact(attributes)
        if not isinstance(artifact, Configurations):
            raise TypeError(f"{chosen.name} have no geometries")
        added = {"generation": block.column("generation").tolist()}
        if chosen.name == "labels":
            added["role"] = block.column("role").tolist()
        if foreign and isinstance(artifact, Labels):
            pairs = zip(artifact.purpose, artifact.theory_ids, strict=True)
            imported = PURPOSES.index("imported")
            added["theory_id"] = [foreign if p == imported else own for p, own in pairs]
        yield from exchange.frames_of(artifact, added)
