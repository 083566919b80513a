"""What a run says about itself on stderr: a live line on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Self, TextIO

EVERY = 10.0
"""Seconds between two lines where nobody watches, unless the run begins or ends."""


class Progress:
    """How many of how many jobs are done, how many run, for how long and how much longer.

    `remarks()` is asked for what else there is to say, such as "2 failed".
    """

    def __init__(
        self, total: int, title: str, remarks: Callable[[], str] | None = None, stream: Any = None
    ) -> None:
        self.total = total
        self.title = title
        self.done = 0
        self.workers = 0
        self._remarks = remarks
        self._stream: TextIO = stream or sys.stderr
        self._began = self._said = time.monotonic()
        self._bar = _bar(total, title, self._stream) if self._stream.isatty() else None

    def update(self, done: int, workers: int) -> None:
        """So many jobs are done, and so many workers are there."""
        news = workers != self.workers
        self.done, self.workers = done, workers
        if self._bar is not None:
            self._bar.n = done
            self._bar.set_postfix_str(self._state(), refresh=True)
        elif news or time.monotonic() - self._said >= EVERY:
            self._say()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        else:
            self._say()

    def _say(self) -> None:
        self._said = time.monotonic()
        elapsed = self._said - self._began
        parts = [f"{self.done}/{self.total} done", self._state(), f"{_clock(elapsed)} elapsed"]
        parts = [part for part in parts if part]
        if 0 < self.done < self.total:
            parts.append(f"about {_clock(elapsed / self.done * (self.total - self.done))} left")
        print(f"{self.title}: {', '.join(parts)}", file=self._stream, flush=True)

    def _state(self) -> str:
        left = self.total - self.done
        running = f"{min(self.workers, left)} running" if self.workers else "no worker yet"
        remarks = self._remarks() if self._remarks else ""
        return ", ".join(part for part in (running if left else "", remarks) if part)


def _bar(total: int, title: str, stream: TextIO) -> Any:
    from tqdm import tqdm

    form = "{desc}: {n_fmt}/{total_fmt} |{bar:24}| {elapsed}<{remaining} {postfix}"
    return tqdm(total=total, desc=title, file=stream, mininterval=0.2, bar_format=form)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
