"""Memory of a training process: what is freed stays with the process."""

from __future__ import annotations

import ctypes
from contextlib import suppress

TRIM_THRESHOLD, MAP_THRESHOLD = -1, -3
"""Numbers of two of glibc's tunables (malloc.h)."""

LARGEST_BLOCK = 32 << 20
KEPT = 512 << 20


def keep_freed_memory() -> None:
    """Tell glibc to keep up to 512 MB of freed memory, blocks of up to 32 MB; elsewhere do nothing.

    Every gradient step frees and allocates the same blocks. By default the larger ones go back to the
    kernel each time and come as new pages, zeroed and mapped one by one: some 300 page faults per step
    of a small molecule, a twentieth of the training and more of the last layer.
    """
    with suppress(OSError, AttributeError, TypeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(MAP_THRESHOLD, LARGEST_BLOCK)
        set_option(TRIM_THRESHOLD, KEPT)
