"""Workers on this machine, which end with this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from aldata.errors import ClusterFailed
from aldata.execution.kinds.site import Losses, Patience, Site, threads
from aldata.execution.settings import ClusterSettings, Needs
from aldata.execution.watch import ProcessMark, die_with

if TYPE_CHECKING:
    from distributed import Client, Worker

PATIENCE = 300.0
"""Seconds without any worker before a run gives up, where the settings do not say."""

STARTING = 60.0
"""Seconds in which a worker must come (back), before another is started in its place."""

STARTS = 20
"""How often one nanny starts a worker again that was killed while it started."""

CLOSING = 10.0
"""Seconds for a nanny to close before it is left to itself."""

NEXT_STEP = (
    "find out what kills workers or keeps them from starting (memory, limits on processes), "
    "then run again: what ended is kept"
)


@contextlib.contextmanager
def open_local(settings: ClusterSettings, needs: Needs, jobs: int) -> Iterator[Site]:
    """As many workers as there are cores for jobs of this size, or as the settings say."""
    import dask
    from distributed import Client

    most = settings.workers or max(1, settings.processes // needs.cores)
    options = {
        "distributed.nanny.pre-spawn-environ": threads(needs.cores),
        # Dask closes the nanny of a worker that is not back by then, and starts none in its place:
        # `_Local` replaces it instead
        "distributed.deploy.lost-worker-timeout": "1 day",
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(options))
        cluster = stack.enter_context(_cluster(min(most, jobs)))
        client = stack.enter_context(Client(cluster, set_as_default=False))
        client.register_plugin(_die_with_driver(ProcessMark.of()))
        yield _Local(client, cluster, settings)


def _cluster(workers: int) -> Any:
    from distributed import LocalCluster

    try:
        return LocalCluster(
            n_workers=workers,
            worker_class=_lasting_nanny(),
            threads_per_worker=1,
            processes=True,
            memory_limit=None,
            # Dask serves HTTP in any case: without pages, and seen from this machine only
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as problem:  # what Dask raises when a nanny gave up
        raise ClusterFailed(
            f"the workers do not start: {problem}", where="this machine", next_step=NEXT_STEP
        ) from problem


class _Local:
    """A site whose workers a nanny each replaces when they are killed, and whose nannies we do."""

    def __init__(self, client: Client, cluster: Any, settings: ClusterSettings) -> None:
        self.client = client
        self._cluster = cluster
        self._scheduler = cluster.scheduler
        self._losses = Losses(cluster.scheduler, settings.lost_workers, "this machine")
        self._patience = Patience(settings.patience or PATIENCE, "this machine", NEXT_STEP)
        self._absent: dict[Any, float] = {}

    def workers(self) -> int:
        return len(self._scheduler.workers)

    def check(self, left: int) -> None:  # noqa: ARG002
        """Replace nannies that do not bring their worker back. Raises ClusterFailed."""
        self._losses.check()
        self._patience.check(self.workers())
        self._cluster.sync(self._replace)

    async def _replace(self) -> None:
        """Runs in the cluster's event loop, where its workers do not change meanwhile."""
        now = time.monotonic()
        here = {worker.name for worker in self._scheduler.workers.values()}
        wanted = self._cluster.worker_spec
        self._absent = {name: self._absent.get(name, now) for name in wanted if name not in here}
        nannies = self._cluster.workers
        for name, since in list(self._absent.items()):
            if name in nannies and (_is_over(nannies[name]) or now - since > STARTING):
                self._absent[name] = now
                await _closed(nannies.pop(name))
        if set(wanted) - set(nannies):
            self._cluster.scale(len(wanted))  # opens whatever is wanted and not there

    def wrapped(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return function

    def resources(self) -> None:
        return None


def _is_over(nanny: Any) -> bool:
    """Whether a nanny has given up, so that it starts no worker any more."""
    return nanny.status.name in ("closing", "closing_gracefully", "closed", "failed")


async def _closed(nanny: Any) -> None:
    """Close a nanny and kill its worker process, in whatever state they are."""
    pid = nanny.pid
    closing = asyncio.ensure_future(nanny.close(timeout=2))
    await asyncio.sleep(0)  # it is closing now, and starts nothing in place of what is killed
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(Exception):
        await asyncio.wait_for(closing, CLOSING)


def _lasting_nanny() -> Any:
    from distributed import Nanny
    from distributed.core import Status

    class LastingNanny(Nanny):  # type: ignore[misc]
        """Starts a worker again that was killed while it started: Dask's own closes for good then,
        and a cluster whose workers are all gone waits for ever.
        """

        starts = STARTS

        async def instantiate(self) -> Any:
            while True:
                try:
                    result = await super().instantiate()
                except Exception:
                    if self.starts <= 0:
                        raise
                    result = Status.failed
                if result == Status.running or self.starts <= 0 or _is_over(self):
                    return result
                self.starts -= 1

        async def close(self, timeout: float = 5, reason: str = "nanny-close") -> Any:
            if reason == "nanny-instantiate-failed" and self.starts > 0:
                return "OK"
            return await super().close(timeout=timeout, reason=reason)

    return LastingNanny


def _die_with_driver(driver: ProcessMark) -> Any:
    from distributed import WorkerPlugin

    class DieWithDriver(WorkerPlugin):  # type: ignore[misc]
        """Ends a worker, also one that was started later, when the driver is gone; not before."""

        name = "aldata-die-with-driver"

        def setup(self, worker: Worker) -> None:  # noqa: ARG002 (Dask's signature)
            # the kernel may watch: Dask starts a worker from a thread that lives as long as it
            die_with(driver, kernel=True)
            with contextlib.suppress(ValueError):  # only a main thread may choose
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to answer

    return DieWithDriver()
