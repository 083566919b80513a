"""No orphans: a process ends when the one it works for is gone, even by `kill -9`.

On Linux a watcher thread sleeps on a pidfd, which names one process for good (a reused pid is
another process) and reports its death at once. Elsewhere it looks five times a second.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn, Self

INTERVAL = 0.2
"""Seconds between two looks where the system cannot report a death."""

EXIT_CODE = 113
"""Exit code of a process that ended because the one it worked for was gone."""

_PR_SET_PDEATHSIG = 1
_HAS_PROC = Path("/proc/self/stat").exists()


@dataclass(frozen=True)
class ProcessMark:
    """One process for good: a reused pid has another time of creation."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int | None = None) -> Self:
        """Mark process `pid` (default: this one). Raises ProcessLookupError when it is gone."""
        pid = os.getpid() if pid is None else pid
        return cls(pid, _created(pid))

    @property
    def alive(self) -> bool:
        """Whether that very process still runs; a zombie does not."""
        try:
            return _created(self.pid) == self.created
        except ProcessLookupError:
            return False


def _created(pid: int) -> float:
    """Creation time of a running process: clock ticks since boot on Linux, else seconds.

    Ticks since boot do not move when somebody sets the clock.
    """
    if _HAS_PROC:
        try:
            handle = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
            try:
                fields = os.read(handle, 4096).rpartition(b")")[2].split()
            finally:
                os.close(handle)
        except OSError:
            raise ProcessLookupError(pid) from None
        if fields[0] in (b"Z", b"X"):
            raise ProcessLookupError(pid)
        return float(fields[19])
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            raise ProcessLookupError(pid)
        return float(process.create_time())
    except psutil.NoSuchProcess:
        raise ProcessLookupError(pid) from None


def die_with(mark: ProcessMark, *, kernel: bool = False, group: bool = False) -> None:
    """End this process, hard, when the marked one is gone (at once if it already is).

    Children of this process are killed first; with `group` also every member of its process group,
    which must then be its own. With `kernel`, Linux is also asked to kill this process when its
    parent dies, which works even while foreign code holds Python's lock; use it only if `mark` is
    the direct parent and the thread that started this process lives as long as the parent.
    """
    if kernel and sys.platform == "linux" and os.getppid() == mark.pid:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _watch([mark], group)


def killed_with_parent() -> Callable[[], None] | None:
    """What a child that is not ours runs before it begins (`preexec_fn`): Linux kills it with its parent.

    The thread that starts the child must live as long as the parent. None on other systems.
    """
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None, use_errno=True)  # loaded here: not between fork and exec
    return partial(library.prctl, _PR_SET_PDEATHSIG, signal.SIGKILL)


def die_with_ancestors(program: str = "dvc") -> list[ProcessMark]:
    """End this process when `program`, or a process between it and this one, is gone.

    Without such an ancestor the direct parent is watched, unless that is a shell in which somebody
    types, or the system's first process. Returns what is watched.
    """
    marks = ancestors_to(program)
    if not marks:
        parent = os.getppid()
        if parent <= 1 or _is_interactive_shell(_command(parent)):
            return []
        marks = [ProcessMark.of(parent)]
    _watch(marks, group=False)
    return marks


def ancestors_to(program: str) -> list[ProcessMark]:
    """The ancestors of this process from its parent up to `program`; empty if it is not there."""
    import psutil

    marks: list[ProcessMark] = []
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        for ancestor in psutil.Process().parents():
            marks.append(ProcessMark.of(ancestor.pid))
            if _runs(_command(ancestor.pid), program):
                return marks
    return []


def _command(pid: int) -> list[str]:
    import psutil

    try:
        return list(psutil.Process(pid).cmdline())
    except psutil.Error:
        return []


def _runs(command: Sequence[str], program: str) -> bool:
    """Whether a command line is `program`, `python .../program` or `python -m [package.]program`.

    A path that merely contains the name (a folder called dvc) is not the program.
    """
    if "-m" in command[1:6]:
        module = command[command.index("-m") + 1 :][:1]
        return [name.rpartition(".")[2] for name in module] == [program]
    words = [word for word in command[:6] if not word.startswith("-")][:2]
    return any(Path(word).name in (program, f"{program}.exe") for word in words)


_SHELLS = {"bash", "sh", "dash", "zsh", "fish", "ksh", "tcsh", "csh", "busybox"}


def _is_interactive_shell(command: Sequence[str]) -> bool:
    """Whether a command line is a shell without a script or `-c` to run."""
    if not command:
        return True
    name = Path(command[0]).name.lstrip("-")
    return name in _SHELLS and all(w.startswith("-") and "c" not in w for w in command[1:])


def _watch(marks: Sequence[ProcessMark], group: bool) -> None:
    try:
        handles = [os.pidfd_open(mark.pid) for mark in marks]
    except (AttributeError, OSError):
        handles = []
    if not all(mark.alive for mark in marks):
        _end(group)
    target = _wait_on_handles if len(handles) == len(marks) else _wait_by_looking
    arguments = (handles if target is _wait_on_handles else marks, group)
    threading.Thread(target=target, args=arguments, daemon=True, name="die_with").start()


def _wait_on_handles(handles: Sequence[int], group: bool) -> None:
    waiting = select.poll()
    for handle in handles:
        waiting.register(handle, select.POLLIN)
    while not waiting.poll():
        pass
    _end(group)


def _wait_by_looking(marks: Sequence[ProcessMark], group: bool) -> None:
    while all(mark.alive for mark in marks):
        time.sleep(INTERVAL)
    _end(group)


def _end(group: bool) -> None:
    if group:
        _kill_descendants()
        os.killpg(os.getpid(), signal.SIGKILL)
    end_now(EXIT_CODE)


def end_now(code: int) -> NoReturn:
    """Kill all descendants, then end this process; nothing is flushed or cleaned up on purpose."""
    _kill_descendants()
    os._exit(code)


def _kill_descendants() -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()
