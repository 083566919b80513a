"""Jobs for the tests of the execution; importable by workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from aldata.errors import LedgerError


def doubled(x: int) -> tuple[int, int, str | None]:
    return 2 * x, os.getpid(), os.environ.get("OMP_NUM_THREADS")


def doubled_slowly(x: int) -> tuple[int, int]:
    time.sleep(0.2)
    return 2 * x, os.getpid()


def fails_at_three(x: int) -> int:
    if x == 3:
        raise LedgerError("no room", where="/ledger", next_step="make room")
    return x


def kills_its_worker_once(marker: Path) -> str:
    """Ends its process by SIGKILL the first time, as the kernel does when memory runs out."""
    if not marker.exists():
        marker.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{marker.read_text()} {os.getpid()}"


def kills_its_worker_slowly(marker: Path) -> None:
    """Ends its process the first time, and takes long the second time."""
    kills_its_worker_once(marker)
    time.sleep(30)


def starts_a_process(x: int) -> str:
    """Dask's workers are daemons by default, and may not do this."""
    import multiprocessing

    pool = multiprocessing.get_context("spawn").Process(target=int)
    pool.start()
    pool.join()
    return f"{x} {pool.exitcode}"


def writes_for_ever(path: Path) -> None:
    """Appends its pid to a file, ten times a second."""
    while True:
        with path.open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        time.sleep(0.1)


# functions for a keeper: (argument, begin) -> value


def returned(value: object, begin: Callable[[], None]) -> object:
    begin()
    return value


def raised(value: str, begin: Callable[[], None]) -> None:
    raise LedgerError(value)


def segfaulted(value: object, begin: Callable[[], None]) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def left(code: int, begin: Callable[[], None]) -> None:
    os._exit(code)


def waited_then_began(seconds: float, begin: Callable[[], None]) -> str:
    time.sleep(seconds)
    begin()
    return "done"


def burnt(seconds: float, begin: Callable[[], None]) -> None:
    begin()
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def hung_with_a_child(path: Path, begin: Callable[[], None]) -> None:
    """Starts another program, as calculators do, and never ends."""
    begin()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    path.write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)
