"""Exchange of calls with any fsspec URL: only what is missing, whole objects only, never a verdict lost.

The place behind the URL has the layout of a ledger. Nothing that is there is ever overwritten, so
that an exchange may be interrupted, repeated, and made by several at once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aldata import digest
from aldata.artifacts.calls import Attempt, CallRecord
from aldata.errors import LedgerError
from aldata.ledger import objects
from aldata.ledger.ledger import Ledger
from aldata.ledger.verification import problems_of_record

STREAMS = 8
"""Files that travel at the same time: most of the time is waiting for the other side."""

ATOMIC_WRITES = {"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss"}
"""Protocols where a written file appears whole or not at all; elsewhere it is written under another
name and renamed."""


@dataclass
class Exchanged:
    """What an exchange did; `refused` names damaged objects and says why."""

    calls: int = 0
    attempts: int = 0
    raw_files: int = 0
    present: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


LAYOUT = re.compile(
    r"(calls|attempts|raw)/(?P<two>[0-9a-f]{2})/(?P<call>[0-9a-f]{64})(\.json|/[^/]+\.json|/[^/]+/.+)"
)
"""Names of the files that belong to a ledger."""


class Side(Protocol):
    """One end of an exchange."""

    def names(self, kind: str) -> set[str]:
        """Paths of all files below `calls`, `attempts` or `raw`, without interrupted writes."""

    def get(self, name: str) -> bytes:
        """The bytes of a file."""

    def put(self, name: str, data: bytes) -> None:
        """Write a file that appears whole, or not at all."""


class Local:
    """The ledger's folder."""

    def __init__(self, ledger: Ledger) -> None:
        self.folder = ledger.folder

    def names(self, kind: str) -> set[str]:
        """Paths of all files of a kind."""
        files = (path for path in (self.folder / kind).rglob("[!.]*") if path.is_file())
        return {path.relative_to(self.folder).as_posix() for path in files}

    def get(self, name: str) -> bytes:
        """The bytes of a file. Raises LedgerError."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as problem:
            raise LedgerError(
                f"cannot be read: {problem.strerror or problem}", where=str(self.folder / name)
            ) from None

    def put(self, name: str, data: bytes) -> None:
        """Write a file; it is on the disk when this returns."""
        objects.write_bytes(self.folder / name, data, durable=True)


class Remote:
    """The place behind an fsspec URL. Raises LedgerError for what cannot be reached."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        with _reaching(url):
            self.files, root = fsspec.core.url_to_fs(url)
        self.root = str(root).rstrip("/")
        protocol = self.files.protocol
        protocols = {protocol} if isinstance(protocol, str) else set(protocol)
        self.is_local = bool(protocols & {"file", "local"})
        self.is_atomic = bool(protocols & ATOMIC_WRITES)

    def names(self, kind: str) -> set[str]:
        """Paths of all files of a kind, without interrupted writes."""
        with _reaching(self.url):
            self.files.invalidate_cache()
            found = self.files.find(f"{self.root}/{kind}")
        root = self.root.strip("/")
        names = (str(path).strip("/").removeprefix(root).lstrip("/") for path in found)
        return {name for name in names if not name.rpartition("/")[2].startswith(".")}

    def exists(self) -> bool:
        """Whether there is anything."""
        with _reaching(self.url):
            return bool(self.files.exists(self.root))

    def get(self, name: str) -> bytes:
        """The bytes of a file."""
        with _reaching(self.url):
            return bytes(self.files.cat_file(f"{self.root}/{name}"))

    def put(self, name: str, data: bytes) -> None:
        """Write a file that appears whole, or not at all."""
        path = f"{self.root}/{name}"
        if self.is_local:
            objects.write_bytes(Path(path), data, durable=True)
            return
        with _reaching(self.url):
            if self.is_atomic:
                self.files.pipe_file(path, data)
                return
            folder, _, last = path.rpartition("/")
            part = f"{folder}/.{last}.{secrets.token_hex(8)}.part"
            self.files.makedirs(folder, exist_ok=True)
            self.files.pipe_file(part, data)
            self.files.mv(part, path)


