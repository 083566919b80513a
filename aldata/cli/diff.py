"""`aldata diff`: what two data sets differ in."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from aldata.errors import InvalidInput

if TYPE_CHECKING:
    from aldata.archive.differences import Difference

SHOWN = 5
"""How many ids the table spells out."""

EXAMPLE = """\
examples:
  aldata diff g002 g003              what g003 added to g002
  aldata diff g003 --rev HEAD~1 HEAD the same generation at two revisions
  aldata diff exp-a:g002 exp-b:g002  two experiments, or any revision before the colon"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata diff`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLE
    parser.add_argument(
        "generations", nargs="+", metavar="[REVISION:]GENERATION", help="the first, then the second"
    )
    parser.add_argument("--rev", nargs=2, metavar=("A", "B"), help="revisions to compare")
    parser.add_argument("--json", action="store_true", help="machine-readable, with every id")


def run(options: argparse.Namespace) -> int:
    """Print the differences."""
    from aldata.archive.differences import difference
    from aldata.archive.lineage import lineage_of
    from aldata.archive.versions import tree_of

    sides = _sides(options.generations, options.rev)
    first, second = (lineage_of(tree_of(None, rev), name) for rev, name in sides)
    found = difference(first, second)
    if options.json:
        content: dict[str, Any] = {"from": _name(sides[0]), "to": _name(sides[1])}
        roles = {call: list(pair) for call, pair in found.roles.items()}
        print(json.dumps({**content, "changes": dict(found.changes), "roles": roles}, indent=1))
    else:
        print(f"from {_name(sides[0])} to {_name(sides[1])}\n{_table(found)}")
    return 0


def _sides(names: list[str], revisions: list[str] | None) -> list[tuple[str | None, str]]:
    """Revision and generation of both sides. Raises InvalidInput."""
    pairs = [name.rpartition(":") for name in names]
    sides: list[tuple[str | None, str]] = [(rev or None, name) for rev, _, name in pairs]
    if len(sides) == 1 and revisions:
        sides *= 2
    if len(sides) != 2 or (revisions and any(rev for rev, _ in sides)):
        raise InvalidInput(
            f"cannot compare {', '.join(names)}"
            + (f" at {', '.join(revisions or [])}" * bool(revisions)),
            expected="two generations, or one with --rev A B, or A:GENERATION B:GENERATION",
        )
    if revisions:
        sides = [(rev, name) for rev, (_, name) in zip(revisions, sides, strict=True)]
    return sides


def _name(side: tuple[str | None, str]) -> str:
    rev, generation = side
    return f"{rev}:{generation}" if rev else generation


def _table(found: Difference) -> str:
    from tabulate import tabulate

    if found.is_empty:
        return "nothing differs"
    rows = []
    for name, ids in found.changes.items():
        listed = [
            f"{i[:12]} {' > '.join(found.roles[i])}" if name == "roles changed" else i[:12]
            for i in ids[:SHOWN]
        ]
        more = f", ... (--json: all {len(ids)})" if len(ids) > SHOWN else ""
        rows.append((name, len(ids), ", ".join(listed) + more))
    return str(tabulate(rows, headers=["", "count", "first ids"], disable_numparse=[2]))
