"""Workers as jobs of a queue, by dask-jobqueue: SLURM, PBS, SGE, LSF.

The scheduler lives in this process. When that ends, however it ends, jobs that run notice that the
scheduler is gone and end by themselves, and a janitor cancels those that still wait.
"""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aldata.errors import ClusterFailed, InvalidParameters
from aldata.execution.kinds import job_scripts
from aldata.execution.kinds.far import Checked, SharedFolder, shared_folder
from aldata.execution.kinds.janitor import Janitor
from aldata.execution.kinds.queues import QUEUES, Queue
from aldata.execution.kinds.site import Losses, Patience, Site
from aldata.execution.settings import ClusterSettings, Needs

if TYPE_CHECKING:
    from distributed import Client, Worker

FOLDER = Path(".aldata") / "jobs"
"""Where the jobs' logs go, in a folder per run, below the folder in which the run began."""

ASK_AGAIN = 30.0
"""Seconds between two attempts to submit what the queue refused."""

LOG_LINES = 12


@contextlib.contextmanager
def open_jobs(settings: ClusterSettings, needs: Needs, jobs: int) -> Iterator[Site]:
    """As many jobs as the settings say, or as there is work for; none is left behind.

    Raises InvalidParameters for a job too small for one call, and ClusterFailed where the queue's
    programs are missing or refuse a job.
    """
    import dask
    from distributed import Client

    queue = QUEUES[settings.kind]
    per_job = _workers_per_job(settings, needs)
    kind = _cluster_class(queue)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_folder_of_run())
        janitor = stack.enter_context(Janitor(kind.job_cls.cancel_command))
        stack.enter_context(
            dask.config.set(
                {
                    "distributed.deploy.lost-worker-timeout": "1s",
                    f"jobqueue.{settings.kind}.walltime": None,
                }
            )
        )
        options = job_scripts.options(settings, needs, per_job, queue, folder.mark.parent)
        watched = _watched(kind.job_cls, janitor)
        try:
            cluster = kind(job_cls=watched, **options)
        except (OSError, RuntimeError, ValueError) as problem:
            raise ClusterFailed(
                f"no scheduler can be started here: {problem}",
                where=f"cluster.interface: {settings.interface}",
                next_step="correct .aldata/config.yaml (`ip link` lists the network interfaces)",
            ) from None
        stack.enter_context(cluster)
        client = stack.enter_context(Client(cluster, set_as_default=False))
        client.register_plugin(_end_with_scheduler())
        site = _Jobs(client, cluster, settings, per_job, folder)
        site.check(jobs)
        yield site


