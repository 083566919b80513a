"""How a run's calls end, counted as they end; a run that loses too many stops with a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from aldata.errors import CallsFailed
from aldata.label.attempts import Report
from aldata.label.book import CallBook
from aldata.label.settings import LabelSettings

ADVICE = {
    "not_converged": "give the SCF more cycles or smearing in oracle.settings (another level of "
    "theory), or explore milder: temperatures of explore.samplers",
    "time_limit": "raise label.time_limit",
    "out_of_memory": "raise label.memory, or the memory of a job (cluster.memory)",
    "crashed": "read what the code printed: printed.txt in the folder above; aldata doctor",
    "refused_input": "correct charge and spin, or the oracle's settings",
    "not_finite": "look at the geometries: explore.checks keeps broken ones out",
}
"""What to do about each class of failure."""

EXAMPLE = 160
"""Characters of a message that a summary shows."""


class Tally:
    """Counts calls by status and class; `ended` fits `on_result`, `remarks` fits `execution.run`.

    Failures of the classes in `spared` are counted, but stop nothing.
    """

    def __init__(self, settings: LabelSettings, spared: Collection[str] = ()) -> None:
        self._settings = settings
        self._spared = frozenset(spared)
        self._book: CallBook | None = None
        self._calls: list[str] = []
        self._known = 0
        self._statuses: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._first: dict[str, tuple[str, Report]] = {}

    def begin(self, known: Mapping[str, Report], calls: Sequence[str], book: CallBook) -> None:
        """These calls are known already, and those are to be made. Raises CallsFailed."""
        self._calls, self._known, self._book = list(calls), len(known), book
        for call, report in known.items():
            self._count(call, report)
        self._check()

    def ended(self, position: int, report: Report) -> None:
        """One more call ended. Raises CallsFailed as soon as too many have failed."""
        self._count(self._calls[position], report)
        self._check()

    def remarks(self) -> str:
        """What a line of progress says beside the numbers."""
        counts = [(self._statuses["failed"], "failed"), (self._statuses["rejected"], "rejected")]
        counts.append((self._known, "known before"))
        return ", ".join(f"{count} {what}" for count, what in counts if count or what == "failed")

    def _count(self, call: str, report: Report) -> None:
        verdict = report.verdict
        self._statuses[verdict.status] += 1
        if verdict.status == "failed":
            self._failures[verdict.failure] += 1
            self._first.setdefault(verdict.failure, (call, report))

    def _check(self) -> None:
        total = self._known + len(self._calls)
        failed = sum(n for failure, n in self._failures.items() if failure not in self._spared)
        if failed <= self._settings.max_failed * total:
            return
        most = self._failures.most_common(1)[0][0]
        raise CallsFailed(
            f"{failed} of {total} calls failed, label.max_failed allows a share of "
            f"{self._settings.max_failed:g}\n" + "\n".join(self._lines()),
            next_step=f"{ADVICE.get(most, 'look at the files above')}; then run again. "
            "What ended is kept. To go on with what there is: label.max_failed: 1.0",
        )

    def _lines(self) -> list[str]:
        """One line per class: how many, the first message, where its files are."""
        lines = []
        for failure, count in self._failures.most_common():
            call, report = self._first[failure]
            message = " ".join(report.verdict.message.split())[:EXAMPLE]
            lines.append(f"  {count} {failure}, such as: {message}{self._files(call, report)}")
        return lines

    def _files(self, call: str, report: Report) -> str:
        attempt = report.record.attempts[-1] if report.record else report.attempt
        if attempt is None or self._book is None:
            return ""
        return f"\n    files: {self._book.raw_folder(call, attempt.id)}"
