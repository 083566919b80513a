"""What the labelling needs of a ledger; `aldata.ledger.Ledger` is one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from aldata.artifacts.calls import Attempt, CallRecord


class CallBook(Protocol):
    """Remembers calls. Picklable; several processes use it at once."""

    def ready(self) -> None:
        """Raise LedgerError unless calls can be stored."""

    def find(self, call_id: str) -> CallRecord | None:
        """The conclusive record of a call, or None."""

    def store(self, record: CallRecord) -> None:
        """Store a conclusive record for good."""

    def claim(self, call_id: str) -> AbstractContextManager[None]:
        """The right to compute a call; waits for another holder."""

    def add_attempt(self, call_id: str, attempt: Attempt) -> None:
        """Write down an attempt, or how it ended."""

    def attempts(self, call_id: str) -> list[Attempt]:
        """All attempts at a call so far."""

    def raw_folder(self, call_id: str, attempt_id: str) -> Path:
        """The folder for one attempt's input and output files."""

    def mean_cpu_seconds(self, theory_id: str) -> float | None:
        """Mean CPU seconds per call at a level of theory, or None if there is none yet."""
