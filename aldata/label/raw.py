"""The raw files of an attempt: which there are, and their digests."""

from __future__ import annotations

import os
from pathlib import Path

from aldata import digest
from aldata.artifacts.calls import Part, RawFile

PRINTED = "printed.txt"
"""File in an attempt's raw folder with what its process printed, a crash's traceback included."""

INPUT_SUFFIXES = {".abi", ".in", ".inp", ".pwi"}
"""Suffixes of the input files of the codes; every file called `input.*` is one as well."""


def listed(folder: Path) -> list[RawFile]:
    """Every file below an attempt's raw folder, by name; nothing where there is no folder."""
    found = []
    for parent, _, names in os.walk(folder):  # globbing costs a process that is new more than this
        for path in (Path(parent, name) for name in names):
            if path.is_file() and not path.is_symlink():
                size, sha256 = path.stat().st_size, digest.of_file(path)
                name = path.relative_to(folder).as_posix()
                found.append(RawFile(name=name, part=part_of(name), bytes=size, sha256=sha256))
    return sorted(found, key=lambda file: file.name)


def part_of(name: str) -> Part:
    """Whether a raw file is input or output of the code, or what its process printed."""
    if name == PRINTED:
        return "printed"
    path = Path(name)
    return "input" if path.stem == "input" or path.suffix in INPUT_SUFFIXES else "output"
