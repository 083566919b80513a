"""DVC, with a `dvc.lock` that is written one stage at a time: `python -m aldata.store.dvc repro`.

After every stage DVC reads and writes the whole file through a YAML parser that keeps comments: 5 s per
stage at fifty generations, most of what one more generation costs there. Here the other stages' text
stays as it is, and only the stage's own is made, by DVC's serializer: the file has the same bytes.
It is replaced in one step, so that a killed run leaves the old one or the new one.

With `--claim N` before DVC's own arguments, the paths of the temporary folders that DVC makes are written
into the open file N, see `note_folders`.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from aldata.store.documents import write_text

HEAD = "schema: '2.0'\nstages:\n"
NAME_LINE = re.compile(r"  ([\w@.-]+):\n")


def blocks_of(text: str) -> dict[str, str] | None:
    """The text of every stage by its name; None for a file that DVC did not write just so."""
    if not text.startswith(HEAD):
        return None
    blocks: dict[str, list[str]] = {}
    name = None
    for line in text[len(HEAD) :].splitlines(keepends=True):
        if found := NAME_LINE.fullmatch(line):
            name = found[1]
            blocks[name] = [line]
        elif name is None or not line.startswith("    "):
            return None
        else:
            blocks[name].append(line)
    return {name: "".join(lines) for name, lines in blocks.items()}


def dump_stages(dump_all: Callable[..., None]) -> Callable[..., None]:
    """DVC's `Lockfile.dump_stages` for one stage of a file that it wrote; else `dump_all`, its own."""

    def dump(lock: Any, stages: Sequence[Any], **kwargs: Any) -> None:
        from dvc.stage import serialize
        from dvc.utils.serialize import dumps_yaml

        path = Path(lock.path)
        blocks = blocks_of(path.read_text(encoding="utf-8")) if path.exists() else None
        if blocks is None:
            dump_all(lock, stages, **kwargs)
            return
        before = dict(blocks)
        for stage in stages:
            data = serialize.to_lockfile(stage, **kwargs)
            made = blocks_of(dumps_yaml({"schema": "2.0", "stages": data}))
            if made is None:
                dump_all(lock, stages, **kwargs)
                return
            blocks |= made
        if blocks != before:
            logging.getLogger("dvc.dvcfile").info("Updating lock file '%s'", lock.relpath)
            write_text(path, HEAD + "".join(blocks.values()))
            lock.repo.scm_context.track_file(lock.relpath)

    return dump


def note_folders(claim: int) -> None:
    """From now on every temporary folder of this process is named in the open file before it is made.

    A process that is killed cannot remove its folders; the file tells which they were. Its lock, if it has
    one, is held until this process ends: its children do not get the file.
    """
    os.set_inheritable(claim, False)

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "tempfile.mkdtemp" and not os.path.lexists(str(arguments[0])):
            os.write(claim, os.fsencode(f"{arguments[0]}\n"))

    sys.addaudithook(note)


def unqueue(root: Path, names: Collection[str]) -> list[str]:
    """Take experiments off DVC's list of those to run next; the names that were on it.

    DVC puts an experiment on the list and takes it off when it has its copy. One that was killed in
    between stays, and the next `dvc exp run`, of whatever experiment, runs it as well. While another DVC
    command holds the list nothing is taken off.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo
    from dvc.repo.experiments.refs import WORKSPACE_STASH
    from dvc.repo.experiments.utils import get_exp_rwlock

    try:
        with Repo(str(root)) as repo, get_exp_rwlock(repo, writes=["workspace", WORKSPACE_STASH]):
            stash = repo.experiments.tempdir_queue.stash
            found = [entry for entry in stash.stash_revs.values() if entry.name in names]
            stash.remove_revs(found)
    except (LockError, DvcException):
        return []
    return sorted({str(entry.name) for entry in found})


def main(arguments: Sequence[str]) -> int:
    """Run DVC with these arguments; returns its exit code."""
    from dvc import dvcfile
    from dvc.cli import main as dvc

    if arguments[:1] == ["--claim"]:
        note_folders(int(arguments[1]))
        arguments = arguments[2:]
    dump_all = getattr(dvcfile.Lockfile, "dump_stages", None)
    if dump_all is not None:  # older versions of DVC have another door: they write as they do
        dvcfile.Lockfile.dump_stages = dump_stages(dump_all)
    return int(dvc(list(arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
