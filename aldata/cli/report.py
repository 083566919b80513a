"""`aldata report`: the project as one page that opens without a network."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from aldata.cli.project import Project
from aldata.errors import InvalidInput


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata report`."""
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="FILE", help="the page"
    )
    parser.add_argument(
        "--rev", help="a git revision or DVC experiment instead of the files of now"
    )


def run(options: argparse.Namespace) -> int:
    """Write the page and say how large it is."""
    project = Project.here()
    from aldata import report

    document = report.gathered(project.root, rev=options.rev)
    _write(options.output, report.page(document))
    size = options.output.stat().st_size / 1e6
    for note in document["notes"]:
        print(f"  {note}")
    print(f"written: {options.output} ({size:.1f} MB)")
    return 0


def _write(path: Path, text: str) -> None:
    """Write the file whole or not at all. Raises InvalidInput where that cannot be done."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as beside:
            part = Path(beside) / "page"
            part.write_text(text, encoding="utf-8", newline="\n")
            part.replace(path)
    except OSError as problem:
        raise InvalidInput(
            f"cannot be written: {problem.strerror or problem}",
            where=str(path),
            expected="a file in a folder that is there",
        ) from None
