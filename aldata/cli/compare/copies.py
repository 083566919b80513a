"""What DVC leaves of killed experiments, copies of the workspace above all: those of a study are removed.

`dvc exp run --temp` removes its copy when it ends, unless it is killed. DVC keeps no account of who works
in which copy. Here every experiment has a file, its claim, which its processes hold locked (`flock`) for
as long as they live, and in which DVC writes each copy down before it makes it (`aldata.store.dvc`). So
whoever gets the lock knows that nobody works in these copies, on this machine or on another one. A copy
that is in no claim is somebody else's and is left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aldata import provenance

COPIES = Path(".dvc", "tmp", "exps", "standalone")
"""Where DVC makes the copies of `dvc exp run --temp`: folders called tmp..."""

LIST = "refs/exps/stash"
"""Where DVC keeps an experiment until it has made its copy."""


@dataclass(frozen=True)
class Leftovers:
    """What was removed, what stays because of a process or of the disk, and what is not a study's."""

    removed: Sequence[Path]
    kept: Sequence[Path]
    others: Sequence[Path]


def claimed(path: Path) -> IO[str] | None:
    """The claim of an experiment, locked; None while a process of the experiment lives."""
    claim = path.open("a+", encoding="utf-8", errors="surrogateescape")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        claim.close()
        return None
    return claim


def cleared(root: Path, claim: IO[str], busy: Sequence[Path] = ()) -> tuple[list[Path], list[Path]]:
    """Remove the copies of a locked claim, but for busy ones: those that are gone now, and the rest."""
    removed: list[Path] = []
    kept: list[Path] = []
    for copy in _copies_in(root, claim):
        if copy.is_dir():
            if copy not in busy:
                shutil.rmtree(copy, ignore_errors=True)
            (kept if copy.exists() else removed).append(copy)
    if not kept:
        claim.truncate(0)
    return removed, kept


def sweep(root: Path, folder: Path) -> Leftovers:
    """Remove the copies of every experiment in `folder` of which no process lives.

    A copy stays, too, while any process of this machine works in it: a stage that has outlived DVC.
    """
    there = [copy for copy in sorted((root / COPIES).glob("tmp*")) if copy.is_dir()]
    busy = _where_processes_work(there)
    removed: list[Path] = []
    kept: list[Path] = []
    in_use: list[Path] = []
    for path in sorted(folder.glob("*.lock")) if there else []:
        claim = claimed(path)
        if claim is None:
            with path.open(encoding="utf-8", errors="surrogateescape") as claim:
                in_use += _copies_in(root, claim)
            continue
        with claim:
            gone, left = cleared(root, claim, busy)
        removed += gone
        kept += left
    others = [copy for copy in there if copy not in {*removed, *kept, *in_use, *busy}]
    return Leftovers(removed, kept, others)


def forget(root: Path, folder: Path, names: Collection[str] | None = None) -> list[str]:
    """Take experiments of which no process lives off DVC's list of those to run next; their names.

    names : those that are known not to live; by default all whose claim in `folder` nobody holds.
    """
    if provenance.git(root, "rev-parse", "--verify", "--quiet", LIST) is None:
        return []
    from aldata.store.dvc import unqueue

    with contextlib.ExitStack() as held:
        free = list(names or ())
        for path in sorted(folder.glob("*.lock")) if names is None else ():
            claim = claimed(path)
            if claim is not None:
                held.enter_context(claim)
                free.append(path.stem)
        return unqueue(root, free)


def _copies_in(root: Path, claim: IO[str]) -> list[Path]:
    """The copies that a claim names, wherever the project was when DVC made them."""
    claim.seek(0)
    paths = [Path(line) for line in claim.read().splitlines()]
    ours = [path.name for path in paths if path.parent.parts[-4:] == COPIES.parts]
    return [root / COPIES / name for name in ours if name.startswith("tmp")]


def _where_processes_work(copies: Sequence[Path]) -> list[Path]:
    """Those of the copies that some process of this machine works in, as far as one may know."""
    import psutil

    if not copies:
        return []
    folders = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            folders.add(Path(process.cwd()))
    return [c for c in copies if any(f.is_relative_to(c.resolve()) for f in folders)]
