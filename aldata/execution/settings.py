"""Where jobs run: settings that DVC does not track, because they must not change a result."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from aldata.errors import InvalidParameters
from aldata.records import Record

CONFIG = Path(".aldata") / "config.yaml"
"""Where a project says how its jobs run, relative to its root; not tracked by DVC."""

JOBS = ("seed", "explore", "label", "train")
"""What runs many jobs, and may have a cluster of its own under the key `clusters`."""

QUEUES = ("slurm", "pbs", "sge", "lsf")
"""Kinds that submit their workers as jobs to a queue."""

_ONLY_QUEUES = (
    "adaptive",
    "queue",
    "account",
    "cores",
    "memory",
    "walltime",
    "prologue",
    "directives",
    "interface",
)
_WALLTIME = re.compile(r"(?:(\d+)-)?(\d{1,3}):([0-5]\d):([0-5]\d)")


@dataclass(frozen=True)
class Needs:
    """What one job takes: cores, and memory in GB (10^9 bytes) or None where nobody said."""

    cores: int = 1
    memory: float | None = None


def _walltime(value: Any) -> Any:
    """An unquoted 12:30:00 is a number of seconds to YAML."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return f"{value // 3600:02d}:{value // 60 % 60:02d}:{value % 60:02d}"
    if value is not None and not (isinstance(value, str) and _WALLTIME.fullmatch(value)):
        raise ValueError("a wall time is hh:mm:ss or days-hh:mm:ss")
    return value


class Adaptive(Record):
    """Between how many workers the cluster may have, by the jobs that wait."""

    minimum: int = Field(default=0, ge=0, description="workers that are kept without work")
    maximum: int = Field(ge=1, description="most workers at once")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"adaptive: minimum {self.minimum} > maximum {self.maximum}")
        return self


