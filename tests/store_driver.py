"""Run by test_store_reliability.py in a process of its own: forks children that write, and kills them."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from made_stores import made

from aldata import store
from aldata.artifacts.columns import Columns
from aldata.artifacts.frames import Labels, Predictions, Selection
from aldata.errors import DamagedArtifact

FRAMES = [5, 0, 12, 1] * 50


def _child(work: Callable[[], object]) -> int:
    """Fork; the child works and exits at once, without the parent's clean-up."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException as problem:
        print(repr(problem), file=sys.stderr, flush=True)
        os._exit(1)


def _stream(path: Path, artifact: Columns) -> None:
    assert isinstance(artifact, Predictions)
    with store.writer(path, Predictions, artifact.attributes) as out:
        for block in artifact.blocks(50):
            out.append(block)


def _write_document(path: Path, artifact: Columns) -> None:
    store.write_json(path, {"digest": artifact.digest})


def _digest_at(path: Path, kind: type[Columns]) -> str | None:
    """What lies at `path`, compared with its digests; None for nothing. Raises for anything half."""
    if path.is_dir():
        return store.read(path, kind).digest
    return str(store.read_json(path)["digest"]) if path.exists() else None


WAYS = {"write": store.write, "writer": _stream, "write_json": _write_document}


def kill_at_random(folder: Path, way: str) -> Counter[str]:
    """Kill writers at random times: what is found afterwards is the old or the new, by count."""
    path, write = folder / "predictions.zarr", WAYS[way]
    versions = [made(Predictions, FRAMES, seed=seed) for seed in range(2)]
    digests = [version.digest for version in versions]
    began = time.monotonic()
    for version in versions:
        write(path, version)
    usual = (time.monotonic() - began) / 2
    outcomes: Counter[str] = Counter()
    rng, old = random.Random(0), 1
    for _ in range(60):
        new = 1 - old
        pid = _child(lambda chosen=new: write(path, versions[chosen]))  # type: ignore[misc]
        time.sleep(rng.uniform(0, 2.5 * usual))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        found = _digest_at(path, Predictions)
        outcomes[{digests[old]: "old", digests[new]: "new"}.get(found or "", "wrong")] += 1
        old = digests.index(found or "")
    return outcomes


def kill_at_every_step(folder: Path, way: str) -> Counter[str]:
    """Kill the writer at its 1st, 2nd, ... step that Python audits (open, mkdir, rename, ...).

    First where nothing lies, then over an old store or document.
    """
    path, write = folder / "selection.zarr", WAYS[way]
    old, new = (made(Selection, FRAMES[:4], seed=seed) for seed in range(2))
    outcomes: Counter[str] = Counter()
    for before in (None, old):
        for step in range(1, 10_000):
            _lay(path, before, write)
            pid = _child(lambda at=step: _dying(write, path, new, at))  # type: ignore[misc]
            _, status = os.waitpid(pid, 0)
            found = _digest_at(path, Selection)
            outcomes["new" if found == new.digest else "old"] += 1
            assert found in (new.digest, before and before.digest), (step, found)
            if os.WIFEXITED(status):
                assert (os.WEXITSTATUS(status), found) == (0, new.digest)
                break
    return outcomes


def _lay(path: Path, artifact: Columns | None, write: Callable[[Path, Columns], object]) -> None:
    """Make `artifact`, or nothing, what lies at `path`."""
    found = _digest_at(path, Selection)
    if artifact is not None and found != artifact.digest:
        write(path, artifact)
    elif artifact is None and path.is_dir():
        shutil.rmtree(path)
    elif artifact is None:
        path.unlink(missing_ok=True)


def _dying(write: Callable[[Path, Columns], object], path: Path, new: Columns, at: int) -> None:
    steps = 0

    def count(event: str, _: object) -> None:
        nonlocal steps
        if event == "open" or event.startswith(("os.", "shutil.", "ctypes.", "fcntl.")):
            steps += 1
            if steps == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    write(path, new)


def race(folder: Path, _: str) -> Counter[str]:
    """Two processes write one path again and again while it is read: every read finds a whole one."""
    path = folder / "labels.zarr"
    versions = [made(Labels, FRAMES[: 40 * (seed + 1)], seed=seed) for seed in range(2)]
    names = {versions[0].digest: "first", versions[1].digest: "second"}
    store.write(path, versions[0])
    pids = [
        _child(lambda mine=version: [store.write(path, mine) for _ in range(20)])  # type: ignore[misc]
        for version in versions
    ]
    outcomes: Counter[str] = Counter()
    while pids:
        time.sleep(0.001)
        outcomes[names[store.read(path, Labels).digest]] += 1
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            pids.remove(pid)
            assert status == 0
    outcomes["end " + names[store.read(path, Labels).digest]] += 1
    return outcomes


def neighbours(folder: Path, _: str) -> Counter[str]:
    """Two processes write different artifacts of one generation at the same time."""
    versions = {name: made(Labels, FRAMES, seed=seed) for seed, name in enumerate("ab")}
    pids = [
        _child(lambda n=name, v=version: [store.write(folder / f"{n}.zarr", v) for _ in range(10)])  # type: ignore[misc]
        for name, version in versions.items()
    ]
    failed = [status for _, status in (os.waitpid(pid, 0) for pid in pids) if status]
    assert not failed
    return Counter(
        whole=sum(
            store.read(folder / f"{n}.zarr", Labels).digest == v.digest for n, v in versions.items()
        )
    )


def refused(folder: Path, way: str) -> Counter[str]:
    """Write where the file system refuses: the error's text, and what is left."""
    import resource

    if way == "limit":  # as a full disk, for a user who may not mount one
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**12, 2**12))
    try:
        store.write(folder / "labels.zarr", made(Labels, FRAMES * 20))
    except DamagedArtifact as problem:
        return Counter({str(problem): 1, "left": len(list(folder.iterdir()))})
    return Counter(written=1)


if __name__ == "__main__":
    trial, where, how = sys.argv[1:]
    print(json.dumps(globals()[trial](Path(where), how)))
