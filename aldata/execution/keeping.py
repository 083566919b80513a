"""The keeper's own process: see `aldata.execution.keeper`."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from typing import IO, Any, NoReturn

from aldata.execution.keeper import Ending, messages_in, read_message, write_message
from aldata.execution.watch import ProcessMark, die_with

MEMORY_LOOK = 250.0
"""Milliseconds between two looks at the memory of a call that has a limit."""


def main(preload: Sequence[str]) -> int:
    """Serve calls from standard input until it ends."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # what a call prints must not mix with the replies
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the owner, who ends us
    for name in preload:
        with contextlib.suppress(ImportError):  # the call itself will say what is missing
            importlib.import_module(name)
    gc.freeze()  # what is imported stays: a fork shares it instead of copying it
    wake = _wake_on_child_end()
    while True:
        try:
            request = read_message(requests)
        except Exception as problem:  # the function cannot be imported here: the caller must know
            write_message(replies, Ending("raised", _portable(problem), None, 0.0, 0.0))
            continue
        if request is None:
            return 0
        write_message(replies, _serve(request, requests, wake))


def _wake_on_child_end() -> int:
    """A file descriptor that becomes readable when a child ends."""
    wake, waker = os.pipe()
    for end in (wake, waker):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    return wake


def _serve(request: tuple[Any, ...], requests: IO[bytes], wake: int) -> Ending:
    function, argument, time_limit, memory_limit = request
    answers, answer = os.pipe()
    keeper = ProcessMark.of()
    pid = os.fork()
    if pid == 0:
        os.close(answers)
        _be_the_call(function, argument, os.fdopen(answer, "wb"), keeper, memory_limit)
    os.close(answer)
    os.set_blocking(answers, False)
    try:
        return _Watch(pid, answers, time_limit, memory_limit).until_end(requests, wake)
    finally:
        os.close(answers)


class _Watch:
    """Waits for one forked call."""

    def __init__(
        self, pid: int, answers: int, time_limit: float | None, memory_limit: int | None
    ) -> None:
        self.pid = pid
        self.answers = answers
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.began: float | None = None
        self.buffer = bytearray()
        self.outcome: tuple[str, Any] | None = None

    def until_end(self, requests: IO[bytes], wake: int) -> Ending:
        waiting = select.poll()
        for handle, events in (
            (requests.fileno(), select.POLLHUP),
            (wake, select.POLLIN),
            (self.answers, select.POLLIN),
        ):
            waiting.register(handle, events)
        while not self._has_ended():
            ready = dict(waiting.poll(self._milliseconds_to_look()))
            if requests.fileno() in ready:
                self._kill_group()
                os._exit(0)  # the owner is gone; nobody reads the reply
            if wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 4096)
            if self.answers in ready and not self._read():
                waiting.unregister(self.answers)
            if self._milliseconds_left() == 0:
                return self._reap("time_limit")
            if self.memory_limit is not None and memory_of(self.pid) > self.memory_limit:
                return self._reap("out_of_memory")
        return self._reap(None)

    def _milliseconds_to_look(self) -> float | None:
        left = self._milliseconds_left()
        if self.memory_limit is None:
            return left
        return MEMORY_LOOK if left is None else min(left, MEMORY_LOOK)

    def _milliseconds_left(self) -> float | None:
        if self.began is None or self.time_limit is None:
            return None
        return max(0.0, 1000 * (self.began + self.time_limit - time.monotonic()))

    def _has_ended(self) -> bool:
        """Whether the call's process ended; it stays a zombie, so that its group keeps its name."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    def _read(self) -> bool:
        """Take in what the call has written; False at the end of it."""
        try:
            block = os.read(self.answers, 1 << 20)
        except BlockingIOError:
            return True
        self.buffer += block
        for kind, value in messages_in(self.buffer):
            if kind == "begin":
                self.began = time.monotonic()
            else:
                self.outcome = (kind, value)
        return bool(block)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):  # it may not lead its group yet
            os.kill(self.pid, signal.SIGKILL)

    def _reap(self, limit: str | None) -> Ending:
        ended = time.monotonic()
        self._kill_group()
        _, status, usage = os.wait4(self.pid, 0)
        while limit is None and self._read():
            if not select.select([self.answers], [], [], 0)[0]:
                break
        wall = 0.0 if self.began is None else ended - self.began
        how, value = self.outcome or ("died", None)
        if limit is not None:
            how, value = limit, None
        code = os.waitstatus_to_exitcode(status)
        cpu = usage.ru_utime + usage.ru_stime
        return Ending(how, value, code, cpu, wall, memory_peak_bytes(usage))


def memory_peak_bytes(*usages: resource.struct_rusage) -> int:
    """Largest resident memory among processes; the kernel counts in kB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return max(usage.ru_maxrss for usage in usages) * unit


def memory_of(pid: int) -> int:
    """Resident memory of a process and all its descendants, in bytes."""
    import psutil

    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += each.memory_info().rss
    return total


def _be_the_call(
    function: Any, argument: Any, answer: IO[bytes], keeper: ProcessMark, memory_limit: int | None
) -> NoReturn:
    """In the forked process: run the function and send its answer; never returns."""
    code = 70
    try:
        os.setsid()  # a group of its own: whatever it starts can be killed with it
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with(keeper, group=True)
        if memory_limit is not None and sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_DATA, (memory_limit, memory_limit))
        try:
            value = function(argument, lambda: write_message(answer, ("begin", None)))
            write_message(answer, ("returned", value))
        except Exception as problem:
            write_message(answer, ("raised", _portable(problem)))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _portable(problem: BaseException) -> BaseException:
    """The exception itself if it can cross to another process, else its traceback as text."""
    import pickle

    try:
        pickle.loads(pickle.dumps(problem))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(problem)))
    return problem