class ClusterSettings(Record):
    """Where jobs run: on this machine by default, in a job queue, or at a running Dask scheduler."""

    kind: Literal["local", "scheduler", "slurm", "pbs", "sge", "lsf"] = Field(
        default="local",
        description="local: this machine; scheduler: a running one, at an address; slurm, pbs, sge, "
        "lsf: workers are jobs of that queue",
    )
    workers: int | None = Field(
        default=None, ge=1, description="worker processes; null: one per core (local only)"
    )
    adaptive: Adaptive | None = Field(
        default=None,
        description="{minimum, maximum} instead of workers: jobs without work are given back",
    )
    scheduler: str | None = Field(
        default=None,
        pattern=r"^(tcp|tls|ws|wss)://.+",
        description="address of a running Dask scheduler, such as tcp://host:8786",
    )
    queue: str | None = Field(default=None, description="queue (partition) of the jobs")
    account: str | None = Field(default=None, description="account (project) that pays for them")
    cores: int | None = Field(
        default=None,
        ge=1,
        description="cores of one job; null: what one call needs. More: several workers per job",
    )
    memory: float | None = Field(
        default=None,
        gt=0,
        description="memory of one job (GB); null: what its calls need, and 1 GB per worker",
    )
    walltime: Annotated[str | None, BeforeValidator(_walltime)] = Field(
        default=None, description="limit of one job, hh:mm:ss or days-hh:mm:ss"
    )
    prologue: list[str] = Field(
        default=[], description="lines of shell before a worker starts, such as module load"
    )
    directives: list[str] = Field(
        default=[], description="more options of the queue, such as --constraint=avx512"
    )
    interface: str | None = Field(
        default=None, description="network interface between jobs and this process, such as ib0"
    )
    lost_workers: int = Field(
        default=20,
        ge=0,
        description="lost workers (killed, ended by the queue) that a run survives",
    )
    patience: float | None = Field(
        default=None,
        gt=0,
        description="seconds without any worker before a run gives up; null: as long as the queue "
        "takes (60 s at a scheduler's address)",
    )

    @model_validator(mode="before")
    @classmethod
    def _an_address_is_a_kind(cls, content: Any) -> Any:
        if isinstance(content, dict) and content.get("scheduler") and "kind" not in content:
            return {**content, "kind": "scheduler"}
        return content

    @model_validator(mode="after")
    def _fit_the_kind(self) -> Self:
        problems = []
        if (self.kind == "scheduler") != (self.scheduler is not None):
            problems.append("kind 'scheduler' and an address (scheduler) need each other")
        if self.is_queue and self.workers is None and self.adaptive is None:
            problems.append(f"kind '{self.kind}' needs workers or adaptive: how many may run")
        if self.workers is not None and self.adaptive is not None:
            problems.append("workers and adaptive exclude each other")
        if self.kind == "scheduler" and self.workers:
            problems.append("workers: at a scheduler's address, somebody else decides")
        if not self.is_queue:
            stray = [name for name in _ONLY_QUEUES if getattr(self, name)]
            problems += [f"'{name}' is for job queues, not for '{self.kind}'" for name in stray]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def is_queue(self) -> bool:
        """Whether workers are jobs of a queue."""
        return self.kind in QUEUES

    @property
    def processes(self) -> int:
        """Number of worker processes of a local cluster."""
        return self.workers or usable_cores()

    @property
    def walltime_seconds(self) -> float | None:
        """The limit of one job in seconds, or None."""
        found = _WALLTIME.fullmatch(self.walltime or "")
        if found is None:
            return None
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)

    @classmethod
    def load(cls, root: Path, jobs: str | None = None) -> Self:
        """How these jobs (of `JOBS`) run in the project at `root`.

        Key `clusters.<jobs>` of `<root>/.aldata/config.yaml`, or else key `cluster`; the environment
        variable `ALDATA_CLUSTER` (a kind, or a mapping in YAML) stands in place of both, and
        `ALDATA_WORKERS` overrides `workers`. Nothing means the defaults. Raises InvalidParameters.
        """
        path = root / CONFIG
        document = _read(path) if path.exists() else {}
        for name, content in document.items():  # all are checked, also those not asked for
            cls.checked(content, where=f"{path}: {name}")
        chosen = f"clusters.{jobs}" if f"clusters.{jobs}" in document else "cluster"
        content, where = document.get(chosen, {}), f"{path}: {chosen}"
        if os.environ.get("ALDATA_CLUSTER"):
            content, where = _from_environment(), "ALDATA_CLUSTER"
        checked = cls.checked(content, where=where)
        workers = os.environ.get("ALDATA_WORKERS")
        if workers and checked.kind != "scheduler":
            content = {**checked.content(), "workers": workers, "adaptive": None}
            return cls.checked(content, where="ALDATA_WORKERS")
        return checked


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The clusters that a configuration names: `cluster`, `clusters.label`, ..."""
    import yaml

    try:
        document = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise InvalidParameters(f"cannot be read: {problem}", where=str(path)) from None
    if not isinstance(document, dict):
        raise InvalidParameters("is not a mapping", where=str(path))
    own = document.get("clusters") or {}
    if not isinstance(own, dict) or set(own) - set(JOBS):
        raise InvalidParameters(
            "'clusters' names what has a cluster of its own",
            where=str(path),
            expected=f"a mapping of some of: {', '.join(JOBS)}",
        )
    found = {"cluster": document.get("cluster"), **{f"clusters.{k}": v for k, v in own.items()}}
    for name, content in found.items():
        if not isinstance(content or {}, dict):
            raise InvalidParameters(f"'{name}' is not a mapping", where=str(path))
    return {name: content or {} for name, content in found.items()}


def _from_environment() -> Any:
    import yaml

    text = os.environ["ALDATA_CLUSTER"]
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise InvalidParameters(f"cannot be read: {problem}", where="ALDATA_CLUSTER") from None
    return {"kind": content} if isinstance(content, str) else content


def usable_cores() -> int:
    """Cores this process may use: fewer than the machine has in a container or a batch job."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)
