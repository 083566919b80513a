"""CPU seconds of some work."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

Found = dict[str, Any]
"""A row of a table."""


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, which has one thread: waiting for other processes does not count."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def median(work: Callable[[], Any], repeats: int = 5) -> float:
    work()
    return statistics.median(seconds(work)[0] for _ in range(repeats))
