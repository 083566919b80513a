"""Job queues by name: how dask-jobqueue calls them and what they call things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Queue:
    """One kind of queue: dask-jobqueue's class, its name for who pays, its way to write a time."""

    name: str
    cluster: str
    account: str
    walltime: Callable[[float], str]


def _with_seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"


def _in_minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes // 60}:{minutes % 60:02d}"


QUEUES = {
    queue.name: queue
    for queue in (
        Queue("slurm", "SLURMCluster", "account", _with_seconds),
        Queue("pbs", "PBSCluster", "account", _with_seconds),
        Queue("sge", "SGECluster", "project", _with_seconds),
        Queue("lsf", "LSFCluster", "project", _in_minutes),
    )
}
"""Every queue; `aldata.execution.settings` names the same ones."""
