"""A SLURM of one node on this machine's loopback: munged, slurmctld, slurmd, for tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
PACKAGES = ("slurm-wlm", "munge")

_CONF = """\
ClusterName=aldata
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
DefMemPerCPU=1000
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
InactiveLimit=0
KillWait=2
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """A running SLURM; its programs need `environment`."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def ask(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout

    def jobs(self, states: str = "PENDING,RUNNING") -> list[str]:
        """Ids of the jobs in these states."""
        return self.ask("squeue", "-h", "-o", "%i", "-t", states).split()


def why_not() -> str | None:
    """Why SLURM cannot be started here, after an attempt to install it; None if it can."""
    if os.geteuid() != 0:
        return "starting SLURM's daemons needs root"
    if all(shutil.which(program) for program in PROGRAMS):
        return None
    if shutil.which("apt-get") is None:
        return "SLURM is not installed, and there is no apt-get to install it with"
    install = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
    for command in (["apt-get", "update"], install):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"{' '.join(command)} failed: {done.stderr.strip()[-200:]}"
    return None


@contextmanager
def running(folder: Path, cpus: int = 2) -> Iterator[Slurm]:
    """Start the daemons; all jobs and daemons end with the block."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    text = _CONF.format(folder=folder, host=host, ports=_free_ports(), cpus=cpus)
    (folder / "slurm.conf").write_text(text)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    slurm = Slurm(folder)
    environment = {**os.environ, **slurm.environment}
    daemons = [
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        for command, log in zip(_commands(folder), _logs(folder), strict=True)
    ]
    try:
        _wait_until_idle(slurm, daemons)
        yield slurm
    finally:
        with suppress(subprocess.SubprocessError):
            slurm.ask("scancel", "--user=root")
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(10)
            daemon.kill()


def _commands(folder: Path) -> list[list[str]]:
    munge = {
        "key-file": "munge.key",
        "socket": "munge.socket",
        "pid-file": "munge.pid",
        "log-file": "munge.log",
        "seed-file": "munge.seed",
    }
    options = [f"--{name}={folder / file}" for name, file in munge.items()]
    return [["munged", "--foreground", "--force", *options], ["slurmctld", "-D"], ["slurmd", "-D"]]


def _logs(folder: Path) -> Iterator[int]:
    for name in ("munged.err", "slurmctld.err", "slurmd.err"):
        yield os.open(folder / name, os.O_CREAT | os.O_WRONLY)


def _free_ports() -> list[int]:
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_until_idle(slurm: Slurm, daemons: list[subprocess.Popen[bytes]]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(subprocess.SubprocessError):
            if slurm.ask("sinfo", "-h", "-o", "%T").strip() == "idle":
                return
        for daemon in daemons:
            if daemon.poll() is not None:
                break
        time.sleep(0.1)
    logs = "\n".join(log.read_text()[-500:] for log in slurm.folder.glob("*.err"))
    raise RuntimeError(f"SLURM did not start:\n{logs}")
