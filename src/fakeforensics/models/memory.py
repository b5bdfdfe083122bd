"""Keeping freed memory for the next step, where a network computes on a CPU."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h
_NEVER = -1


@cache
def keep_freed_memory() -> bool:
    """Tell glibc's malloc to keep what is freed, for this process from now on.

    By itself it hands every large tensor back to the system when it is freed and asks for it anew in the next
    step, where each of its pages is then faulted in and zeroed again: a quarter to a third of a training step
    (docs/benchmarks.md). Kept, the pages are reused; the process stays as large as it once was. No number
    that is computed changes.

    Returns:
        Whether this system's allocator took it: one other than glibc's is left as it is.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_MMAP_MAX, 0) and libc.mallopt(_TRIM_THRESHOLD, _NEVER))
