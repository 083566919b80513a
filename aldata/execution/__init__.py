"""The door to processes: a Dask cluster for many jobs, a keeper for one that may die."""

from aldata.execution.cluster import Runner, open_cluster, run
from aldata.execution.keeper import Ending, Keeper
from aldata.execution.kinds.site import threads
from aldata.execution.settings import JOBS, ClusterSettings, Needs
from aldata.execution.watch import (
    ProcessMark,
    die_with,
    die_with_ancestors,
    killed_with_parent,
)

__all__ = [
    "JOBS",
    "ClusterSettings",
    "Ending",
    "Keeper",
    "Needs",
    "ProcessMark",
    "Runner",
    "die_with",
    "die_with_ancestors",
    "killed_with_parent",
    "open_cluster",
    "run",
    "threads",
]
