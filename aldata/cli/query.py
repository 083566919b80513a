"""`aldata query`: which frames satisfy a condition, and which come first."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aldata.errors import InvalidInput

if TYPE_CHECKING:
    from aldata.archive import StoredFrames

KINDS = ("labels", "configurations", "candidates", "descriptors", "predictions", "selections")
FORMATS = ("table", "csv", "json", "extxyz")

EXAMPLE = """\
example: the 20 most uncertain candidates with fewer than 30 atoms that contain oxygen and are far from the
training set
  aldata query candidates --generation g003 \\
    --where "n_atoms < 30 and 'O' in species and distance > 1.5" --sort -sigma_forces --top 20

Quantities: aldata query candidates --list"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata query`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLE
    parser.add_argument("kind", choices=KINDS, help="what is asked")
    parser.add_argument("--generation", metavar="NAME", help="its lineage up to this generation")
    parser.add_argument("--where", metavar="CONDITION", help="which frames (default: all)")
    parser.add_argument(
        "--sort", action="append", default=[], metavar="[-]NAME", help="by this; -: largest first"
    )
    parser.add_argument("--top", type=int, metavar="N", help="only the first N")
    parser.add_argument("--columns", metavar="NAMES", help="further quantities, with commas")
    parser.add_argument("--format", choices=FORMATS, default="table")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to this file")
    parser.add_argument("--rev", help="at this git revision, tag, branch or DVC experiment")
    parser.add_argument("--list", action="store_true", help="list the quantities of this kind")


def run(options: argparse.Namespace) -> int:
    """Answer the question."""
    from aldata.query import Question, known

    if options.list:
        print(quantities_table(options.kind))
        return 0
    if options.generation is None:
        raise InvalidInput("--generation is missing", expected="the name of a generation")
    question = Question(options.where, tuple(options.sort), options.top)
    further = [name.strip() for name in (options.columns or "").split(",") if name.strip()]
    strange = [name for name in further if name not in known(options.kind)]
    if strange:
        raise InvalidInput(
            f"{options.kind} have no quantity {', '.join(strange)}",
            expected=f"one of: {', '.join(known(options.kind))}",
        )
    names = list(dict.fromkeys(["id", "generation", *question.names(options.kind), *further]))
    from aldata import archive

    frames = archive.open(options.kind, options.generation, options.rev)
    found = frames.query(question.where, question.sort, question.top)
    if options.format == "extxyz":
        return _write_extxyz(found, options)
    text = _text(found, names, options.format)
    if options.output:
        _write(options.output, text)
    else:
        sys.stdout.write(text)
    return 0


def quantities_table(kind: str) -> str:
    """The quantities of a kind as a table."""
    from tabulate import tabulate

    from aldata.query import known

    rows = [(q.name, q.unit, q.type, q.meaning) for q in known(kind).values()]
    widths = [None, None, None, 70]
    headers = ["quantity", "unit", "type", "meaning"]
    return str(tabulate(rows, headers=headers, maxcolwidths=widths, disable_numparse=True))


def _text(frames: StoredFrames, names: list[str], form: str) -> str:
    columns = {name: frames.quantity(name).tolist() for name in names}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if form == "json":
        plain = [{k: None if v != v else v for k, v in row.items()} for row in rows]
        return json.dumps(plain, indent=1) + "\n"
    if form == "csv":
        stream = io.StringIO()
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return stream.getvalue()
    return _table(rows, names)


def _table(rows: list[dict[str, Any]], names: list[str]) -> str:
    from tabulate import tabulate

    from aldata.query import QUANTITIES

    heads = [
        f"{n}\n{QUANTITIES[n].unit}" if QUANTITIES[n].unit not in {"", "1"} else n for n in names
    ]
    cells = [[v[:12] if n in {"id", "call"} else v for n, v in row.items()] for row in rows]
    # an id of digits only is no number
    plain = [place for place, name in enumerate(names) if QUANTITIES[name].type != "number"]
    body = tabulate(cells, headers=heads, floatfmt=".5g", missingval="-", disable_numparse=plain)
    return f"{body}\n{len(rows)} frame{'s' if len(rows) != 1 else ''}\n"


def _write_extxyz(frames: StoredFrames, options: argparse.Namespace) -> int:
    from aldata import exchange
    from aldata.artifacts.frames import Configurations

    if options.output is None:
        raise InvalidInput("extxyz needs a file", next_step="add --output FILE.xyz")
    if len(frames) == 0:
        raise InvalidInput("no frame satisfies the condition", where=str(options.where))
    artifact = frames.artifact()
    if not isinstance(artifact, Configurations):
        raise InvalidInput(
            f"{options.kind} have no geometries", expected="labels, configurations or candidates"
        )
    theory = artifact.attributes.get("theory_id")
    source = {"kind": options.kind, "generation": options.generation}
    roles = frames.column("role").tolist() if options.kind == "labels" else None
    statement = exchange.own_statement(None, theory, source)
    count = exchange.write(
        options.output, statement, exchange.frames_of(artifact, roles), name="extxyz"
    )
    print(f"{count} frames written to {options.output}", file=sys.stderr)
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise InvalidInput(
            f"cannot be written: {problem.strerror or problem}", where=str(path)
        ) from None
