"""Many jobs at once on the processes of a Dask cluster, in order, saying how far it has come."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aldata.errors import ClusterFailed
from aldata.execution.kinds import KINDS, Site
from aldata.execution.progress import Progress
from aldata.execution.settings import ClusterSettings, Needs

if TYPE_CHECKING:
    from distributed import Future

J = TypeVar("J")
R = TypeVar("R")

LOOK = 1.0
"""Seconds between two looks at the cluster."""

_DASK = {
    "distributed.worker.daemon": False,  # tasks may start processes of their own
    "distributed.worker.multiprocessing-method": "spawn",
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
    needs: Needs | None = None,
    on_result: Callable[[int, R], None] | None = None,
    remarks: Callable[[], str] | None = None,
) -> list[R]:
    """Run the top-level, picklable `function(job)` for every job; results in order.

    Each job runs in a worker process with one thread (or `needs.cores`), also when there is one job
    only, so that a result never depends on the number of workers. `on_result(index, result)` is
    called here as each job ends; `remarks()` adds to the progress line. An exception of a job or of
    `on_result` is raised here unchanged, and the other jobs are given up. A job whose worker was
    killed runs again on another one. Without jobs no process is started.

    Raises ClusterFailed where jobs cannot run, or what ran them is gone.
    """
    if not jobs:
        return []
    with _site(settings, needs or Needs(), len(jobs)) as site:
        return _collect(site, function, jobs, Progress(len(jobs), title, remarks), on_result)


@contextlib.contextmanager
def open_cluster(settings: ClusterSettings, needs: Needs | None = None) -> Iterator[Runner]:
    """A `Runner` whose processes are started by its first jobs and shared by all later ones."""
    with contextlib.ExitStack() as stack:
        sites: list[Site] = []

        def runner(
            function: Callable[[J], R],
            jobs: Sequence[J],
            *,
            title: str,
            on_result: Callable[[int, R], None] | None = None,
        ) -> list[R]:
            if not jobs:
                return []
            if not sites:
                most = settings.processes
                sites.append(stack.enter_context(_site(settings, needs or Needs(), most)))
            return _collect(sites[0], function, jobs, Progress(len(jobs), title), on_result)

        yield runner


@contextlib.contextmanager
def _site(settings: ClusterSettings, needs: Needs, jobs: int) -> Iterator[Site]:
    import dask
    import distributed  # noqa: F401 (its defaults must be there before ours are laid over them)

    with dask.config.set(_DASK), KINDS[settings.kind](settings, needs, jobs) as site:
        yield site


def _collect(
    site: Site,
    function: Callable[[J], R],
    jobs: Sequence[J],
    progress: Progress,
    on_result: Callable[[int, R], None] | None,
) -> list[R]:
    futures = site.client.map(
        site.wrapped(function),
        list(jobs),
        pure=False,
        batch_size=1000,
        resources=site.resources(),
    )
    index = {future.key: position for position, future in enumerate(futures)}
    results: dict[int, R] = {}
    try:
        with progress:
            for future in _as_they_end(site, futures, progress, results):
                position = index[future.key]
                results[position] = _result(site, future, len(futures) - len(results))
                if on_result is not None:
                    on_result(position, results[position])
                progress.update(len(results), site.workers())
    except BaseException:
        if site.client.status == "running":
            site.client.cancel(futures, force=True)
        raise
    return [results[position] for position in range(len(futures))]


def _as_they_end(
    site: Site, futures: Sequence[Future], progress: Progress, results: Mapping[int, object]
) -> Iterator[Future]:
    """The futures as they end; looks at the cluster meanwhile. Raises ClusterFailed."""
    ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    looked = time.monotonic()
    for _ in futures:
        future = None
        while future is None:
            with contextlib.suppress(queue.Empty):
                future = ended.get(timeout=LOOK)
            if time.monotonic() - looked >= LOOK:  # also while jobs end: a worker may be missing
                site.check(len(futures) - len(results))
                progress.update(len(results), site.workers())
                looked = time.monotonic()
        yield future


def _result(site: Site, future: Future, left: int) -> Any:
    """A job's result or its exception. Raises ClusterFailed when the cluster lost the job."""
    from distributed import CancelledError, KilledWorker

    try:
        return _fetched(site, future, left)
    except KilledWorker as problem:
        raise ClusterFailed(
            f"a job was given up: {problem.allowed_failures + 1} workers died while they had it",
            next_step="find out what kills them (memory?), then run again: what ended is kept",
        ) from None
    except CancelledError as problem:
        raise ClusterFailed(
            f"the cluster lost a job ({problem})",
            expected="a Dask scheduler that runs for as long as the jobs do",
            next_step="start it again, then run again: what ended is kept",
        ) from None


def _fetched(site: Site, future: Future, left: int) -> Any:
    """The result, from the worker that has it; when that has died, another one must compute it."""
    seconds = LOOK
    while True:
        try:
            return future.result(timeout=seconds)
        except TimeoutError:
            if future.status == "error":  # the job's own, which is raised at once
                return future.result()
            site.check(left)
            seconds *= 2  # so that a large result comes through
