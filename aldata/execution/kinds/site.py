"""What every kind of cluster is: a client, and a look at whether all is well."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from aldata.errors import ClusterFailed
from aldata.execution.settings import ClusterSettings, Needs

if TYPE_CHECKING:
    from distributed import Client

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Environment variables that say how many threads a process may start."""


def threads(cores: int) -> dict[str, str]:
    """Environment of a process that has so many cores: as many threads, and no more."""
    return dict.fromkeys(THREADS, str(cores))


class Site(Protocol):
    """Where jobs run now."""

    client: Client

    def workers(self) -> int:
        """How many workers there are."""

    def check(self, left: int) -> None:
        """Replace what was lost, while so many jobs are left. Called often.

        Raises ClusterFailed when there is no going on.
        """

    def wrapped(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The function as workers are to call it."""

    def resources(self) -> dict[str, float] | None:
        """What a worker must have for a job, in Dask's terms."""


Open = Callable[[ClusterSettings, Needs, int], AbstractContextManager[Site]]
"""Opens a site for jobs with these needs, at most so many at once."""


class Patience:
    """Gives up when there has been no worker for too long."""

    def __init__(self, seconds: float | None, where: str, next_step: str) -> None:
        self.seconds = seconds
        self.where = where
        self.next_step = next_step
        self._seen = time.monotonic()

    def check(self, workers: int) -> None:
        """Raise ClusterFailed when nobody has worked for longer than the limit."""
        if workers:
            self._seen = time.monotonic()
        elif self.seconds is not None and time.monotonic() - self._seen > self.seconds:
            raise ClusterFailed(
                f"there has been no worker for {self.seconds:g} s",
                where=self.where,
                next_step=self.next_step,
            )


class Losses:
    """Counts workers that went without being asked to, seen by a scheduler in this process."""

    def __init__(self, scheduler: Any, allowed: int, where: str) -> None:
        self.allowed = allowed
        self.where = where
        self.lost = 0
        scheduler.add_plugin(_plugin(self), name="aldata-losses")

    def check(self, last_words: str = "") -> None:
        """Raise ClusterFailed when more were lost than the settings allow."""
        if self.lost > self.allowed:
            raise ClusterFailed(
                f"{self.lost} workers were lost, cluster.lost_workers allows {self.allowed}"
                + (f"; the last one's log ends:\n{last_words}" if last_words else ""),
                where=self.where,
                next_step="find out what kills them (memory, the queue's limits), then run again: "
                "what ended is kept",
            )


def _plugin(losses: Losses) -> Any:
    from distributed.diagnostics.plugin import SchedulerPlugin

    class CountLosses(SchedulerPlugin):  # type: ignore[misc]
        """A worker whose connection broke or fell silent; one that was retired is not lost."""

        def remove_worker(self, scheduler: Any, worker: str, **known: Any) -> None:  # noqa: ARG002
            cause = str(known.get("stimulus_id", ""))
            if cause.startswith(("handle-worker-cleanup", "check-worker-ttl")):
                losses.lost += 1

    return CountLosses()
