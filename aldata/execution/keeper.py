"""A keeper: runs one function at a time in a forked process of its own, within a time limit.

Foreign code may crash, hang or leave children behind. The keeper is a small single-threaded process
that has the slow imports done already; for each call it forks, waits, kills the whole process group
at the time limit, and says how the call ended and what it cost. When its owner dies - by `kill -9`
too - its input ends, and it kills the call in flight, with its children, before it ends itself.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

_HEADER = struct.Struct("<Q")


@dataclass(frozen=True)
class Ending:
    """How a call ended: `how` is returned, raised, time_limit, out_of_memory or died.

    `value` is the result or the exception; `exit_code` is negative for a signal, as in
    `subprocess`; `cpu_seconds` (user and system) count the call and those children that it waited
    for; `wall_seconds` count from when the call said that its clock begins; `memory_peak_bytes` is
    the largest resident memory of one process of the call.
    """

    how: str
    value: Any
    exit_code: int | None
    cpu_seconds: float
    wall_seconds: float
    memory_peak_bytes: int | None = None


class Keeper:
    """Owner's side of a keeper process; started by the first call, and again if it was killed.

    `preload` names the modules that every call needs: they are imported once, so that a call costs
    a fork instead of seconds of imports. `environment` is added to this process's own.
    """

    def __init__(
        self, preload: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self._preload = tuple(preload)
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def call(
        self,
        function: Callable[[Any, Callable[[], None]], Any],
        argument: Any,
        time_limit: float | None = None,
        memory_limit: int | None = None,
    ) -> Ending:
        """Run `function(argument, begin)` in a process of its own.

        `function` is importable and calls `begin()` when its clock shall start: until then there is
        no time limit (it may wait for somebody). `memory_limit` in bytes holds for the call and all
        that it starts together; no single process can even ask for more. Never raises what the
        function raised: that is the ending's value.
        """
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                write_message(process.stdin, (function, argument, time_limit, memory_limit))
                ending = read_message(process.stdout)
            except BaseException:
                self.close()
                raise
            if ending is None:
                process.wait()
                return Ending("died", "the keeper was killed", process.returncode, 0.0, 0.0)
            assert isinstance(ending, Ending)
            return ending

    def close(self) -> None:
        """End the keeper; a call in flight is killed."""
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    stream.close()  # type: ignore[union-attr]
            self._process.wait()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, *self._preload],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # the keeper imports what this process can import
                env={
                    **os.environ,
                    **self._environment,
                    "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                },
            )
        return self._process

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_START = "import sys; from aldata.execution.keeping import main; sys.exit(main(sys.argv[1:]))"


def write_message(stream: IO[bytes], message: Any) -> None:
    """Write one pickled message with its length in front."""
    content = pickle.dumps(message)
    stream.write(_HEADER.pack(len(content)) + content)
    stream.flush()


def read_message(stream: IO[bytes]) -> Any:
    """The next message, or None where the stream ends."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    content = stream.read(_HEADER.unpack(header)[0])
    return pickle.loads(content)


def messages_in(buffer: bytearray) -> list[Any]:
    """Remove and return the complete messages at the start of `buffer`."""
    found = []
    while len(buffer) >= _HEADER.size:
        end = _HEADER.size + _HEADER.unpack_from(buffer)[0]
        if len(buffer) < end:
            break
        found.append(pickle.loads(bytes(buffer[_HEADER.size : end])))
        del buffer[:end]
    return found
