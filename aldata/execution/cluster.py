"""Many jobs at once on the processes of a Dask cluster, in order, with a progress bar."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aldata.execution.settings import ClusterSettings
from aldata.execution.watch import ProcessMark, die_with

if TYPE_CHECKING:
    from distributed import Client, Worker

J = TypeVar("J")
R = TypeVar("R")

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
"""Environment of every worker: one thread per process is faster and keeps results reproducible."""

_DASK = {
    "distributed.worker.daemon": False,  # tasks may start processes of their own
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.nanny.pre-spawn-environ": ONE_THREAD,
    "distributed.logging.distributed": "critical",
    "distributed.scheduler.allowed-failures": 20,  # somebody's kill is not the job's fault
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.admin.large-graph-warning-threshold": "10 GB",
    "distributed.comm.timeouts.connect": "30s",
}


class Runner(Protocol):
    """Runs `function(job)` for every job and returns the results in the order of the jobs."""

    def __call__(
        self,
        function: Callable[[J], R],
        jobs: Sequence[J],
        *,
        title: str,
        on_result: Callable[[int, R], None] | None = None,
    ) -> list[R]:
        """Run the jobs; see `run`."""
        ...


def run(
    function: Callable[[J], R],
    jobs: Sequence[J],
    settings: ClusterSettings,
    *,
    title: str,
    on_result: Callable[[int, R], None] | None = None,
) -> list[R]:
    """Run the top-level, picklable `function(job)` for every job; results in order.

    Each job runs in a worker process with one thread, also when there is one job only, so that a
    result never depends on the number of workers. `on_result(index, result)` is called here as each
    job ends. A job's exception is raised here unchanged, and the other jobs are given up. A job
    whose worker was killed runs again on another one. Without jobs no process is started.
    """
    if not jobs:
        return []
    with _client(settings, len(jobs)) as client:
        return _collect(client, function, jobs, title, on_result)


@contextlib.contextmanager
def open_cluster(settings: ClusterSettings) -> Iterator[Runner]:
    """A `Runner` whose processes are started by its first jobs and shared by all later ones."""
    with contextlib.ExitStack() as stack:
        clients: list[Client] = []

        def runner(
            function: Callable[[J], R],
            jobs: Sequence[J],
            *,
            title: str,
            on_result: Callable[[int, R], None] | None = None,
        ) -> list[R]:
            if not jobs:
                return []
            if not clients:
                clients.append(stack.enter_context(_client(settings, settings.processes)))
            return _collect(clients[0], function, jobs, title, on_result)

        yield runner


@contextlib.contextmanager
def _client(settings: ClusterSettings, jobs: int) -> Iterator[Client]:
    """A connected client; a local cluster ends with the block, and with this process."""
    import dask
    from distributed import Client, LocalCluster

    with dask.config.set(_DASK), contextlib.ExitStack() as stack:
        if settings.scheduler:
            yield stack.enter_context(Client(settings.scheduler, set_as_default=False))
            return
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=min(settings.processes, jobs),
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
        yield client


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


def _collect(
    client: Client,
    function: Callable[[J], R],
    jobs: Sequence[J],
    title: str,
    on_result: Callable[[int, R], None] | None,
) -> list[R]:
    from distributed import as_completed

    futures = client.map(function, list(jobs), pure=False, batch_size=1000)
    index = {future.key: position for position, future in enumerate(futures)}
    results: dict[int, R] = {}
    try:
        with _progress(len(futures), title) as bar:
            for future in as_completed(futures, loop=client.loop):
                position = index[future.key]
                results[position] = future.result()
                if on_result is not None:
                    on_result(position, results[position])
                bar.update()
    except BaseException:
        client.cancel(futures, force=True)
        raise
    return [results[position] for position in range(len(futures))]


def _progress(total: int, title: str) -> Any:
    """What, how many of how many, for how long and how much longer; on stderr."""
    import sys

    from tqdm import tqdm

    return tqdm(
        total=total,
        desc=title,
        file=sys.stderr,
        mininterval=0.2 if sys.stderr.isatty() else 10.0,
        bar_format="{desc}: {n_fmt}/{total_fmt} |{bar:24}| {elapsed}<{remaining}",
    )
