"""Workers on this machine, which end with this process."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from aldata.execution.kinds.site import Losses, Site, threads
from aldata.execution.settings import ClusterSettings, Needs
from aldata.execution.watch import ProcessMark, die_with

if TYPE_CHECKING:
    from distributed import Client, Worker


@contextlib.contextmanager
def open_local(settings: ClusterSettings, needs: Needs, jobs: int) -> Iterator[Site]:
    """As many workers as there are cores for jobs of this size, or as the settings say."""
    import dask
    from distributed import Client, LocalCluster

    most = settings.workers or max(1, settings.processes // needs.cores)
    with contextlib.ExitStack() as stack:
        stack.enter_context(
            dask.config.set({"distributed.nanny.pre-spawn-environ": threads(needs.cores)})
        )
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=min(most, jobs),
                worker_class=_lasting_nanny(),
                threads_per_worker=1,
                processes=True,
                memory_limit=None,
                # Dask serves HTTP in any case: without pages, and seen from this machine only
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
            )
        )
        client = stack.enter_context(Client(cluster, set_as_default=False))
        client.register_plugin(_die_with_driver(ProcessMark.of()))
        yield _Local(client, cluster, settings)


class _Local:
    """A site whose workers a nanny each replaces when they are killed."""

    def __init__(self, client: Client, cluster: Any, settings: ClusterSettings) -> None:
        self.client = client
        self._scheduler = cluster.scheduler
        self._losses = Losses(cluster.scheduler, settings.lost_workers, "this machine")

    def workers(self) -> int:
        return len(self._scheduler.workers)

    def check(self, left: int) -> None:  # noqa: ARG002
        self._losses.check()

    def wrapped(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return function

    def resources(self) -> None:
        return None


STARTS = 20
"""How often a worker may be killed while it starts before its place stays empty."""


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
                if result == Status.running or self.starts <= 0 or self.status == Status.closing:
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
