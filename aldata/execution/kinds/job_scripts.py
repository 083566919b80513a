"""What the script of a job says: what it asks the queue for, and what a worker finds around it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from aldata.execution.kinds.queues import Queue
from aldata.execution.kinds.site import threads
from aldata.execution.settings import ClusterSettings, Needs

DEATH_TIMEOUT = 30
"""Seconds after which a job ends by itself when it finds no scheduler."""

_JOB = "${SLURM_JOB_ID:-${PBS_JOBID:-${LSB_JOBID:-$JOB_ID}}}"


def options(
    settings: ClusterSettings, needs: Needs, per_job: int, queue: Queue, folder: Path
) -> dict[str, Any]:
    """What dask-jobqueue is to ask for."""
    memory = settings.memory or per_job * (1.0 + (needs.memory or 1.0))
    scheduler: dict[str, Any] = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    walltime = settings.walltime_seconds
    optional = {
        "queue": settings.queue,
        queue.account: settings.account,
        "walltime": None if walltime is None else queue.walltime(walltime),
        "interface": settings.interface,
    }
    return {
        "cores": settings.cores or needs.cores,
        "processes": per_job,
        "memory": f"{round(memory * 1000)}MB",
        "job_name": "aldata",
        "log_directory": str(folder),
        "security": _keys(folder),
        "death_timeout": DEATH_TIMEOUT,
        "nanny": per_job > 1,
        "worker_extra_args": ["--no-dashboard"],
        "job_script_prologue": [
            f"trap 'echo $? > \"{folder}/ended-{_JOB}\"' EXIT",
            *settings.prologue,
            *_environment(needs.cores),
        ],
        "job_extra_directives": settings.directives,
        "scheduler_options": scheduler,
        **{name: value for name, value in optional.items() if value is not None},
    }


def forget_keys(folder: Path) -> None:
    """Remove the keys of a run that has ended."""
    for file in folder.glob("tls.*"):
        file.unlink(missing_ok=True)


def _keys(folder: Path) -> Any:
    """Keys of this run, for its jobs: others who reach the scheduler's port must not give orders."""
    from distributed import Security

    made = Security.temporary().get_tls_config_for_role("worker")
    files = {name: folder / f"tls.{name}" for name in ("ca_file", "cert", "key")}
    for name, file in files.items():
        file.touch(mode=0o600)
        file.write_text(made[name])
    return Security(
        require_encryption=True,
        tls_ca_file=str(files["ca_file"]),
        **{f"tls_{role}_cert": str(files["cert"]) for role in ("client", "scheduler", "worker")},
        **{f"tls_{role}_key": str(files["key"]) for role in ("client", "scheduler", "worker")},
    )


def _environment(cores: int) -> list[str]:
    """Lines of shell that make a worker see what this process sees."""
    path = os.pathsep.join(p for p in sys.path if p)
    programs = str(Path(sys.executable).parent)
    return [
        f"cd {shlex.quote(str(Path.cwd()))}",
        f"export PYTHONPATH={shlex.quote(path)}",
        f'export PATH={shlex.quote(programs)}:"$PATH"',
        *(f"export {name}={value}" for name, value in threads(cores).items()),
        # a worker without work of its own that swaps or spills would only be slow
        "export DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE=false",
        "export DASK_DISTRIBUTED__WORKER__DAEMON=false",
    ]
