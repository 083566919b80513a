"""The ledger: a POSIX folder that holds one object per oracle call, stored the moment it ends.

    calls/<2>/<call_id>.json                      a call that ended conclusively (`CallRecord`)
    attempts/<2>/<call_id>/<attempt_id>.json      every attempt, also of calls without a verdict
    raw/<2>/<call_id>/<attempt_id>/               the oracle's input and output files
    claims/<call_id>                              held (flock) by the process that computes the call
    damaged/                                      objects that were not what their digest says
    index.sqlite                                  derived from the calls; may be deleted

`<2>` are the first two digits of the call id. Objects are JSON, {"format", "digest", "content"};
the digest is the sha256 of the content's canonical JSON and is checked on every read. An object is
written to a temporary file, synced, and renamed: it is whole or not there. Who asked for a call is
not recorded here, because generations and experiments share it: that stands in their selections.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from aldata.artifacts.calls import Attempt, CallRecord
from aldata.errors import LedgerError
from aldata.ledger import claims, objects
from aldata.ledger.settings import LedgerSettings

MINIMUM_FREE_BYTES = 100 * 1024 * 1024
"""Calls are not started with less free space than this: a result that cannot be stored is lost."""


class Ledger:
    """The calls under one folder. Several processes may use it at once; it can be pickled."""

    def __init__(self, folder: Path, minimum_free_bytes: int = MINIMUM_FREE_BYTES) -> None:
        self.folder = Path(folder).absolute()
        self.minimum_free_bytes = minimum_free_bytes

    @classmethod
    def of_project(cls, root: Path) -> Self:
        """The ledger of the project at `root` (of an experiment: the main repository).

        Raises InvalidParameters for a configuration that cannot be read.
        """
        return cls(LedgerSettings.load(root).path(root))

    def ready(self) -> None:
        """Raise LedgerError unless calls can be stored here: writable, with enough free space."""
        probe = self.folder / f".probe.{secrets.token_hex(8)}"
        try:
            for name in ("calls", "attempts", "raw", "claims"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
            free = shutil.disk_usage(self.folder).free
        except OSError as problem:
            raise objects.unwritable(self.folder, problem) from None
        if free < self.minimum_free_bytes:
            raise LedgerError(
                f"only {free / 1e6:.0f} MB of disk space are free",
                where=str(self.folder),
                expected=f"at least {self.minimum_free_bytes / 1e6:.0f} MB before calls start",
                next_step="free disk space, then run again",
            )

    def find(self, call_id: str) -> CallRecord | None:
        """The conclusive record of a call, or None. A damaged one is set aside with a warning."""
        path = self.path_of(call_id)
        content = objects.read(path, self.folder / "damaged")
        if content is None:
            return None
        return CallRecord.checked(content, where=str(path), error=LedgerError)

    def missing(self, call_ids: Iterable[str]) -> list[str]:
        """Those of `call_ids` that have no conclusive record, in their order."""
        return [call_id for call_id in call_ids if self.find(call_id) is None]

    def store(self, record: CallRecord) -> None:
        """Store a conclusive record; it is on the disk when this returns. Raises LedgerError."""
        objects.write(self.path_of(record.call_id), record.content(), durable=True)

    def claim(self, call_id: str) -> AbstractContextManager[None]:
        """The right to compute a call; waits for another holder. Look again once it is held."""
        return claims.claim(self.folder / "claims" / call_id)

    def add_attempt(self, call_id: str, attempt: Attempt) -> None:
        """Write down an attempt, or how one that was written down before has ended."""
        path = self._of_call("attempts", call_id) / f"{attempt.id}.json"
        # a conclusive one is on the disk already, in the call's record
        durable = attempt.outcome not in ("running", "conclusive")
        objects.write(path, attempt.content(), durable=durable)

    def attempts(self, call_id: str) -> list[Attempt]:
        """All attempts at a call so far, the oldest first by name."""
        found, folder = [], self._of_call("attempts", call_id)
        try:
            paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            return []
        for path in paths:
            content = objects.read(path, self.folder / "damaged")
            if content is not None:
                found.append(Attempt.checked(content, where=str(path), error=LedgerError))
        return found

    def with_attempts(self) -> set[str]:
        """Ids of all calls of which attempts were written down, with or without a verdict."""
        return {path.name for path in self.folder.glob("attempts/??/*")}

    def raw_folder(self, call_id: str, attempt_id: str) -> Path:
        """The folder for one attempt's input and output files; made if it is not there."""
        folder = self._of_call("raw", call_id) / attempt_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise objects.unwritable(folder, problem) from None
        return folder

    def records(self) -> Iterator[CallRecord]:
        """All conclusive records, in the order of their ids (an order without meaning)."""
        for folder in sorted((self.folder / "calls").glob("??")):
            for path in sorted(folder.glob("*.json")):
                record = self.find(path.stem)
                if record is not None:
                    yield record

    def mean_cpu_seconds(self, theory_id: str, sample: int = 200) -> float | None:
        """Mean CPU seconds per call at a level of theory, from at most `sample` of its calls.

        None if the first 1,000 objects hold none. Ids are hashes, so the first are a fair sample.
        """
        seconds: list[float] = []
        for seen, record in enumerate(self.records()):
            if record.theory_id == theory_id:
                seconds.append(record.cpu_seconds)
            if len(seconds) >= sample or seen >= 1000:
                break
        return sum(seconds) / len(seconds) if seconds else None

    def path_of(self, call_id: str) -> Path:
        """Where the record of a call lies, if there is one."""
        return self.folder / "calls" / call_id[:2] / f"{call_id}.json"

    def _of_call(self, kind: str, call_id: str) -> Path:
        return self.folder / kind / call_id[:2] / call_id