def _workers_per_job(settings: ClusterSettings, needs: Needs) -> int:
    """How many workers share a job. Raises InvalidParameters when not even one fits."""
    cores = settings.cores or needs.cores
    fit = cores // needs.cores
    if settings.memory is not None and needs.memory is not None:
        fit = min(fit, int(settings.memory // needs.memory))
    if fit < 1:
        raise InvalidParameters(
            f"a job of {cores} cores and {settings.memory or 'any'} GB is too small for a call of "
            f"{needs.cores} cores and {needs.memory or 'any'} GB",
            where=".aldata/config.yaml: cluster.cores, cluster.memory",
            next_step="ask for larger jobs there, or for less per call: label.cores, label.memory",
        )
    return fit


def _cluster_class(queue: Queue) -> Any:
    """dask-jobqueue's class. Raises ClusterFailed unless it and the queue's programs are here."""
    try:
        import dask_jobqueue
    except ImportError:
        raise ClusterFailed(
            "dask-jobqueue is not installed",
            where=f"cluster.kind: {queue.name}",
            next_step="pip install 'aldata[cluster]'",
        ) from None
    kind: Any = getattr(dask_jobqueue, queue.cluster)
    for command in (kind.job_cls.submit_command, kind.job_cls.cancel_command):
        if shutil.which(shlex.split(command)[0]) is None:
            raise ClusterFailed(
                f"the program {command} is not here",
                where=f"cluster.kind: {queue.name}",
                expected=f"a machine from which jobs of {queue.name} can be submitted",
                next_step="go to the login node, load the queue's module, or set another "
                "cluster.kind in .aldata/config.yaml",
            )
    return kind


@contextlib.contextmanager
def _folder_of_run() -> Iterator[SharedFolder]:
    """A new folder for the logs of this run's jobs; it stays when the run fails."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    folder = Path.cwd() / FOLDER / f"{stamp}-{os.getpid()}"
    with shared_folder(folder) as shared:
        try:
            yield shared
        finally:
            job_scripts.forget_keys(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _watched(job_class: Any, janitor: Janitor) -> Any:
    """The job class, telling what the queue took and what it refused."""
    from distributed import Status

    class Watched(job_class):  # type: ignore[misc]
        refusal: str | None = None

        async def start(self) -> None:
            try:
                await super().start()
                janitor.note(self.job_id)
            except Exception as problem:  # raised here, it would be a line in Dask's log
                self.refusal = str(problem).partition("stderr:")[2] or str(problem)
                self.status = Status.running

        async def close(self) -> None:
            await super().close()
            self.status = Status.closed

    return Watched


def _end_with_scheduler() -> Any:
    from distributed import WorkerPlugin

    class EndWithScheduler(WorkerPlugin):  # type: ignore[misc]
        """Ends a worker's process, and the call in flight, the moment the worker closes."""

        name = "aldata-end-with-scheduler"

        def teardown(self, worker: Worker) -> None:  # noqa: ARG002 (Dask's signature)
            from aldata.execution.watch import end_now

            end_now(0)

    return EndWithScheduler()


def _job_of(worker: str, per_job: int) -> str:
    """Name of the job that a worker belongs to: dask-jobqueue numbers the workers of one job."""
    return worker.rpartition("-")[0] if per_job > 1 else worker


class _Jobs:
    """A site whose workers are jobs; lost ones are submitted again."""

    def __init__(
        self,
        client: Client,
        cluster: Any,
        settings: ClusterSettings,
        per_job: int,
        folder: SharedFolder,
    ) -> None:
        self.client = client
        self._cluster = cluster
        self._settings = settings
        self._per_job = per_job
        self._wanted = 0
        self._folder = folder
        self._asked_again = time.monotonic()
        where = f"logs of the jobs: {folder.mark.parent}"
        self._losses = Losses(cluster.scheduler, settings.lost_workers, where)
        self._patience = Patience(
            settings.patience,
            f"cluster.kind: {settings.kind}",
            "look at the queue, or set another cluster.patience or queue",
        )

    def workers(self) -> int:
        return len(self._cluster.scheduler.workers)

    def check(self, left: int) -> None:
        """Submit as many jobs as the work that is left needs, lost ones again. Raises ClusterFailed."""
        self._forget_refused()
        self._forget_ended()
        self._losses.check(self._last_words())
        self._patience.check(self.workers())
        self._scale(left)

    def wrapped(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return Checked(function, self._folder)

    def resources(self) -> None:
        return None

    def _scale(self, left: int) -> None:
        """Submit what is missing; an adaptive cluster also gives back jobs without work."""
        adaptive = self._settings.adaptive
        if adaptive is None:
            self._wanted = max(self._wanted, min(self._settings.workers or 1, left))
        else:
            most = min(adaptive.maximum, max(adaptive.minimum, left))
            idle = self._idle()
            surplus = max(0, len(self._cluster.worker_spec) - math.ceil(most / self._per_job))
            if idle and surplus:
                self._cluster.sync(self._cluster.scale_down, idle[:surplus])
                return
            self._wanted = max(most, self._per_job * len(self._cluster.worker_spec))
        self._cluster.scale(self._wanted)

    def _idle(self) -> list[str]:
        """Names of the jobs that are there and none of whose workers has anything to do."""
        busy: dict[str, bool] = {}
        for state in self._cluster.scheduler.workers.values():
            job = _job_of(str(state.name), self._per_job)
            busy[job] = busy.get(job, False) or bool(state.processing)
        return [job for job, at_work in busy.items() if not at_work]

    def _forget_refused(self) -> None:
        """A refused job is asked for again later, unless no job at all was taken.

        Many queues limit how many jobs a user may have: fewer workers are no failure.
        """
        jobs = dict(self._cluster.workers)
        refused = {name: job for name, job in jobs.items() if job.refusal}
        if refused and len(refused) == len(jobs):
            raise ClusterFailed(
                f"the queue refuses a job:\n{next(iter(refused.values())).refusal.strip()}",
                where=f"cluster.kind: {self._settings.kind}",
                next_step="correct queue, account, walltime, cores or memory in .aldata/config.yaml",
            )
        if refused and time.monotonic() - self._asked_again > ASK_AGAIN:
            self._asked_again = time.monotonic()
            for name in refused:
                self._cluster.workers.pop(name, None)

    def _forget_ended(self) -> None:
        """A job that ended before its worker ever connected is lost as well: nobody else sees it."""
        states = self._cluster.scheduler.workers.values()
        here = {_job_of(str(state.name), self._per_job) for state in states}
        for name, job in list(self._cluster.workers.items()):
            mark = self._folder.mark.parent / f"ended-{job.job_id}"
            if job.job_id and mark.exists():
                mark.unlink()
                if str(name) not in here:
                    self._losses.lost += 1
                    self._cluster.workers.pop(name, None)

    def _last_words(self) -> str:
        """The end of the log that was written last."""
        written = (file for file in self._folder.mark.parent.glob("*") if file.stat().st_size)
        logs = [file for file in written if not file.name.startswith(("tls.", "ended-", "."))]
        if not logs:
            return ""
        newest = max(logs, key=lambda log: log.stat().st_mtime)
        return "\n".join(newest.read_text(errors="replace").splitlines()[-LOG_LINES:])