class _reaching:  # noqa: N801 (used as a function)
    """Turns whatever a file system raises into one LedgerError that names the URL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, problem: Any, _: Any) -> None:
        if problem is None or not isinstance(problem, Exception) or kind is LedgerError:
            return
        next_step = "correct the URL, or the credentials and the network that it needs"
        if isinstance(problem, ImportError):
            next_step = f"pip install what it names ({problem})"
        text = str(problem) or kind.__name__
        raise LedgerError(
            f"cannot be reached: {text}",
            where=self.url,
            expected="an fsspec URL, such as s3://bucket/ledger, sftp://host/ledger, file:///ledger",
            next_step=next_step,
        ) from None


def push(ledger: Ledger, url: str, *, raw: bool = False) -> Exchanged:
    """Copy to the URL what is not there. Damaged objects are refused and named. Raises LedgerError."""
    return _exchange(Local(ledger), Remote(url), ledger, raw)


def pull(ledger: Ledger, url: str, *, raw: bool = False) -> Exchanged:
    """Copy from the URL what is not here. Damaged objects are refused and named. Raises LedgerError."""
    remote = Remote(url)
    if not remote.exists():
        raise LedgerError("there is nothing", where=url, next_step=f"aldata ledger push {url}")
    ledger.ready()
    return _exchange(remote, Local(ledger), ledger, raw)


def _exchange(source: Side, target: Side, ledger: Ledger, raw: bool) -> Exchanged:
    done = Exchanged()
    calls, there = _names(source, "calls"), _names(target, "calls")
    done.present = len(calls & there)

    def copy(name: str, problem_of: Callable[[str, bytes], str | None]) -> str | None:
        """The name, if the file could be copied."""
        data = source.get(name)
        problem = problem_of(name, data)
        if problem is not None:
            done.refused.append((name, problem))
            return None
        target.put(name, data)
        return name

    with ThreadPoolExecutor(STREAMS) as pool:

        def copied(names: set[str], problem_of: Callable[[str, bytes], str | None]) -> set[str]:
            results = pool.map(lambda name: copy(name, problem_of), sorted(names))
            return {name for name in results if name is not None}

        new = copied(calls - there, _problem_of_call)
        # a call's record holds its attempts: only those of calls without a verdict travel alone
        verdicts = {Path(name).stem for name in there | new}
        attempts = _names(source, "attempts") - _names(target, "attempts")
        alone = {name for name in attempts if Path(name).parent.name not in verdicts}
        done.calls, done.attempts = len(new), len(copied(alone, _problem_of_attempt))
        if raw:
            names = _names(source, "raw") - _names(target, "raw")
            done.raw_files = len(copied(names, _raw_check(ledger, names)))
    done.refused.sort()
    return done


def _names(side: Side, kind: str) -> set[str]:
    """Files of a kind that belong to a ledger's layout; whatever else lies there stays there."""
    return {
        name
        for name in side.names(kind)
        if (found := LAYOUT.fullmatch(name)) and found["two"] == found["call"][:2]
        if ".." not in name.split("/")
    }


def _problem_of_call(name: str, data: bytes) -> str | None:
    try:
        record = CallRecord.checked(objects.parse(data), where=name, error=LedgerError)
    except objects.DamageError as problem:
        return str(problem)
    if record.call_id != Path(name).stem:
        return "lies under another name than its call id"
    return next(iter(problems_of_record(record)), None)


def _problem_of_attempt(name: str, data: bytes) -> str | None:
    try:
        attempt = Attempt.checked(objects.parse(data), where=name, error=LedgerError)
    except objects.DamageError as problem:
        return str(problem)
    return None if attempt.id == Path(name).stem else "lies under another name than its id"


def _raw_check(ledger: Ledger, names: set[str]) -> Callable[[str, bytes], str | None]:
    """Compares raw files with the digests that the records list, where they list them."""
    listed: dict[str, str] = {}
    for identity in {name.split("/")[2] for name in names}:
        record = ledger.find(identity)
        attempts = ledger.attempts(identity) if record is None else record.attempts
        for attempt in attempts:
            folder = f"raw/{identity[:2]}/{identity}/{attempt.id}"
            listed |= {f"{folder}/{file.name}": file.sha256 for file in attempt.files or ()}

    def problem(name: str, data: bytes) -> str | None:
        expected = listed.get(name)
        if expected is not None and digest.of_bytes(data) != expected:
            return "is not the file that the attempt left"
        return None

    return problem
