"""The kinds of clusters, by name."""

from aldata.execution.kinds.jobs import open_jobs
from aldata.execution.kinds.local import open_local
from aldata.execution.kinds.scheduler import open_scheduler
from aldata.execution.kinds.site import Open, Site
from aldata.execution.settings import QUEUES

KINDS: dict[str, Open] = {
    "local": open_local,
    "scheduler": open_scheduler,
    **dict.fromkeys(QUEUES, open_jobs),
}

__all__ = ["KINDS", "Open", "Site"]
